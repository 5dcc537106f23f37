package failures_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// traffic grants and revokes rights of many people while everybody is asked about all the time, and judges each answer: a
// check that begins after a revoke has returned and ends before the next grant begins must be refused, and the other way
// round. All of it happens in this one process, so "before" is what its clock and memory say.
type traffic struct {
	*house
	people  []person
	readers int
	pace    time.Duration  // that a reader takes between two checks
	revokes int            // how many in all
	seed    uint64         // of who asks whom, and where
	change  changer        // grants or revokes; "" or the code of the error
	check   checker        // asks
	rough   bool           // errors are to be expected
	extra   int            // checks of the same person after each change
	more    atomic.Bool    // revokes are not enough yet
	state   []atomic.Int64 // of each person: what the last change that has returned has left, see settled
	result
}

type (
	changer func(ctx context.Context, r *rand.Rand, p person, on bool) string
	checker func(ctx context.Context, r *rand.Rand, p person) (got verdict, where string)
)

// settled says what a state stands for. It is a number that grows with each change, and changes when one begins and when it has
// returned: 4n while it runs, then 4n+1 for a grant and 4n+2 for a revoke.
func settled(state int64) (v verdict, ok bool) {
	switch state % 4 {
	case 1:
		return allowed, true
	case 2:
		return refused, true
	}
	return "", false
}

// result is what has happened.
type result struct {
	mu       sync.Mutex
	stale    []string // allowed after a revoke
	late     []string // refused after a grant
	odd      []string // neither
	judged   map[verdict]int
	unjudged int // a change came in between
	errors   map[string]int
	revoked  atomic.Int64
	granted  atomic.Int64
	slowest  time.Duration
}

// over sends the traffic to replicas over HTTP, each operation to one of them by chance.
func (x *traffic) over(replicas []*replica) {
	x.change = func(ctx context.Context, r *rand.Rand, p person, on bool) string {
		return replicas[r.IntN(len(replicas))].set(ctx, x.house, p, on, "")
	}
	x.check = func(ctx context.Context, r *rand.Rand, p person) (verdict, string) {
		n := r.IntN(len(replicas))
		got, _ := replicas[n].check(ctx, p)
		return got, fmt.Sprint("replica ", n)
	}
}

// run returns once all revokes are done, with everybody revoked.
func (x *traffic) run(t *testing.T) {
	t.Helper()
	begin := time.Now()
	x.state, x.judged, x.errors = make([]atomic.Int64, len(x.people)), map[verdict]int{}, map[string]int{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers, changers sync.WaitGroup
	for n := range x.readers {
		r := rand.New(rand.NewPCG(x.seed, uint64(n)))
		readers.Go(func() {
			for ctx.Err() == nil {
				x.judge(ctx, r, r.IntN(len(x.people)))
				select { // leave something of the machine to the changes
				case <-ctx.Done():
				case <-time.After(x.pace):
				}
			}
		})
	}
	for i := range x.people {
		r := rand.New(rand.NewPCG(x.seed, uint64(1000+i)))
		changers.Go(func() { x.turn(ctx, t, r, i) })
	}
	changers.Wait()
	stop()
	readers.Wait()
	t.Logf("%d revokes and %d grants in %s: %d checks had to be refused and %d allowed, %d were not judged; %d stale, %d late; the slowest change took %s; errors %v",
		x.revoked.Load(), x.granted.Load(), time.Since(begin).Round(time.Millisecond), x.judged[refused], x.judged[allowed], x.unjudged,
		len(x.stale), len(x.late), x.slowest.Round(time.Millisecond), x.errors)
}

// turn grants and revokes one person's right in turn, until all revokes are done and no more are wanted.
func (x *traffic) turn(ctx context.Context, t *testing.T, r *rand.Rand, i int) {
	for (x.revoked.Load() < int64(x.revokes) || x.more.Load()) && ctx.Err() == nil {
		for _, on := range []bool{true, false} {
			if !x.set(ctx, t, r, i, on) {
				return
			}
			for range x.extra {
				x.judge(ctx, r, i)
			}
		}
	}
}

// set carries out one change. What is not answered with success is tried again until it is.
func (x *traffic) set(ctx context.Context, t *testing.T, r *rand.Rand, i int, on bool) bool {
	n := x.state[i].Load()/4*4 + 4
	x.state[i].Store(n)
	begin := time.Now()
	for code := x.change(ctx, r, x.people[i], on); code != ""; code = x.change(ctx, r, x.people[i], on) {
		x.failed("change: " + code)
		again := code == "UNAVAILABLE" || code == "AUTHZ_PENDING" // which is no success, and nothing to rely on
		if !again || time.Since(begin) > 2*patience {
			t.Errorf("a change of %s: %s", x.people[i].name, code)
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	if on {
		x.granted.Add(1)
		x.state[i].Store(n + 1)
	} else {
		x.revoked.Add(1)
		x.state[i].Store(n + 2)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.slowest = max(x.slowest, time.Since(begin))
	return true
}

// refusedChanges counts the changes that had to be tried again.
func (x *traffic) refusedChanges() (n int) {
	for what, count := range x.errors {
		if strings.HasPrefix(what, "change: ") {
			n += count
		}
	}
	return n
}

// judge asks about one person, and notes an answer that cannot be.
func (x *traffic) judge(ctx context.Context, r *rand.Rand, i int) {
	before := x.state[i].Load()
	got, where := x.check(ctx, r, x.people[i])
	after := x.state[i].Load()
	if ctx.Err() != nil {
		return
	}
	if got != allowed && got != refused {
		code, _, _ := strings.Cut(string(got), ":")
		x.failed("check: " + code)
		if !x.rough {
			x.note(&x.odd, fmt.Sprintf("%s, %s: %s", x.people[i].name, where, got))
		}
		return
	}
	want, ok := settled(before)
	x.mu.Lock()
	if ok = ok && before == after; ok {
		x.judged[want]++
	} else {
		x.unjudged++
	}
	x.mu.Unlock()
	if !ok || got == want {
		return
	}
	what := fmt.Sprintf("%s, %s, after change %d", x.people[i].name, where, before/4)
	if got == allowed {
		x.note(&x.stale, what)
	} else {
		x.note(&x.late, what)
	}
}

func (x *traffic) note(list *[]string, what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	*list = append(*list, what)
}

func (x *traffic) failed(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.errors[what]++
}

// none holds that no answer was stale, late or odd.
func (x *traffic) none(t *testing.T) {
	t.Helper()
	for what, list := range map[string][]string{"allowed after a revoke had returned": x.stale, "refused after a grant had returned": x.late, "no answer": x.odd} {
		if len(list) > 0 {
			slices.Sort(list)
			t.Errorf("%d times %s, such as %q", len(list), what, list[:min(5, len(list))])
		}
	}
	if x.judged[refused] == 0 || x.judged[allowed] == 0 {
		t.Error("no check was judged")
	}
}
