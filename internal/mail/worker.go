// Package mail sends the messages that changes have put into the store.
//
// A message is written in the transaction of the change that it follows from and leaves afterwards, so none is sent for a
// change that did not happen, and none is lost. It may be sent twice if the process ends between the server's answer and
// the note of it; both carry the same Message-ID.
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
	batch     = 50
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
		var due []domain.Mail
		err := w.db.View(ctx, func(tx *store.Tx) (err error) {
			due, err = tx.DueMails(ctx, w.now(), batch)
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
		for _, m := range due {
			if err := w.try(ctx, m); err != nil {
				return err
			}
		}
	}
}

// try sends one message and notes the outcome. The text of a message that needs no further try is forgotten: it may hold a
// link with a secret.
func (w *Worker) try(ctx context.Context, m domain.Mail) error {
	err := w.sender.Send(ctx, m)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the shutdown cut the try off; it does not count
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
	return w.db.Update(ctx, func(tx *store.Tx) error { return tx.UpdateMail(ctx, m) })
}

// wait returns how long a message rests after so many tries: 1, 2, 4 ... minutes, 6 hours at most.
func wait(tries int) time.Duration {
	return min(longest, firstWait<<min(tries-1, 20))
}
