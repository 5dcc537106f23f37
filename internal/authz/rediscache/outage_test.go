package rediscache_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/authz/check"
	"steward/internal/authz/rediscache"
	"steward/internal/testing/servers"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quickest returns how long the quickest of n calls took: what the code needs, without what a busy machine adds.
func quickest(n int, call func()) time.Duration {
	best := time.Hour
	for range n {
		start := time.Now()
		call()
		best = min(best, time.Since(start))
	}
	return best
}

// openBreaker loads until the breaker is open.
func openBreaker(t *testing.T, c *rediscache.Cache, entries []check.Entry) {
	t.Helper()
	for n := 0; !c.Stats().Open; n++ {
		if n == 1000 {
			t.Fatal("the breaker stays closed")
		}
		if load(t, c, entries) != 0 {
			t.Fatal("an answer of a Redis that is away")
		}
	}
}

// A Redis that hangs costs a wave the deadline, a few times; then nothing, until it answers again.
func TestOutage_Paused(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	var j journal
	c := open(t, rediscache.Options{URL: r.URL, Log: j.log()})
	all := objects(1, 20)
	stored(t, c, all)
	eventually(t, "found", func() bool { return load(t, c, all) == 20 })
	must(t, r.Pause())
	if d := quickest(3, func() { load(t, c, all) }); d < 40*time.Millisecond || d > 150*time.Millisecond {
		t.Errorf("the first Loads of a Redis that hangs take %s", d)
	}
	openBreaker(t, c, all)
	opened := time.Now()
	if d := quickest(20, func() { load(t, c, all) }); d > time.Millisecond {
		t.Errorf("a Load takes %s while the breaker is open", d)
	}
	before := c.Stats()
	c.Store(all)
	if s := c.Stats(); s.Dropped < before.Dropped+20 || s.Errors < 5 || s.Opened != 1 {
		t.Errorf("before %+v\nafter %+v", before, s)
	}
	eventually(t, "tried again", func() bool { // nobody waits for the trials, which find the same
		if d := quickest(3, func() { load(t, c, all) }); d > time.Millisecond {
			t.Fatalf("a Load takes %s while Redis hangs", d)
		}
		return time.Since(opened) > 600*time.Millisecond
	})
	if s := c.Stats(); !s.Open || s.Opened != 1 {
		t.Errorf("the breaker closes before Redis answers: %+v", s)
	}
	if j.count("redis does not answer") != 1 || j.count("redis answers again") != 0 {
		t.Error(j.text.String())
	}
	must(t, r.Resume())
	eventually(t, "recovered", func() bool { return load(t, c, all) == 20 })
	eventually(t, "told", func() bool { return j.count("redis answers again") == 1 })
}

// Stopped, it refuses; started again, it is found by itself, empty, and filled again.
func TestOutage_StoppedAndStarted(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c := open(t, rediscache.Options{URL: r.URL})
	all := objects(1, 20)
	stored(t, c, all)
	must(t, r.Stop())
	openBreaker(t, c, all)
	must(t, r.Start(t.Context()))
	eventually(t, "recovered", func() bool { return !c.Stats().Open })
	eventually(t, "filled again", func() bool { c.Store(all); return load(t, c, all) == 20 })
}

// The cache opens without a Redis, says so, and finds it when it comes.
func TestOutage_AwayAtFirst(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	must(t, r.Stop())
	var j journal
	var c *rediscache.Cache
	if d := quickest(1, func() { c = open(t, rediscache.Options{URL: r.URL, Log: j.log()}) }); d > 100*time.Millisecond {
		t.Errorf("Open takes %s", d)
	}
	eventually(t, "told", func() bool { return j.count("redis cannot be reached") == 1 })
	openBreaker(t, c, objects(1, 1))
	must(t, r.Start(t.Context()))
	eventually(t, "found", func() bool { c.Store(objects(1, 1)); return load(t, c, objects(1, 1)) == 1 })
}

func TestOutage_Flushed(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c := open(t, rediscache.Options{URL: r.URL, Timeout: patient})
	stored(t, c, objects(1, 20))
	must(t, r.Flush(t.Context()))
	if n := load(t, c, objects(1, 20)); n != 0 || c.Stats().Errors != 0 {
		t.Errorf("%d known after a flush, %+v", n, c.Stats())
	}
	stored(t, c, objects(1, 20))
	if n := load(t, c, objects(1, 20)); n != 20 {
		t.Errorf("%d of 20", n)
	}
}

// A caller who goes away, or has no time left, says nothing about Redis.
func TestOutage_CallerGoesAway(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c := open(t, rediscache.Options{URL: r.URL, Timeout: patient})
	stored(t, c, objects(1, 20))
	must(t, r.Pause())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		c.Load(gone, objects(1, 20))
		hurried, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		c.Load(hurried, objects(1, 20))
		cancel()
	}
	if s := c.Stats(); s.Errors != 0 || s.Open {
		t.Errorf("%+v", s)
	}
	must(t, r.Resume())
	if n := load(t, c, objects(1, 20)); n != 20 {
		t.Errorf("%d of 20", n)
	}
}

