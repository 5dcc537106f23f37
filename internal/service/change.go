package service

import (
	"context"
	"errors"
	"strings"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/store"
)

// do carries out a change, and has the mail leave that it put into the outbox.
func (s *Service) do(ctx context.Context, req change.Request, fn func(context.Context, *change.Tx) (change.Result, error)) (change.Result, error) {
	if err := checkKey(req.IdempotencyKey); err != nil {
		return change.Result{}, err
	}
	res, err := s.Changes.Do(ctx, req, fn)
	if err == nil {
		s.MailQueued()
	}
	return res, err
}

func checkKey(key string) error {
	if key == "" {
		return nil
	}
	return domain.CheckLine("idempotencyKey", key, 1, 100)
}

// Repeats reports whether the actor has used an idempotency key before.
func (s *Service) Repeats(ctx context.Context, actor domain.Actor, key string) (bool, error) {
	found := false
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		_, err := tx.IdempotentResult(ctx, actor.Person.String(), key)
		found = err == nil
		return missing(err)
	})
	return found, err
}

// withID makes the object a part of what a repetition under the same idempotency key must equal.
func withID(id, input any) any { return []any{id, input} }

// tidy takes the space around a line away and makes single spaces of those within.
func tidy(s string) string { return strings.Join(strings.Fields(s), " ") }

// first returns the first of joined errors: callers mend one field at a time, and the first is the one they see first.
func first(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return first(joined.Unwrap()[0])
	}
	return err
}

// missing turns "no such row" into no error, for reads that leave the answer to SpiceDB.
func missing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// diff collects what an edit changes, for the audit log.
type diff struct{ before, after map[string]string }

// set puts the new value, if one is given, into place, and notes the change.
func (d *diff) set(field string, place *string, value *string) {
	if value == nil {
		return
	}
	v := strings.TrimSpace(*value)
	if field != "address" {
		v = tidy(v)
	}
	if v == *place {
		return
	}
	d.note(field, *place, v)
	*place = v
}

func (d *diff) note(field, before, after string) {
	if d.before == nil {
		d.before, d.after = map[string]string{}, map[string]string{}
	}
	d.before[field], d.after[field] = before, after
}

func (d *diff) empty() bool { return len(d.after) == 0 }
