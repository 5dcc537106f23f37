package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	res, err := s.queueImport(ctx, actor, in, len(actor.Staff) > 0)
	if err == nil {
		s.nudgeJobs()
	}
	return res, err
}

// ImportNow imports at once and returns the finished job; progress, if not nil, is told how many rows are done.
func (s *Service) ImportNow(ctx context.Context, actor domain.Actor, in ImportFiles, progress func(done, total int)) (domain.Job, error) {
	res, err := s.queueImport(ctx, actor, in, len(actor.Staff) > 0)
	if err != nil {
		return domain.Job{}, err
	}
	return s.runJob(ctx, domain.JobID(res.ID), progress)
}

func (s *Service) queueImport(ctx context.Context, actor domain.Actor, in ImportFiles, needsRequest bool) (change.Result, error) {
	job := domain.Job{
		ID: domain.NewID[domain.JobID](), Kind: "import_accounts", State: domain.JobQueued, DryRun: in.DryRun, Invite: in.Invite,
		Person: actor.Person, ActorName: actor.Name, Scope: actor.Scope, TokenID: actor.TokenID,
	}
	if in.StaffRequest != nil {
		job.Request, job.Reason = in.StaffRequest.Reference, in.StaffRequest.Reason
	}
	req := change.Request{Actor: actor, Operation: "import_accounts", Scopes: []string{change.GlobalScope}, IdempotencyKey: in.IdempotencyKey, Input: in}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := s.mayImport(ctx, tx, in); err != nil {
			return change.Result{}, err
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
	jobs, err := tx.JobsOfPerson(ctx, actor.Person, 100)
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

// RunJobs works on queued imports, one at a time, until ctx ends. What a killed process left running starts again.
func (s *Service) RunJobs(ctx context.Context) {
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.RequeueRunning(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "interrupted imports not taken up again", "error", err)
	}
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	tries := map[domain.JobID]int{}
	for {
		var job domain.Job
		err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
			job, err = tx.NextQueuedJob(ctx)
			return err
		})
		if err == nil {
			if _, err = s.runJob(ctx, job.ID, nil); err == nil {
				delete(tries, job.ID)
				continue
			}
			if tries[job.ID]++; tries[job.ID] >= maxTries {
				delete(tries, job.ID)
				err = errors.Join(err, s.giveUp(ctx, job.ID))
			}
		}
		if !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "import not finished", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.jobs:
		case <-tick.C:
		}
	}
}

// maxTries is how often a job is tried that cannot be decided, at least ten seconds apart, before the next has its turn.
const maxTries = 30

// giveUp fails a job that could not be decided, unless its rows are in and only wait to become effective.
func (s *Service) giveUp(ctx context.Context, id domain.JobID) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		job, err := tx.Job(ctx, id)
		if err != nil || job.Done > 0 {
			return err
		}
		job.State, job.FinishedAt = domain.JobFailed, s.Now().UTC()
		job.Problems = []domain.ImportProblem{{
			File: fileContacts, Line: 1, Message: "This import could not be decided: a part of the server did not answer, again and again.", Mend: "Import again later.",
		}}
		if err := tx.DeleteJobFiles(ctx, id); err != nil {
			return err
		}
		return tx.UpdateJob(ctx, job)
	})
}

// runJob carries a job to its end. An error means that it could not be decided, and the job will be tried again; a job
// that failed for what its files say is no error.
func (s *Service) runJob(ctx context.Context, id domain.JobID, progress func(done, total int)) (domain.Job, error) {
	var job domain.Job
	files := map[string][]byte{}
	err := s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if job, err = tx.Job(ctx, id); err != nil {
			return err
		}
		for _, name := range []string{fileAccounts, fileContacts} {
			content, err := tx.JobFile(ctx, id, name)
			if err == nil {
				files[name] = content
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		job.State = domain.JobRunning
		return tx.UpdateJob(ctx, job)
	})
	if err != nil {
		return job, err
	}
	if job.Total == 0 || job.Done < job.Total { // else the rows are in already and only became effective later
		imp := &importRun{s: s, job: &job, files: files, progress: progress}
		if err := imp.run(ctx); err != nil {
			return job, s.retryLater(ctx, id, err)
		}
	} else if err := s.Changes.Drain(ctx); err != nil {
		return job, err
	}
	if job.State == domain.JobRunning {
		job.State = domain.JobDone
	}
	job.FinishedAt = s.Now().UTC()
	return job, s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteJobFiles(ctx, id); err != nil {
			return err
		}
		return tx.UpdateJob(ctx, job)
	})
}

// retryLater puts a job back into the queue, so that the next round tries it again. What the job knows of itself is what
// its row says: rows that are in stay in.
func (s *Service) retryLater(ctx context.Context, id domain.JobID, cause error) error {
	ctx = context.WithoutCancel(ctx)
	return errors.Join(cause, s.DB.Update(ctx, func(tx *store.Tx) error {
		job, err := tx.Job(ctx, id)
		if err != nil {
			return err
		}
		job.State = domain.JobQueued
		return tx.UpdateJob(ctx, job)
	}))
}

// requestOf is the recorded request that a job was started on, if there is one.
func requestOf(job domain.Job) *StaffRequest {
	if strings.TrimSpace(job.Request) == "" {
		return nil
	}
	return &StaffRequest{Reference: job.Request, Reason: job.Reason}
}
