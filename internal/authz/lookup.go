package authz

import (
	"context"
	"math/bits"
)

// Finder proposes objects on which a subject has a permission.
type Finder interface {
	// Find returns at most limit ids, in no order, by everything that had been written before it was called. complete tells
	// that there are no others.
	Find(ctx context.Context, sub Subject, typ, permission string, limit int) (ids []string, complete bool, err error)
}

// maxFound is how many ids are looked up.
const maxFound = 1_000

// lookup is what a load knows of how much of a list the caller sees.
type lookup struct {
	seen, visible int
	tried         bool
	ids           []string // nil: all candidates are asked about
}

// lookUp finds out, once, the ids of what the caller sees, when the waves so far let expect that it takes many more
// candidates to fill the pages. From then on only rows with these ids are candidates. They are asked about as all others
// are: what was looked up is a proposal. Where the caller sees nothing, it ends the pages of all parents and says so.
func (b *pages[T]) lookUp(ctx context.Context, open []int) (ended bool) {
	l, e, actor := &b.lookup, b.engine, ActorFrom(ctx)
	t := e.policy.types[b.Lookup]
	if l.tried || e.finder == nil || t == nil || actor.Anonymous() || b.expected(open) < e.limits.LookupAbove {
		return false
	}
	l.tried = true
	permission := e.policy.perms[t.def][bits.TrailingZeros64(t.view)]
	ids, complete, err := e.finder.Find(ctx, SubjectOf(actor.Person), t.def, permission, maxFound)
	if err != nil { // the list stays right without it, and slower
		e.log.WarnContext(ctx, "lookup failed, the list goes on by waves", "type", t.def, "permission", permission, "error", err)
		return false
	}
	if !complete {
		return false
	}
	if l.ids, b.step = ids, 0; len(ids) > 0 {
		return false
	}
	for _, i := range open {
		b.of[i].exhausted = true
	}
	return true
}

// expected estimates how many more candidates it takes to fill the pages of these parents, within the budget.
func (b *pages[T]) expected(open []int) int {
	missing := 0
	for _, i := range open {
		missing += b.size + 1 - len(b.of[i].kept)
	}
	return min(missing*b.lookup.seen/max(b.lookup.visible, 1), len(open)*(b.engine.limits.Candidates-b.looked))
}
