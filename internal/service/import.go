package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// maxOpenJobs bounds how many imports of one person may wait or run.
const maxOpenJobs = 3

// The names under which a job keeps its files.
const (
	fileAccounts = "accounts"
	fileContacts = "contacts"
)

// ImportAccounts starts an import, which goes on as a job. With an accounts file it needs create_account; without one the
// caller must be somebody who could have a right on an account at all. What each row needs is asked when the job runs.
func (s *Service) ImportAccounts(ctx context.Context, actor domain.Actor, in ImportFiles) (change.Result, error) {
	res, err := s.queueImport(ctx, actor, in, len(actor.Staff) > 0, "")
	if err == nil {
		s.nudgeJobs()
	}
	return res, err
}

// ImportNow imports at once and returns the finished job; progress, if not nil, is told how many rows are done.
func (s *Service) ImportNow(ctx context.Context, actor domain.Actor, in ImportFiles, progress func(done, total int)) (domain.Job, error) {
	holder := newHolder()
	res, err := s.queueImport(ctx, actor, in, len(actor.Staff) > 0, holder)
	if err != nil {
		return domain.Job{}, err
	}
	job, err := s.claimJob(ctx, domain.JobID(res.ID), holder)
	if errors.Is(err, store.ErrNotFound) { // a repetition of a call whose job somebody works on, or has ended
		return s.endedJob(ctx, domain.JobID(res.ID))
	}
	if err != nil {
		return domain.Job{}, err
	}
	return s.runJob(ctx, job, progress)
}

func (s *Service) endedJob(ctx context.Context, id domain.JobID) (job domain.Job, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		job, err = tx.Job(ctx, id)
		return err
	})
	if err == nil && job.FinishedAt.IsZero() {
		err = domain.Conflict("", "This import is running already: ask for its job.")
	}
	return job, err
}

// queueImport adds a job that waits, or that holder works on, if there is one.
func (s *Service) queueImport(ctx context.Context, actor domain.Actor, in ImportFiles, needsRequest bool, holder string) (change.Result, error) {
	job := domain.Job{
		ID: domain.NewID[domain.JobID](), Kind: "import_accounts", State: domain.JobQueued, DryRun: in.DryRun, Invite: in.Invite,
		Person: actor.Person, ActorName: actor.Name, Scope: actor.Scope, TokenID: actor.TokenID,
	}
	if in.StaffRequest != nil {
		job.Request, job.Reason = in.StaffRequest.Reference, in.StaffRequest.Reason
	}
	req := change.Request{Actor: actor, Operation: "import_accounts", Scopes: []string{authz.ScopeOf(actor.Person)}, IdempotencyKey: in.IdempotencyKey, Input: in}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := s.mayImport(ctx, tx, in); err != nil {
			return change.Result{}, err
		}
		if holder == "" { // else the caller waits for it, and what a killed one has left must not be in the way
			if err := s.roomForJob(ctx, tx); err != nil {
				return change.Result{}, err
			}
		}
		if err := in.StaffRequest.check(needsRequest); err != nil {
			return change.Result{}, err
		}
		files := map[string][]byte{fileContacts: in.Contacts}
		if in.Accounts != nil {
			files[fileAccounts] = in.Accounts
		}
		job.CreatedAt = tx.Now()
		if err := tx.InsertJob(ctx, job, files); err != nil {
			return change.Result{}, err
		}
		if holder != "" {
			if _, err := tx.ClaimJob(ctx, job.ID, s.lease(holder)); err != nil {
				return change.Result{}, err
			}
		}
		tx.Gains(relation.OfJob(job)...)
		return change.Result{ID: string(job.ID), AuditID: tx.Audit(domain.AuditEntry{TargetKind: "job", TargetID: string(job.ID), TargetName: job.Kind})}, nil
	})
}

func (s *Service) mayImport(ctx context.Context, tx *change.Tx, in ImportFiles) error {
	actor := tx.Actor()
	if in.Accounts != nil {
		if err := tx.Require(ctx, ask(platform, relation.CreateAccount)); err != nil {
			return err
		}
	} else {
		contacts, err := tx.ContactsOfPerson(ctx, actor.Person)
		if err != nil {
			return err
		}
		if len(contacts) == 0 && len(actor.Staff) == 0 {
			err := domain.Forbidden(relation.AddContact, "contact_of_no_account")
			err.Message = "You are a contact of no account, so there is none that you could import contacts for."
			return err
		}
		tx.AuthorisedBy("a place on an account; each row is asked for when the job runs")
	}
	return nil
}

// roomForJob refuses one more import of a person who has many that have not ended.
func (s *Service) roomForJob(ctx context.Context, tx *change.Tx) error {
	jobs, err := tx.JobsOfPerson(ctx, tx.Actor().Person, 100)
	if err != nil {
		return err
	}
	open := 0
	for _, j := range jobs {
		if j.FinishedAt.IsZero() {
			open++
		}
	}
	if open >= maxOpenJobs {
		return domain.Conflict("", fmt.Sprintf("%d imports of yours are waiting or running: let one finish first.", open))
	}
	return nil
}

func (s *Service) nudgeJobs() {
	select {
	case s.jobs <- struct{}{}:
	default:
	}
}

// requestOf is the recorded request that a job was started on, if there is one.
func requestOf(job domain.Job) *StaffRequest {
	if strings.TrimSpace(job.Request) == "" {
		return nil
	}
	return &StaffRequest{Reference: job.Request, Reason: job.Reason}
}
