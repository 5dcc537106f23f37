package check_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/check"
)

// model is a SpiceDB and a database as bad as they may be: a check is answered by exactly the moment of its token, a fence
// and the generations are those of the moment at which they were asked for, and everything takes a while.
type model struct {
	mu      sync.RWMutex
	version int
	writes  map[string][]int // object -> the versions at which it was granted (the 1st, 3rd, ...) and revoked (the 2nd, ...)
	gens    map[string]string

	// The control: what is done wrong.
	bumpFirst, oldFence bool
	first               atomic.Pointer[string]
}

// dawdle lets others run, as a call over a network does.
func dawdle() {
	for range rand.IntN(4) {
		runtime.Gosched()
	}
}

func (m *model) Fence(context.Context) (string, error) {
	m.mu.RLock()
	token := strconv.Itoa(m.version)
	m.mu.RUnlock()
	dawdle()
	if m.oldFence && !m.first.CompareAndSwap(nil, &token) {
		return *m.first.Load(), nil
	}
	return token, nil
}

func (m *model) CheckAt(_ context.Context, token string, _ authz.Subject, qs []authz.Question) ([]bool, error) {
	at, err := strconv.Atoi(token)
	if err != nil {
		return nil, err
	}
	dawdle()
	m.mu.RLock()
	defer m.mu.RUnlock()
	out := make([]bool, len(qs))
	for i, q := range qs {
		out[i] = sort.SearchInts(m.writes[q.Ref.ID], at+1)%2 == 1
	}
	return out, nil
}

func (m *model) Generations(_ context.Context, scopes []string) (string, map[string]string, error) {
	dawdle()
	of := map[string]string{}
	m.mu.RLock()
	for _, s := range scopes {
		of[s] = m.gens[s]
	}
	m.mu.RUnlock()
	dawdle()
	return "i", of, nil
}

// toggle grants or revokes: the write, then the new generation, then it returns.
func (m *model) toggle(object, scope string) {
	steps := []func(){
		func() { m.version++; m.writes[object] = append(m.writes[object], m.version) },
		func() { m.gens[scope] = fmt.Sprint(rand.Uint64()) },
	}
	if m.bumpFirst {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		dawdle()
		m.mu.Lock()
		step()
		m.mu.Unlock()
	}
	dawdle()
}

// TestPath_NeverFromBeforeAChange runs several processes over one SpiceDB, one database and one Redis, while rights are
// granted and revoked. What a wave answers is true of a moment after the last change that had returned when it was asked.
func TestPath_NeverFromBeforeAChange(t *testing.T) {
	t.Parallel()
	compared, stale, stats := raceModel(t, &model{}, 400)
	t.Logf("%d answers compared, %d stale; %+v", compared, stale, stats)
	if stale > 0 {
		t.Errorf("%d of %d answers are from before a change that had returned", stale, compared)
	}
	if compared < 1000 || stats.Memory == 0 || stats.Shared == 0 || stats.Joined == 0 {
		t.Errorf("%d answers prove too little: %+v", compared, stats)
	}
}

// TestPath_NeverFromBeforeAChange_control proves that the test above would see it.
func TestPath_NeverFromBeforeAChange_control(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*model{"the bump before the write": {bumpFirst: true}, "one fence for ever": {oldFence: true}} {
		if compared, stale, _ := raceModel(t, m, 400); stale == 0 {
			t.Errorf("%s: was not noticed by any of %d answers", name, compared)
		}
	}
}

// object is an object that one writer grants and revokes. Its state is 4n+2+b while the answer must be b, and 4n while
// a change is on its way and either answer is right.
type object struct {
	id, account string
	state       atomic.Int64
}

func raceModel(t *testing.T, m *model, rounds int) (compared, stale int64, sum check.Stats) {
	m.writes, m.gens = map[string][]int{}, map[string]string{}
	shared := newKept()
	var paths []*check.Path
	for range 3 {
		o, _ := options(m)
		o.Generations, o.Shared = check.NewDatabase(m, 10*time.Second), shared
		paths = append(paths, check.New(o))
	}
	objects := make([]*object, 6)
	for i := range objects {
		objects[i] = &object{id: fmt.Sprint("o", i), account: []string{"A", "B", ""}[i%3]}
		objects[i].state.Store(2)
	}
	var nCompared, nStale atomic.Int64
	look := func(p *check.Path, some []*object) {
		before := make([]int64, len(some))
		asks := make([]authz.Ask, len(some))
		for i, o := range some {
			before[i], asks[i] = o.state.Load(), contact(o.account, o.id, 1)
		}
		got := answer(t, p, ada, asks...)
		for i, o := range some {
			if before[i]&2 == 0 || o.state.Load() != before[i] {
				continue
			}
			nCompared.Add(1)
			if int64(got[i]) != before[i]&1 {
				nStale.Add(1)
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing, reading sync.WaitGroup
	for i, o := range objects {
		writing.Go(func() {
			scope := o.account
			if scope == "" {
				scope = authz.GlobalScope
			}
			for n := range rounds {
				o.state.Add(4)
				o.state.And(^3)
				m.toggle(o.id, scope)
				o.state.Or(int64(2 + (n+1)%2))
				for k := range 3 {
					look(paths[(i+k)%3], []*object{o, objects[(i+n)%6]})
				}
			}
		})
	}
	for i := range 4 {
		reading.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				look(paths[(i+n)%3], objects[n%3:])
			}
		})
	}
	writing.Wait()
	stop()
	reading.Wait()
	for _, p := range paths {
		s := p.Stats()
		sum.Memory, sum.Shared, sum.Joined, sum.Backend = sum.Memory+s.Memory, sum.Shared+s.Shared, sum.Joined+s.Joined, sum.Backend+s.Backend
		sum.Fences, sum.BackendCalls = sum.Fences+s.Fences, sum.BackendCalls+s.BackendCalls
	}
	return nCompared.Load(), nStale.Load(), sum
}