// What finds no room in the queue is dropped, and Store never waits.
func TestOutage_QueueFull(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c := open(t, rediscache.Options{URL: r.URL, Timeout: patient, Queue: 100})
	stored(t, c, objects(1, 1))
	must(t, r.Pause())
	c.Store(objects(2, 30)) // may be on its way to Redis, or wait
	if d := quickest(50, func() { c.Store(objects(3, 30)) }); d > time.Millisecond {
		t.Errorf("a Store takes %s", d)
	}
	// 90 wait, and some are on their way to a Redis that does not take them.
	if s := c.Stats(); s.Dropped < 1000 || s.Dropped > 51*30-90 {
		t.Errorf("of 1,530 entries, with room for 100, %d are dropped", s.Dropped)
	}
	c.Store(objects(4, 101))
	must(t, r.Resume())
	c2 := open(t, rediscache.Options{URL: r.URL, Timeout: patient})
	eventually(t, "the rest is written or lost", func() bool { s := c.Stats(); return s.Stores+s.Dropped == 1+51*30+101 })
	if n := load(t, c2, objects(4, 101)); n != 0 {
		t.Errorf("%d of a call that is larger than the queue", n)
	}
	stored(t, c, objects(5, 100)) // there is room again
}

// Whatever happens to Redis meanwhile, an answer is the answer to its question.
func TestOutage_NeverAnotherAnswer(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 8 {
		c := open(t, rediscache.Options{URL: r.URL, Timeout: time.Duration(10+rnd.IntN(20)) * time.Millisecond})
		end := busy(t, c, rnd)
		answers := func() {
			hits := c.Stats().Hits
			eventually(t, "answers", func() bool { return c.Stats().Hits > hits+300 })
		}
		answers()
		switch rnd.IntN(4) {
		case 0:
			must(t, r.Flush(t.Context()))
		case 1:
			must(t, r.Stop())
			must(t, r.Start(t.Context()))
		default:
			must(t, r.Pause())
			errors := c.Stats().Errors
			eventually(t, "errors", func() bool { return c.Stats().Errors > errors })
			must(t, r.Resume())
		}
		answers()
		end()
	}
}

// busy keeps some callers loading and storing until end is called.
func busy(t *testing.T, c *rediscache.Cache, from *rand.Rand) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 6 {
		rnd := rand.New(rand.NewPCG(from.Uint64(), from.Uint64()))
		callers.Go(func() {
			for ctx.Err() == nil {
				wave := slices.Concat(objects(byte(rnd.IntN(20)), 1+rnd.IntN(200)), objects(byte(rnd.IntN(20)), 1+rnd.IntN(10)))
				if rnd.IntN(2) == 0 {
					c.Store(wave)
				}
				load(t, c, wave)
				if c.Stats().Open {
					time.Sleep(time.Millisecond) // leave the machine to Redis
				}
			}
		})
	}
	return func() { cancel(); callers.Wait() }
}

// Close leaves nothing running, with Redis up or away, and what is called after it does nothing.
func TestOutage_CloseLeavesNothing(t *testing.T) {
	for name, before := range map[string]func(*servers.RedisServer) error{
		"up": func(*servers.RedisServer) error { return nil }, "paused": (*servers.RedisServer).Pause, "stopped": (*servers.RedisServer).Stop,
	} {
		r := servers.Redis(t)
		c, err := rediscache.Open(t.Context(), rediscache.Options{URL: r.URL})
		must(t, err)
		stored(t, c, objects(1, 20))
		must(t, before(r))
		for range 10 {
			load(t, c, objects(1, 20))
		}
		c.Store(objects(2, 20))
		start := time.Now()
		must(t, c.Close())
		if d := time.Since(start); d > 500*time.Millisecond {
			t.Errorf("%s: Close takes %s", name, d)
		}
		if left := running("rediscache.(*"); left != "" {
			t.Errorf("%s: still running after Close:\n%s", name, left)
		}
		was := c.Stats()
		c.Store(objects(3, 20))
		if n := load(t, c, objects(1, 20)); n != 0 || c.Stats().Errors != was.Errors {
			t.Errorf("%s: a closed cache finds %d", name, n)
		}
		eventually(t, name+": no goroutine", func() bool { return running("go-redis") == "" })
		if name == "up" {
			raw := client(t, r)
			eventually(t, "no connection", func() bool {
				return strings.Contains(raw.Info(t.Context(), "clients").Val(), "connected_clients:1\r")
			})
			must(t, raw.Close())
		}
		runtime.KeepAlive(c) // the garbage collector closes connections too
	}
}

// running returns the stacks of goroutines in the code that is named so.
func running(name string) string {
	stacks := make([]byte, 1<<20)
	var out []string
	for g := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(g, name) {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}
