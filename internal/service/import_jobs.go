package service

import (
	"context"
	"errors"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

// A job belongs to whoever has claimed it, for as long as the lease is renewed. Another replica takes it over when the
// lease has ended: the process was killed, or stood still. What a holder writes is kept only while the lease is its own,
// so that two who believe to have the same job cannot both bring it to an end.
const (
	leaseTime  = 30 * time.Second
	renewEvery = leaseTime / 3
)

// heldJob is a job that was claimed, with what it works on.
type heldJob struct {
	domain.Job
	holder string
	files  map[string][]byte
}

func newHolder() string { return string(domain.NewID[domain.JobID]()) }

func (s *Service) lease(holder string) store.Lease {
	now := s.Now()
	return store.Lease{Holder: holder, Now: now, Until: now.Add(leaseTime)}
}

// claimJob claims the job, or the oldest one if id is empty. It is store.ErrNotFound when there is none to claim.
func (s *Service) claimJob(ctx context.Context, id domain.JobID, holder string) (heldJob, error) {
	held := heldJob{holder: holder, files: map[string][]byte{}}
	err := s.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if held.Job, err = tx.ClaimJob(ctx, id, s.lease(holder)); err != nil {
			return err
		}
		for _, name := range []string{fileAccounts, fileContacts} {
			content, err := tx.JobFile(ctx, held.ID, name)
			if err == nil {
				held.files[name] = content
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	return held, err
}

// keepJob renews the lease until the returned function is called. The context ends when the lease is lost.
func (s *Service) keepJob(ctx context.Context, held heldJob) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := s.DB.Update(ctx, func(tx *store.Tx) error { return tx.RenewJob(ctx, held.ID, s.lease(held.holder)) })
			if errors.Is(err, store.ErrLeaseLost) {
				cancel(err)
			}
		}
	}()
	return ctx, func() { cancel(nil); <-ended }
}

// RunJobs works on queued imports, one at a time, until ctx ends. What a killed process left running starts again: at once
// when no other process can be at work on this database, else when its lease has ended.
func (s *Service) RunJobs(ctx context.Context) {
	if !s.DB.Shared() {
		err := s.DB.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.EndJobLeases(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "interrupted imports not taken up again", "error", err)
		}
	}
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	tries := map[domain.JobID]int{}
	for {
		held, err := s.claimJob(ctx, "", newHolder())
		if err == nil {
			if _, err = s.runJob(ctx, held, nil); err == nil {
				delete(tries, held.ID)
				continue
			}
			if tries[held.ID]++; tries[held.ID] >= maxTries {
				delete(tries, held.ID)
				err = errors.Join(err, s.giveUp(ctx, held.ID))
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

// maxTries is how often a process tries a job that cannot be decided, at least ten seconds apart, before it fails it.
const maxTries = 30

// giveUp fails a job that could not be decided, unless its rows are in and only wait to become effective, or somebody else
// works on it now.
func (s *Service) giveUp(ctx context.Context, id domain.JobID) error {
	err := s.DB.Update(ctx, func(tx *store.Tx) error {
		job, err := tx.Job(ctx, id)
		if err != nil || job.Done > 0 {
			return err
		}
		holder := newHolder()
		if job, err = tx.ClaimJob(ctx, id, s.lease(holder)); err != nil {
			return err
		}
		job.State, job.FinishedAt = domain.JobFailed, s.Now().UTC()
		job.Problems = []domain.ImportProblem{{
			File: fileContacts, Line: 1, Message: "This import could not be decided: a part of the server did not answer, again and again.", Mend: "Import again later.",
		}}
		if err := tx.DeleteJobFiles(ctx, id); err != nil {
			return err
		}
		return tx.UpdateHeldJob(ctx, job, holder)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// runJob carries a job to its end. An error means that it could not be decided, and the job will be tried again; a job
// that failed for what its files say is no error.
func (s *Service) runJob(ctx context.Context, held heldJob, progress func(done, total int)) (domain.Job, error) {
	job := held.Job
	ctx, stop := s.keepJob(ctx, held)
	defer stop()
	if job.Total == 0 || job.Done < job.Total { // else the rows are in already and only became effective later
		imp := &importRun{s: s, job: &job, holder: held.holder, files: held.files, progress: progress}
		if err := imp.run(ctx); err != nil {
			return job, s.retryLater(ctx, held, err)
		}
	} else if err := s.Changes.Drain(ctx); err != nil {
		return job, s.retryLater(ctx, held, err)
	}
	if job.State == domain.JobRunning {
		job.State = domain.JobDone
		s.analyze(ctx, job)
	}
	job.FinishedAt = s.Now().UTC()
	return job, s.DB.Update(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteJobFiles(ctx, held.ID); err != nil {
			return err
		}
		return tx.UpdateHeldJob(ctx, job, held.holder)
	})
}

// retryLater puts a job back into the queue, so that the next round tries it again. What the job knows of itself is what
// its row says: rows that are in stay in.
func (s *Service) retryLater(ctx context.Context, held heldJob, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(cause, s.DB.Update(ctx, func(tx *store.Tx) error {
		job, err := tx.Job(ctx, held.ID)
		if err != nil {
			return err
		}
		job.State = domain.JobQueued
		return tx.UpdateHeldJob(ctx, job, held.holder)
	}))
}

// manyRows is how many imported rows change how queries are best planned.
const manyRows = 1000

// analyze lets the database look at what a large import has brought. Until it has, cold pages take several times as long.
func (s *Service) analyze(ctx context.Context, job domain.Job) {
	if job.DryRun || job.Total < manyRows {
		return
	}
	if err := s.DB.Analyze(ctx); err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "tables not analyzed after an import", "error", err)
	}
}
