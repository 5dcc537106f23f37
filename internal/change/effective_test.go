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
	// state is 4n+2+b while the answer must be b, and 4n while a change is on its way and either answer is right.
	state atomic.Int64
}

func (w *watched) began()       { w.state.Add(4); w.state.And(^3) }
func (w *watched) ended(b bool) { w.state.Or(map[bool]int64{false: 2, true: 3}[b]) }

// TestDo_EffectiveAtOnce has writers give and take a permission while readers ask SpiceDB. No answer that was asked for
// after a change had returned, and came before the next began, may be from before it.
func TestDo_EffectiveAtOnce(t *testing.T) {
	p := parts.Open(t)
	revokes, compared, stale := race(t, p, p.Changes, 6, 60)
	if stale > 0 {
		t.Errorf("%d of %d answers are from before a change that had returned", stale, compared)
	}
	if revokes < 300 || compared < 300 {
		t.Errorf("%d revokes and %d answers prove too little", revokes, compared)
	}
	p.Reconciled()
	t.Logf("%d revokes, %d answers compared, 0 stale", revokes, compared)
}

// TestDo_EffectiveAtOnce_control proves that the test above would see it: here changes return before they are written.
func TestDo_EffectiveAtOnce_control(t *testing.T) {
	p := parts.Open(t)
	late := &lateWriter{next: p.SpiceDB}
	o := p.Changes.Options
	o.Writer = late
	_, compared, stale := race(t, p, change.New(o), 2, 40)
	late.Wait()
	if stale == 0 {
		t.Errorf("writes that come late were not noticed by any of %d answers", compared)
	}
}

// lateWriter says that it has written before it has.
type lateWriter struct {
	sync.WaitGroup
	next change.Writer
}

func (w *lateWriter) Write(ctx context.Context, updates []relation.Update) error {
	ctx = context.WithoutCancel(ctx)
	w.Go(func() { _ = w.next.Write(ctx, updates) })
	return nil
}

// race runs writers, each of which gives BILLING to a contact of its own and takes it away, round after round, on two
// accounts; after each change the writer asks itself. As many readers ask for all of them meanwhile.
func race(t *testing.T, p *parts.Parts, changes *change.Engine, writers, rounds int) (revokes, compared, stale int64) {
	a, b := p.Account(manager, manager, manager), p.Account(manager, manager, manager)
	var all []*watched
	owner := map[string]parts.Place{}
	for i := range writers {
		account := [][]parts.Place{a, b}[i%2]
		w := &watched{Place: account[1+i/2]}
		w.ended(false)
		all = append(all, w)
		owner[string(w.AccountID)] = account[0]
	}
	var nRevokes, nCompared, nStale atomic.Int64
	look := func(ctx context.Context, w *watched) {
		before := w.state.Load()
		got, err := p.SpiceDB.Check(ctx, authz.SubjectOf(w.Actor.Person), []authz.Question{{
			Ref: authz.Ref{Type: relation.TypeAccount, ID: string(w.AccountID)}, Permission: relation.DelegateBilling,
		}})
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
		if got[0] != (before&1 == 1) {
			nStale.Add(1)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing, reading sync.WaitGroup
	for _, w := range all {
		writing.Go(func() {
			for range rounds {
				for _, give := range []bool{true, false} {
					w.began()
					e := permissions(owner[string(w.AccountID)].Actor, w.Place, map[bool]domain.PermissionSet{true: billingToGive, false: manager}[give])
					if _, err := e.do(ctx, changes, nil); err != nil {
						t.Error(err)
						return
					}
					w.ended(give)
					look(ctx, w)
					if !give {
						nRevokes.Add(1)
					}
				}
			}
		})
	}
	for range writers {
		reading.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				look(ctx, all[i%len(all)])
			}
		})
	}
	writing.Wait()
	stop()
	reading.Wait()
	return nRevokes.Load(), nCompared.Load(), nStale.Load()
}
