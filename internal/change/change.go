// Package change carries out every change of rows that changes who may do what. A change that has returned is effective:
// no check that starts later is answered from before it.
//
// Do goes through these steps, under the lock of the accounts that the change touches:
//
//	apply what is still pending -> one transaction: authorise, write rows, write the outbox entry -> commit
//	-> apply the entry to SpiceDB -> one transaction: new generation, entry marked as applied -> answer
//
// When the second half does not finish in time the answer is AUTHZ_PENDING, never success; Run goes on with it, and Drain
// finishes at start-up what a killed process left.
package change

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// GlobalScope is the scope of what belongs to no account: users, the platform, people's own tokens, jobs.
const GlobalScope = "global"

// Writer applies updates of relationships. Repeating a write is harmless.
type Writer interface {
	Write(ctx context.Context, updates []relation.Update) error
}

// Authorizer answers nil when the actor holds every permission asked about; see authz.Engine.Require.
type Authorizer interface {
	Require(ctx context.Context, actor domain.Actor, qs ...authz.Question) error
	Can(ctx context.Context, actor domain.Actor, qs ...authz.Question) ([]bool, error)
}

// Options are the parts of an Engine, all of which are required.
type Options struct {
	DB     *store.DB
	Authz  Authorizer
	Writer Writer
	Log    *slog.Logger
	Now    func() time.Time
	// ApplyTimeout, and a millisecond more for each relationship, bounds how long a caller waits for the second half of a
	// change before AUTHZ_PENDING.
	ApplyTimeout time.Duration
}

// Engine carries out changes.
type Engine struct {
	Options
	locks locks
	nudge chan struct{}
}

// New returns an engine over its parts.
func New(o Options) *Engine {
	if o.ApplyTimeout == 0 {
		o.ApplyTimeout = 10 * time.Second
	}
	return &Engine{Options: o, locks: newLocks(), nudge: make(chan struct{}, 1)}
}

// Request says who wants which change.
type Request struct {
	Actor     domain.Actor
	Operation string   // as in the law, for example "grant_permission"
	Scopes    []string // the accounts that it touches, and GlobalScope if it touches what belongs to none
	// IdempotencyKey, when given, makes a repetition answer what the first call answered. Input is what must then be equal.
	IdempotencyKey string
	Input          any
}

// Result is what a change answers, and what its repetition under the same idempotency key answers again.
type Result struct {
	ID      string         `json:"id"` // the changed object
	AuditID domain.AuditID `json:"auditId"`
	// Change is the entry that made the change effective; empty when it changed no right.
	Change domain.ChangeID `json:"change,omitempty"`
	// Secret is shown once: it is not kept, so a repetition has none.
	Secret   string `json:"-"`
	Repeated bool   `json:"-"`
}

// Do carries out a change. fn authorises by tx.Require, then writes; an error from it leaves nothing behind.
func (e *Engine) Do(ctx context.Context, req Request, fn func(ctx context.Context, tx *Tx) (Result, error)) (Result, error) {
	if req.Actor.Anonymous() {
		return Result{}, domain.Unauthenticated()
	}
	unlock, err := e.locks.acquire(ctx, req.Scopes)
	if err != nil {
		return Result{}, domain.Unavailable("lock on the account", err)
	}
	unlock = sync.OnceFunc(unlock)
	defer unlock()
	if err := e.drain(ctx, req.Scopes); err != nil {
		return Result{}, domain.Unavailable("authorization service", err)
	}
	var res Result
	var entry store.OutboxEntry
	err = e.DB.Update(ctx, func(stx *store.Tx) error {
		if err := stx.LockScopes(ctx, req.Scopes...); err != nil {
			return err
		}
		tx := &Tx{Tx: stx, engine: e, req: req, now: e.Now().UTC().Truncate(time.Millisecond)}
		var err error
		if res, err = tx.run(ctx, fn); err != nil {
			return err
		}
		entry = tx.entry
		return nil
	})
	if err != nil {
		return Result{}, present(err)
	}
	if len(entry.Updates) > 0 {
		err = e.complete(ctx, []store.OutboxEntry{entry})
	} else if res.Repeated && res.Change != "" {
		unlock() // the first call's locks may be others than this one's
		err = e.await(ctx, res.Change)
	}
	if err != nil {
		e.Log.ErrorContext(ctx, "change committed but not yet effective", "change_id", res.Change, "operation", req.Operation, "error", err)
		e.Nudge()
		return Result{}, &domain.Error{
			Code: domain.CodeAuthzPending, Change: res.Change, Err: err,
			Message: "The change is written and will become effective. Ask change(id) for its outcome before you rely on it.",
		}
	}
	return res, nil
}

// await returns when a change that was committed before is effective, and makes it so if nobody else does.
func (e *Engine) await(ctx context.Context, id domain.ChangeID) error {
	var entry store.OutboxEntry
	err := e.DB.View(ctx, func(tx *store.Tx) (err error) {
		entry, err = tx.OutboxEntryByID(ctx, id)
		return err
	})
	if err != nil || !entry.AppliedAt.IsZero() {
		return err
	}
	unlock, err := e.locks.acquire(ctx, entry.Scopes)
	if err != nil {
		return err
	}
	defer unlock()
	return e.drain(ctx, entry.Scopes)
}

