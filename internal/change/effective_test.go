package change_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/testing/property/parts"
)

// watched is a contact whose permission changes while others look.
type watched struct {
	parts.Place
	other domain.ContactID // whom they manage while they hold it
	// state is 4n+2+b while the answer must be b, and 4n while a change is on its way and either answer is right.
	state atomic.Int64
}

func (w *watched) began()       { w.state.Add(4); w.state.And(^3) }
func (w *watched) ended(b bool) { w.state.Or(map[bool]int64{false: 2, true: 3}[b]) }

// looker answers a question about rights.
type looker func(ctx context.Context, sub authz.Subject, q authz.Question) (bool, error)

func live(p *parts.Parts) looker {
	return func(ctx context.Context, sub authz.Subject, q authz.Question) (bool, error) {
		got, err := p.SpiceDB.Check(ctx, sub, []authz.Question{q})
		return err == nil && got[0], err
	}
}

func kept(p *parts.Parts) looker {
	return func(_ context.Context, sub authz.Subject, q authz.Question) (bool, error) { return p.Look(sub, q) }
}

// TestDo_EffectiveAtOnce has writers of two processes give and take a permission while readers ask SpiceDB and the read
// paths of both. No answer that was asked for after a change had returned, and came before the next began, may be from
// before it.
func TestDo_EffectiveAtOnce(t *testing.T) {
	parts.Pair(t, func(t *testing.T, p, q *parts.Parts) {
		revokes, compared, stale := race(t, p, []*change.Engine{p.Changes, q.Changes}, 4, 15, live(p), kept(p), kept(q))
		if stale > 0 {
			t.Errorf("%d of %d answers are from before a change that had returned", stale, compared)
		}
		if revokes < 60 || compared < 150 {
			t.Errorf("%d revokes and %d answers prove too little", revokes, compared)
		}
		p.Reconciled()
		t.Logf("%d revokes, %d answers compared, 0 stale; read paths: %+v, %+v", revokes, compared, p.Checks.Stats(), q.Checks.Stats())
	})
}

// TestDo_EffectiveAtOnce_control proves that the test above would see it: changes that return before they are written, and
// a process that does not hear of new generations.
func TestDo_EffectiveAtOnce_control(t *testing.T) {
	t.Run("written late", func(t *testing.T) {
		p := parts.Open(t)
		late := &lateWriter{next: p.SpiceDB}
		o := p.Changes.Options
		o.Writer = late
		_, compared, stale := race(t, p, []*change.Engine{change.New(o)}, 2, 15, live(p))
		late.Wait()
		if stale == 0 {
			t.Errorf("was not noticed by any of %d answers", compared)
		}
	})
	t.Run("not bumped", func(t *testing.T) {
		p := parts.Open(t)
		o := p.Changes.Options
		o.Bumped = nil
		if _, compared, stale := race(t, p, []*change.Engine{change.New(o)}, 1, 5, kept(p)); stale == 0 {
			t.Errorf("was not noticed by any of %d answers", compared)
		}
	})
}

// lateWriter says that it has written before it has.
type lateWriter struct {
	sync.WaitGroup
	next change.Writer
}

func (w *lateWriter) Write(ctx context.Context, by string, updates []relation.Update) error {
	ctx = context.WithoutCancel(ctx)
	w.Go(func() { _ = w.next.Write(ctx, by, updates) })
	return nil
}

func (w *lateWriter) Fence(ctx context.Context) (string, error) { return w.next.Fence(ctx) }

// race runs writers, each of which gives CONTACT_MANAGEMENT to a contact of its own and takes it away, round after round, on two
// accounts; after each change the writer asks itself. Readers ask for all of them meanwhile. The engines and the lookers
// take turns.
func race(t *testing.T, p *parts.Parts, engines []*change.Engine, writers, rounds int, lookers ...looker) (revokes, compared, stale int64) {
	a, b := p.Account(0, 0, 0), p.Account(0, 0, 0)
	var all []*watched
	owner := map[string]parts.Place{}
	for i := range writers {
		account := [][]parts.Place{a, b}[i%2]
		w := &watched{Place: account[1+i/2], other: account[3].ID}
		w.ended(false)
		all = append(all, w)
		owner[string(w.AccountID)] = account[0]
	}
	var nRevokes, nCompared, nStale atomic.Int64
	look := func(ctx context.Context, w *watched, n int) {
		before := w.state.Load()
		got, err := lookers[n%len(lookers)](ctx, authz.SubjectOf(w.Actor.Person), authz.Question{
			Ref: authz.Ref{Type: relation.TypeContact, ID: string(w.other), Tenant: w.AccountID}, Permission: relation.GrantPermission,
		})
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		if before&2 == 0 || w.state.Load() != before {
			return
		}
		nCompared.Add(1)
		if got != (before&1 == 1) {
			nStale.Add(1)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing, reading sync.WaitGroup
	for n, w := range all {
		writing.Go(func() {
			for round := range rounds {
				for _, give := range []bool{true, false} {
					w.began()
					e := permissions(owner[string(w.AccountID)].Actor, w.Place, map[bool]domain.PermissionSet{true: manager}[give])
					if _, err := e.do(ctx, engines[(n+round)%len(engines)], nil); err != nil {
						t.Error(err)
						return
					}
					w.ended(give)
					for i := range lookers {
						look(ctx, w, i)
					}
					if !give {
						nRevokes.Add(1)
					}
				}
			}
		})
	}
	for n := range lookers {
		reading.Go(func() {
			for i := n; ctx.Err() == nil; i++ {
				look(ctx, all[i%len(all)], i/len(all))
			}
		})
	}
	writing.Wait()
	stop()
	reading.Wait()
	return nRevokes.Load(), nCompared.Load(), nStale.Load()
}
