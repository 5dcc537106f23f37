// Package change carries out every change of rows that changes who may do what. A change that has returned is effective:
// no check that starts later, on any replica, is answered from before it.
//
// Do is two transactions, each under the locks of the scopes that the change touches; both begin by applying what is
// still pending for these:
//
//	lock -> apply what is pending -> authorise, write rows, write the outbox entry -> commit
//	lock -> apply what is pending: the entry, unless somebody was faster -> new generations, entry marked -> commit
//
// Only then it answers. When the second half does not finish in time the answer is AUTHZ_PENDING, never success; Run, on
// whichever replica, goes on with it.
package change

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/failpoint"
	"steward/internal/relation"
	"steward/internal/store"
)

// Writer applies updates of relationships. Repeating a write is harmless.
type Writer interface {
	// Write carries out the updates of the outbox entry by.
	Write(ctx context.Context, by string, updates []relation.Update) error
	// Fence fails where a write would fail now.
	Fence(ctx context.Context) (token string, err error)
}

// Authorizer answers nil when the actor holds every permission asked about; see authz.Engine.Require.
type Authorizer interface {
	Require(ctx context.Context, actor domain.Actor, qs ...authz.Question) error
	Can(ctx context.Context, actor domain.Actor, qs ...authz.Question) ([]bool, error)
}

// Options are the parts of an Engine. All but Bumped are required.
type Options struct {
	DB     *store.DB
	Authz  Authorizer
	Writer Writer
	Log    *slog.Logger
	Now    func() time.Time
	// ApplyTimeout, and a millisecond more for each relationship, bounds how long a caller waits for the second half of a
	// change before AUTHZ_PENDING.
	ApplyTimeout time.Duration
	// Bumped is told which scopes need new generations: after SpiceDB was written to, and before anybody can learn that the
	// change is effective. It is for generations in memory.
	Bumped func(scopes []string)
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
	if o.Bumped == nil {
		o.Bumped = func([]string) {}
	}
	return &Engine{Options: o, locks: newLocks(), nudge: make(chan struct{}, 1)}
}

// Request says who wants which change.
type Request struct {
	Actor     domain.Actor
	Operation string   // as in the law, for example "grant_permission"
	Scopes    []string // the accounts that it touches, authz.ScopeOf whom it belongs to where that is a person, authz.GlobalScope for the platform
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

// Do carries out a change. fn authorises by tx.Require, then writes; an error from it leaves nothing behind. It may be
// called a second time, after everything that the first call wrote was taken back.
func (e *Engine) Do(ctx context.Context, req Request, fn func(ctx context.Context, tx *Tx) (Result, error)) (Result, error) {
	if req.Actor.Anonymous() {
		return Result{}, domain.Unauthenticated()
	}
	res, entry, err := e.commit(ctx, req, fn)
	if err != nil && e.answered(ctx, req) { // another call with this key was faster, and this one met what it wrote
		res, entry, err = e.commit(ctx, req, fn)
	}
	if errors.Is(err, store.ErrOutcomeUnknown) && entry.ID != "" {
		e.Nudge()
		return Result{}, pendingError(entry.ID, "It is not known whether the change was written: the database went away. Ask change(id): if it does not know the change, nothing was written.", err)
	}
	if err != nil {
		return Result{}, present(err)
	}
	failpoint.Reach("after_commit")
	if len(entry.Updates) > 0 {
		err = e.settleScopes(ctx, entry.Scopes, len(entry.Updates))
	} else if res.Repeated && res.Change != "" {
		err = e.await(ctx, res.Change)
	}
	if err != nil {
		e.Log.ErrorContext(ctx, "change committed but not yet effective", "change_id", res.Change, "operation", req.Operation, "error", err)
		e.Nudge()
		return Result{}, pendingError(res.Change, "The change is written and will become effective. Ask change(id) for its outcome before you rely on it.", err)
	}
	return res, nil
}

// answered reports whether an answer is kept under the request's idempotency key.
func (e *Engine) answered(ctx context.Context, req Request) bool {
	if req.IdempotencyKey == "" {
		return false
	}
	err := e.DB.View(ctx, func(tx *store.Tx) error {
		_, err := tx.IdempotentResult(ctx, req.Actor.Person.String(), req.IdempotencyKey)
		return err
	})
	return err == nil
}

func pendingError(id domain.ChangeID, message string, err error) error {
	return &domain.Error{Code: domain.CodeAuthzPending, Change: id, Err: err, Message: message}
}

// nowhere is locked in place of the account of an object that does not exist. No lock of a database is named "".
const nowhere = "nowhere"

// commit is the first half of a change.
func (e *Engine) commit(ctx context.Context, req Request, fn func(context.Context, *Tx) (Result, error)) (res Result, entry store.OutboxEntry, err error) {
	if req.Scopes = sorted(req.Scopes); len(req.Scopes) == 0 {
		return res, entry, errors.New("operation " + req.Operation + " names no scope")
	}
	if req.Scopes[0] == "" {
		req.Scopes[0] = nowhere
	}
	err = e.locked(ctx, req.Scopes, func(ctx context.Context, stx *store.Tx) (err error) {
		tx := &Tx{Tx: stx, engine: e, req: req, now: e.Now().UTC().Truncate(time.Millisecond)}
		res, err = tx.run(ctx, fn)
		entry = tx.entry
		failpoint.Reach("before_commit")
		return err
	})
	return res, entry, err
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
	return e.settleScopes(ctx, entry.Scopes, len(entry.Updates))
}

// settleScopes makes effective what is pending for the scopes. It goes on when the caller has left, for as long as a
// caller would wait.
func (e *Engine) settleScopes(ctx context.Context, scopes []string, updates int) error {
	// Without a part for each update a large import would never be applied in one go.
	timeout := e.ApplyTimeout + time.Duration(updates)*time.Millisecond
	if end, ok := ctx.Deadline(); ok { // the answer has to leave in time, with the change's id
		timeout = min(timeout, max(time.Until(end)-leaveIn, leaveIn))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	return e.locked(ctx, scopes, nil)
}

// leaveIn is what is left of a caller's time for an answer.
const leaveIn = 500 * time.Millisecond

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
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrBusy) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
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