// complete applies entries, in order, and then gives every scope that they touch a new generation. It goes on when the
// caller has left, for as long as a caller would wait.
func (e *Engine) complete(ctx context.Context, entries []store.OutboxEntry) error {
	timeout := e.ApplyTimeout
	for _, entry := range entries {
		timeout += time.Duration(len(entry.Updates)) * time.Millisecond // else a large import would never be applied in one go
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	var ids []domain.ChangeID
	var scopes []string
	for _, entry := range entries {
		updates := make([]relation.Update, len(entry.Updates))
		for i, u := range entry.Updates {
			updates[i] = relation.Update{Delete: u.Delete, Relationship: u.Relationship}
		}
		if err := e.Writer.Write(ctx, updates); err != nil {
			return err
		}
		ids, scopes = append(ids, entry.ID), append(scopes, entry.Scopes...)
	}
	return e.DB.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.BumpGenerations(ctx, scopes); err != nil {
			return err
		}
		return tx.MarkApplied(ctx, ids, e.Now())
	})
}

// drain applies what is pending for the scopes. The caller holds their locks.
func (e *Engine) drain(ctx context.Context, scopes []string) error {
	for _, scope := range scopes {
		for scope != "" { // which names none: a change of what does not exist
			pending, err := e.pending(ctx, scope)
			if err != nil {
				return err
			}
			if len(pending) == 0 {
				break
			}
			if err := e.apply(ctx, scope); err != nil {
				return err
			}
		}
	}
	return nil
}

// applying is the lock under which pending entries are applied. An entry may touch accounts whose locks the caller does
// not hold: without it, two callers could apply the same entry, and the slower one write it again behind a later change.
const applying = "applying"

// apply applies what is pending for the scope by the time that nobody else applies anything.
func (e *Engine) apply(ctx context.Context, scope string) error {
	unlock, err := e.locks.acquire(ctx, []string{applying})
	if err != nil {
		return err
	}
	defer unlock()
	pending, err := e.pending(ctx, scope)
	if err != nil || len(pending) == 0 {
		return err
	}
	return e.complete(ctx, pending)
}

func (e *Engine) pending(ctx context.Context, scope string) (entries []store.OutboxEntry, err error) {
	err = e.DB.View(ctx, func(tx *store.Tx) error {
		entries, err = tx.PendingOutbox(ctx, scope, 100)
		return err
	})
	return entries, err
}

// Settle gives every scope of a pending change a new generation and marks the changes as applied, without writing them.
// It is for a SpiceDB that was just filled from the rows, which hold every committed change; nothing else may run yet.
func (e *Engine) Settle(ctx context.Context) error {
	return e.DB.Update(ctx, func(tx *store.Tx) error {
		for {
			entries, err := tx.PendingOutbox(ctx, "", 10)
			if err != nil || len(entries) == 0 {
				return err
			}
			var ids []domain.ChangeID
			var scopes []string
			for _, entry := range entries {
				ids, scopes = append(ids, entry.ID), append(scopes, entry.Scopes...)
			}
			if _, err := tx.BumpGenerations(ctx, scopes); err != nil {
				return err
			}
			if err := tx.MarkApplied(ctx, ids, e.Now()); err != nil {
				return err
			}
		}
	})
}

// Drain applies everything that is pending, for Run and after an import.
func (e *Engine) Drain(ctx context.Context) error {
	for {
		var pending []store.OutboxEntry
		err := e.DB.View(ctx, func(tx *store.Tx) (err error) {
			pending, err = tx.PendingOutbox(ctx, "", 1)
			return err
		})
		if err != nil || len(pending) == 0 {
			return err
		}
		unlock, err := e.locks.acquire(ctx, pending[0].Scopes)
		if err != nil {
			return err
		}
		err = e.drain(ctx, pending[0].Scopes)
		unlock()
		if err != nil {
			return err
		}
	}
}

// Nudge tells Run that something is pending.
func (e *Engine) Nudge() {
	select {
	case e.nudge <- struct{}{}:
	default:
	}
}

// How long an answer is kept under its idempotency key, and a change that was applied in the outbox.
const (
	keepAnswers = 24 * time.Hour
	keepApplied = 30 * 24 * time.Hour
)

// Run applies pending changes until ctx ends: at once when nudged, and every few seconds in any case. Every hour it
// forgets what nobody will ask for any more.
func (e *Engine) Run(ctx context.Context) {
	tick, hour := time.NewTicker(5*time.Second), time.NewTicker(time.Hour)
	defer tick.Stop()
	defer hour.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.nudge:
		case <-tick.C:
		case <-hour.C:
			if err := e.prune(ctx); err != nil && ctx.Err() == nil {
				e.Log.ErrorContext(ctx, "old answers not forgotten", "error", err)
			}
		}
		if err := e.Drain(ctx); err != nil && ctx.Err() == nil {
			e.Log.ErrorContext(ctx, "pending changes not applied", "error", err)
		}
	}
}

func (e *Engine) prune(ctx context.Context) error {
	return e.DB.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.PruneIdempotency(ctx, e.Now().Add(-keepAnswers))
		if err == nil {
			_, err = tx.PruneOutbox(ctx, e.Now().Add(-keepApplied))
		}
		return err
	})
}

// present turns the store's errors into the caller's; errors that are the caller's already pass.
func present(err error) error {
	if _, ok := errors.AsType[*domain.Error](err); ok {
		return err
	}
	if errors.Is(err, store.ErrNotFound) {
		return domain.NotFound()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return domain.Unavailable("database", err)
	}
	return fmt.Errorf("change: %w", err)
}

// hash stands for the input where a repetition is told by it. Input may hold whole files.
func (r Request) hash() ([]byte, error) {
	if r.IdempotencyKey == "" {
		return nil, nil
	}
	b, err := json.Marshal(r.Input)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}

func sorted(scopes []string) []string {
	out := slices.Clone(scopes)
	slices.Sort(out)
	return slices.Compact(out)
}
