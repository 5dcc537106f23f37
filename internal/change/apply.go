package change

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/failpoint"
	"steward/internal/relation"
	"steward/internal/store"
)

// errWider ends a transaction that holds too few locks.
var errWider = errors.New("more scopes are needed")

// locked runs fn in a transaction that holds the scopes and in which nothing is pending for them any more. fn is nil where
// that is all.
//
// Entries are applied by whoever holds all of their scopes, and in their order wherever they share one: else a slow
// writer could bring a relationship back that a later entry has deleted. So when an entry touches other scopes too, the
// transaction ends and begins again with the locks of all of them.
func (e *Engine) locked(ctx context.Context, scopes []string, fn func(context.Context, *store.Tx) error) error {
	for {
		wider, err := e.try(ctx, scopes, fn)
		if !errors.Is(err, errWider) {
			return err
		}
		scopes = wider
	}
}

func (e *Engine) try(ctx context.Context, scopes []string, fn func(context.Context, *store.Tx) error) (wider []string, err error) {
	// Callers of this process wait here, where waiting costs no connection.
	unlock, err := e.locks.acquire(ctx, scopes)
	if err != nil {
		return nil, domain.Unavailable("lock on the account", err)
	}
	defer unlock()
	if !e.DB.Shared() {
		if wider, err = e.applyAlone(ctx, scopes); err != nil || fn == nil {
			return wider, err
		}
	}
	var bumped []string
	err = e.DB.Update(ctx, func(tx *store.Tx) error {
		var shared []string
		if fn != nil { // who may do what also hangs on what is global, such as who is staff: it must not change meanwhile
			shared = append(shared, authz.GlobalScope)
		}
		if err := tx.LockScopes(ctx, scopes, shared...); err != nil {
			return err
		}
		pending, err := tx.PendingChanges(ctx)
		if err != nil {
			return err
		}
		due, needed := closure(pending, scopes)
		if len(needed) > len(scopes) {
			wider = needed
			return errWider
		}
		bumped, err = e.apply(ctx, tx, due)
		// Before the commit, so that whoever finds the entries marked finds the generations in memory new. And after a
		// failure too, which may only be that the outcome is unknown: a new generation costs nothing but time.
		e.Bumped(bumped)
		if err != nil || fn == nil {
			return err
		}
		return fn(ctx, tx)
	})
	if len(bumped) > 0 {
		failpoint.Reach("after_bump")
	}
	return wider, err
}

// closure returns the pending changes that touch the scopes, and those that touch what these touch, and so on, in their
// order; and all scopes that they touch, sorted.
func closure(pending []store.PendingChange, scopes []string) (due []domain.ChangeID, needed []string) {
	in := map[string]bool{}
	for _, s := range scopes {
		in[s] = true
	}
	for size := -1; size != len(in); {
		size = len(in)
		due = due[:0]
		for _, p := range pending {
			// Who locks what is global runs alone, so nothing at all may be half done.
			if !in[authz.GlobalScope] && !slices.ContainsFunc(p.Scopes, func(s string) bool { return in[s] }) {
				continue
			}
			due = append(due, p.ID)
			for _, s := range p.Scopes {
				in[s] = true
			}
		}
	}
	needed = make([]string, 0, len(in))
	for s := range in {
		needed = append(needed, s)
	}
	slices.Sort(needed)
	return due, needed
}

// apply writes the entries to SpiceDB in their order, gives every scope that they touch a new generation, and marks them.
// It returns those scopes. The caller holds the locks of all of them.
func (e *Engine) apply(ctx context.Context, tx *store.Tx, due []domain.ChangeID) (bumped []string, err error) {
	if len(due) == 0 {
		return nil, nil
	}
	for _, id := range due {
		entry, err := tx.OutboxEntryByID(ctx, id)
		if err != nil {
			return bumped, err
		}
		bumped = append(bumped, entry.Scopes...) // before the write: one that failed may have taken place
		if err := e.write(ctx, entry, tx.StayAlive); err != nil {
			return bumped, err
		}
	}
	failpoint.Reach("after_apply")
	if err := e.bump(ctx, tx, bumped, due); err != nil {
		return bumped, err
	}
	return bumped, nil
}

// atOnce is how many relationships are written at a time, and tries how often that is tried: a large change must not begin
// again because one of its calls took too long.
const (
	atOnce = 1000
	tries  = 3
)

