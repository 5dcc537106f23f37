package authz

import (
	"context"
	"slices"
	"sync/atomic"

	"steward/internal/domain"
)

// Engine answers, for the caller of a request, which permissions they have.
type Engine struct {
	policy  *Policy
	checker Checker
	loaders map[string]Loader
	locate  Locator
	viewed  ViewRecorder
	repeats Repeats

	asked     atomic.Int64
	unplanned atomic.Int64
}

// Locator finds the account that each object belongs to, for a mutation that names one by id. An object that does not
// exist keeps its Ref as it is: SpiceDB answers no for it like for a hidden one.
type Locator func(ctx context.Context, ref Ref) (Ref, error)

// ViewRecorder writes into the audit log what staff looked at, before the answer leaves. An error withholds the answer.
type ViewRecorder func(ctx context.Context, actor domain.Actor, operation string, viewed map[domain.AccountID][]string) error

// Repeats reports whether the actor has used an idempotency key before.
type Repeats func(ctx context.Context, actor domain.Actor, key string) (bool, error)

// Options are the parts of an Engine.
type Options struct {
	Policy  *Policy
	Checker Checker
	Loaders map[string]Loader // "Type.field" -> how the field is loaded for all objects of a level
	Locate  Locator
	Viewed  ViewRecorder
	Repeats Repeats
}

// New returns the engine over its parts, all of which are required.
func New(o Options) *Engine {
	return &Engine{policy: o.Policy, checker: o.Checker, loaders: o.Loaders, locate: o.Locate, viewed: o.Viewed, repeats: o.Repeats}
}

// Policy returns the policy that the engine enforces.
func (e *Engine) Policy() *Policy { return e.policy }

// Unplanned counts the questions that no plan foresaw and that were answered one by one. It stays 0; a test holds it.
func (e *Engine) Unplanned() int64 { return e.unplanned.Load() }

// Planned counts the questions that were asked ahead, for all objects of a level at once.
func (e *Engine) Planned() int64 { return e.asked.Load() }

// Can answers questions of an actor, live: no answer is taken from before the call. A scope only narrows the answers.
func (e *Engine) Can(ctx context.Context, actor domain.Actor, qs ...Question) ([]bool, error) {
	out := make([]bool, len(qs))
	if actor.Anonymous() {
		return out, nil
	}
	ask := make([]Question, 0, len(qs))
	at := make([]int, 0, len(qs))
	for i, q := range qs {
		if e.inScope(actor.Scope, q) {
			ask, at = append(ask, q), append(at, i)
		}
	}
	if len(ask) == 0 {
		return out, nil
	}
	got, err := e.checker.Check(ctx, SubjectOf(actor.Person), ask)
	if err != nil {
		return nil, domain.Unavailable("authorization service", err)
	}
	for i, ok := range got {
		out[at[i]] = ok
	}
	return out, nil
}

// inScope reports whether a token's scope lets the question through to SpiceDB at all.
func (e *Engine) inScope(s domain.Scope, q Question) bool {
	if len(s.Permissions) > 0 && !slices.Contains(s.Permissions, q.Permission) && !slices.Contains(s.Permissions, e.policy.Operation(q.Permission)) {
		return false
	}
	return len(s.Accounts) == 0 || slices.Contains(s.Accounts, q.Ref.Tenant)
}

// reason tells why an actor was refused, in a word that a program can read.
func (e *Engine) reason(actor domain.Actor, q Question) string {
	if !e.inScope(actor.Scope, q) {
		return "token_scope"
	}
	return "permission_not_held"
}
