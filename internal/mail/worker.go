// Package mail sends the messages that changes have put into the store.
//
// A message is written in the transaction of the change that it follows from and leaves afterwards, so none is sent for a
// change that did not happen, and none is lost. A worker claims a message before it sends it, so that several replicas
// share the work. It may be sent twice if the process ends between the server's answer and the note of it; both carry the
// same Message-ID.
package mail

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

// ErrRefused says that the server will never take the message, for example because its mailbox does not exist.
var ErrRefused = errors.New("the mail server refused the message for good")

// Sender sends one message. An error that is ErrRefused ends the tries, any other one lets the message wait.
type Sender interface {
	Send(ctx context.Context, m domain.Mail) error
}

const (
	maxTries  = 20 // over about three days
	firstWait = time.Minute
	longest   = 6 * time.Hour
	batch     = 10
	interval  = 30 * time.Second
)

// never is the next try of a message that was given up.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Worker sends what is due, one message after the other.
type Worker struct {
	db     *store.DB
	sender Sender
	now    func() time.Time
	log    *slog.Logger
	nudge  chan struct{}
}

// NewWorker returns a worker over its parts, all of which are required.
func NewWorker(db *store.DB, sender Sender, now func() time.Time, log *slog.Logger) *Worker {
	return &Worker{db, sender, now, log, make(chan struct{}, 1)}
}

// Nudge tells Run that a message was written. It never waits.
func (w *Worker) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Run sends what is due until ctx ends: at once when it begins and when nudged, and every half minute.
func (w *Worker) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := w.SendDue(ctx); err != nil && ctx.Err() == nil {
			w.log.ErrorContext(ctx, "mail worker stopped early", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.nudge:
		case <-tick.C:
		}
	}
}

// SendDue tries each message that is due now once. It returns errors of the store and of ctx; a message that could not be
// sent is no error, it waits for its next try.
func (w *Worker) SendDue(ctx context.Context) error {
	for {
		due, err := w.claim(ctx)
		if err != nil || len(due) == 0 {
			return err
		}
		for i, m := range due {
			if err := w.try(ctx, m); err != nil {
				return errors.Join(err, w.release(ctx, due[i+1:]))
			}
		}
	}
}

// claimTime is how long a claim counts: longer than a batch takes when the server lets each message run into its timeout.
const claimTime = (batch + 2) * sendTimeout

// claim returns messages that are due, which no other worker will try before the claim ends. Whoever only looks whether
// there is something does not wait for the writer.
func (w *Worker) claim(ctx context.Context) (due []domain.Mail, err error) {
	err = w.db.View(ctx, func(tx *store.Tx) error {
		due, err = tx.DueMails(ctx, w.now(), 1)
		return err
	})
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = w.db.Update(ctx, func(tx *store.Tx) error {
		now := w.now()
		due, err = tx.ClaimMails(ctx, now, now.Add(claimTime), batch)
		return err
	})
	return due, err
}

// release lets claimed messages that were not tried be due again.
func (w *Worker) release(ctx context.Context, claimed []domain.Mail) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var errs []error
	for _, m := range claimed {
		until := m.NextTry
		m.NextTry = w.now()
		errs = append(errs, w.note(ctx, m, until))
	}
	return errors.Join(errs...)
}

// note writes what became of a message that was claimed until then. Another worker that has claimed it since has the word.
func (w *Worker) note(ctx context.Context, m domain.Mail, until time.Time) error {
	err := w.db.Update(ctx, func(tx *store.Tx) error { return tx.UpdateClaimedMail(ctx, m, until) })
	if errors.Is(err, store.ErrLeaseLost) {
		w.log.WarnContext(ctx, "mail claimed by another worker meanwhile", "mail_id", m.ID)
		return nil
	}
	return err
}

// try sends one message and notes the outcome. The text of a message that needs no further try is forgotten: it may hold a
// link with a secret.
func (w *Worker) try(ctx context.Context, m domain.Mail) error {
	until := m.NextTry
	if w.now().After(until.Add(-sendTimeout)) {
		return nil // this process stood still: another worker may have the message by the time that it is sent
	}
	err := w.sender.Send(ctx, m)
	if err != nil && ctx.Err() != nil {
		return errors.Join(ctx.Err(), w.release(ctx, []domain.Mail{m})) // the shutdown cut the try off; it does not count
	}
	m.Attempts++
	switch {
	case err == nil:
		m.SentAt, m.Text, m.LastError = w.now(), "", ""
	case m.Attempts >= maxTries || errors.Is(err, ErrRefused):
		m.NextTry, m.Text, m.LastError = never, "", err.Error()
		w.log.ErrorContext(ctx, "mail given up", "mail_id", m.ID, "attempts", m.Attempts, "error", err)
	default:
		m.NextTry, m.LastError = w.now().Add(wait(m.Attempts)), err.Error()
		w.log.WarnContext(ctx, "mail not sent", "mail_id", m.ID, "attempts", m.Attempts, "next_try", m.NextTry, "error", err)
	}
	// What was sent is noted also when ctx has ended meanwhile, or it would be sent again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return w.note(ctx, m, until)
}

// wait returns how long a message rests after so many tries: 1, 2, 4 ... minutes, 6 hours at most.
func wait(tries int) time.Duration {
	return min(longest, firstWait<<min(tries-1, 20))
}
