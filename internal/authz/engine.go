package authz

import (
	"cmp"
	"context"
	"log/slog"
	"math/bits"
	"slices"
	"sync/atomic"

	"steward/internal/domain"
)

// Engine answers, for the caller of a request, which permissions they have.
type Engine struct {
	policy  *Policy
	checker Checker
	live    Live
	loaders map[string]Loader
	locate  Locator
	viewed  ViewRecorder
	repeats Repeats
	cursors *Cursors
	finder  Finder
	counts  func(ctx context.Context, actor domain.Actor) error
	limits  Limits
	log     *slog.Logger

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
	Checker Checker           // for what is read
	Live    Live              // for what is changed
	Loaders map[string]Loader // "Type.field" -> how the field is loaded for all objects of a level
	Locate  Locator
	Viewed  ViewRecorder
	Repeats Repeats
	Cursors *Cursors // nil: readable by this engine alone
	// TokenCounts returns an error once the actor's API token does not count any more. Each wave of a token asks; nil: none do.
	TokenCounts func(ctx context.Context, actor domain.Actor) error
	Finder      Finder // nil: lists are filled by asking about each candidate
	Limits      Limits
	Log         *slog.Logger // nil: slog.Default()
}

// Limits bound the work that a list takes. What is zero is as DefaultLimits has it.
type Limits struct {
	Candidates  int // how many a page, and how many a total, may ask about
	LookupAbove int // more candidates than these to expect, and the ids of what the caller sees are looked up instead
}

// DefaultLimits are those of the API. docs/lists.md has the measurements behind them.
var DefaultLimits = Limits{Candidates: 10_000, LookupAbove: 500}

// New returns the engine over its parts. Those up to Repeats are required.
func New(o Options) *Engine {
	if o.Cursors == nil {
		o.Cursors = NewCursors(NewCursorKey())
	}
	o.Limits.Candidates = cmp.Or(o.Limits.Candidates, DefaultLimits.Candidates)
	o.Limits.LookupAbove = cmp.Or(o.Limits.LookupAbove, DefaultLimits.LookupAbove)
	return &Engine{
		policy: o.Policy, checker: o.Checker, live: o.Live, loaders: o.Loaders, locate: o.Locate, viewed: o.Viewed, repeats: o.Repeats,
		cursors: o.Cursors, finder: o.Finder, counts: o.TokenCounts, limits: o.Limits, log: cmp.Or(o.Log, slog.Default()),
	}
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
	got, err := e.live.Check(ctx, SubjectOf(actor.Person), ask)
	if err != nil {
		return nil, domain.Unavailable("authorization service", err)
	}
	for i, ok := range got {
		out[at[i]] = ok
	}
	return out, nil
}

// look answers a wave of the planner for an actor, from what is kept where that is true. A scope only narrows the answers.
func (e *Engine) look(ctx context.Context, actor domain.Actor, asks []Ask) (Answer, error) {
	if actor.Anonymous() {
		return Answer{Allowed: make([]uint64, len(asks))}, nil
	}
	if actor.TokenID != "" && e.counts != nil {
		if err := e.counts(ctx, actor); err != nil {
			return Answer{}, err
		}
	}
	narrowed := asks
	if !actor.Scope.Full() {
		narrowed = make([]Ask, len(asks))
		for i, a := range asks {
			narrowed[i] = Ask{a.Ref, e.narrow(actor.Scope, a)}
		}
	}
	got, err := e.checker.Check(ctx, SubjectOf(actor.Person), narrowed)
	if err != nil {
		return Answer{}, domain.Unavailable("authorization service", err)
	}
	return got, nil
}

// narrow keeps those bits of an ask that a token's scope lets through.
func (e *Engine) narrow(s domain.Scope, a Ask) uint64 {
	var out uint64
	perms := e.policy.perms[a.Ref.Type]
	for b := a.Bits; b != 0; b &= b - 1 {
		if e.inScope(s, Question{a.Ref, perms[bits.TrailingZeros64(b)]}) {
			out |= b & -b
		}
	}
	return out
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