// write carries out an entry. between is called after each part of it.
func (e *Engine) write(ctx context.Context, entry store.OutboxEntry, between func(context.Context) error) error {
	updates := make([]relation.Update, len(entry.Updates))
	for i, u := range entry.Updates {
		updates[i] = relation.Update{Delete: u.Delete, Relationship: u.Relationship}
	}
	failpoint.Reach("before_apply")
	for some := range slices.Chunk(updates, atOnce) {
		var err error
		for range tries {
			var away interface{ Unavailable() bool }
			if err = e.Writer.Write(ctx, string(entry.ID), some); ctx.Err() != nil || !errors.As(err, &away) || !away.Unavailable() {
				break
			}
		}
		if err != nil {
			return domain.Unavailable("authorization service", err)
		}
		if err := between(ctx); err != nil {
			return err
		}
	}
	return nil
}

// applyAlone is apply for a database that this process has for itself. The locks of this process are enough there, and its
// one writer must not stand still while SpiceDB takes a large change in.
func (e *Engine) applyAlone(ctx context.Context, scopes []string) (wider []string, err error) {
	var entries []store.OutboxEntry
	var due []domain.ChangeID
	err = e.DB.View(ctx, func(tx *store.Tx) error {
		pending, err := tx.PendingChanges(ctx)
		if err != nil {
			return err
		}
		var needed []string
		if due, needed = closure(pending, scopes); len(needed) > len(scopes) {
			wider = needed
			return errWider
		}
		for _, id := range due {
			entry, err := tx.OutboxEntryByID(ctx, id)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		return nil
	})
	if err != nil || len(entries) == 0 {
		return wider, err
	}
	var bumped []string
	for _, entry := range entries {
		bumped = append(bumped, entry.Scopes...)
		if err = e.write(ctx, entry, func(context.Context) error { return nil }); err != nil {
			break
		}
	}
	e.Bumped(bumped) // see try
	if err != nil {
		return nil, err
	}
	failpoint.Reach("after_apply")
	err = e.DB.Update(ctx, func(tx *store.Tx) error { return e.bump(ctx, tx, bumped, due) })
	failpoint.Reach("after_bump")
	return nil, err
}

func (e *Engine) bump(ctx context.Context, tx *store.Tx, scopes []string, applied []domain.ChangeID) error {
	if err := tx.BumpGenerations(ctx, scopes); err != nil {
		return err
	}
	return tx.MarkApplied(ctx, applied, e.Now())
}

// Settle gives every scope of a pending change a new generation and marks the changes as applied, without writing them.
// It is for a SpiceDB that was just filled from the rows, which hold every committed change; nothing else may run yet.
func (e *Engine) Settle(ctx context.Context) error {
	return e.DB.Update(ctx, func(tx *store.Tx) error {
		pending, err := tx.PendingChanges(ctx)
		if err != nil || len(pending) == 0 {
			return err
		}
		var ids []domain.ChangeID
		var scopes []string
		for _, p := range pending {
			ids, scopes = append(ids, p.ID), append(scopes, p.Scopes...)
		}
		return e.bump(ctx, tx, scopes, ids)
	})
}

// Drain applies everything that is pending, for Run and after an import. A change that SpiceDB refuses holds up those that
// share a scope with it, and no others.
func (e *Engine) Drain(ctx context.Context) error {
	var pending []store.PendingChange
	err := e.DB.View(ctx, func(tx *store.Tx) (err error) {
		pending, err = tx.PendingChanges(ctx)
		return err
	})
	if err != nil || len(pending) == 0 {
		return err
	}
	if _, err := e.Writer.Fence(ctx); err != nil { // else each of them would be waited for
		return domain.Unavailable("authorization service", err)
	}
	var errs []error
	failed := map[string]bool{} // scopes
	for _, p := range pending {
		if slices.ContainsFunc(p.Scopes, func(s string) bool { return failed[s] }) {
			continue
		}
		if err := e.await(ctx, p.ID); err != nil {
			errs = append(errs, fmt.Errorf("change %s: %w", p.ID, err))
			for _, s := range p.Scopes {
				failed[s] = true
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// BumpGlobal gives the global scope a new generation, on which every answer depends: for changes whose reach is unknown.
func (e *Engine) BumpGlobal(ctx context.Context) error {
	err := e.DB.Update(ctx, func(tx *store.Tx) error { return tx.BumpGenerations(ctx, []string{authz.GlobalScope}) })
	e.Bumped([]string{authz.GlobalScope})
	return err
}
