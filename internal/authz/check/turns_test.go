package check_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/check"
)

// source is a database that does what a test says.
type source func(ctx context.Context, scopes []string) (string, map[string]string, error)

func (s source) Generations(ctx context.Context, scopes []string) (string, map[string]string, error) {
	return s(ctx, scopes)
}

// read is what a call of Read came to.
type read struct {
	authz.Vector
	err error
}

func start(g check.Generations, ctx context.Context, scopes ...string) <-chan read {
	out := make(chan read, 1)
	go func() {
		v, err := g.Read(ctx, scopes)
		out <- read{v, err}
	}()
	return out
}

// TestDatabase_Read_joins holds that those who come while a read is on its way share the next one, and never that one.
func TestDatabase_Read_joins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, asked, open := 0, [][]string{}, make(chan struct{})
		g := check.NewDatabase(source(func(_ context.Context, scopes []string) (string, map[string]string, error) {
			reads++
			asked = append(asked, scopes)
			n := fmt.Sprint(reads)
			<-open
			return "i", map[string]string{"A": n, "B": n, "global": n}, nil
		}), time.Minute)
		first := start(g, t.Context(), "A", "global")
		synctest.Wait()
		var late []<-chan read
		for _, scope := range []string{"B", "A", "B"} {
			late = append(late, start(g, t.Context(), scope, "global"))
		}
		synctest.Wait()
		open <- struct{}{}
		if r := <-first; r.err != nil || r.Of("A") != "1" || r.Incarnation != "i" {
			t.Errorf("the first got %+v", r)
		}
		open <- struct{}{}
		for i, c := range late {
			if r := <-c; r.err != nil || r.Of("global") != "2" || len(r.Scopes) != 2 || r.Generations[0] != "2" {
				t.Errorf("number %d of those who came later got %+v", i, r)
			}
		}
		if reads != 2 || !slices.Equal(asked[1], []string{"A", "B", "global"}) {
			t.Errorf("%d reads, of %q", reads, asked)
		}
	})
}

// TestDatabase_Read_fails holds that an error or a panic is that of its turn alone, and that nobody waits longer than they want to.
func TestDatabase_Read_fails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var do func(ctx context.Context) error
		g := check.NewDatabase(source(func(ctx context.Context, _ []string) (string, map[string]string, error) {
			return "i", map[string]string{"A": "1"}, do(ctx)
		}), time.Second)
		try := func(name string, want error, f func(ctx context.Context) error) {
			t.Helper()
			do = f
			if v, err := g.Read(t.Context(), []string{"A"}); err == nil || want != nil && !errors.Is(err, want) || len(v.Generations) > 0 {
				t.Errorf("%s: got %v, error %v", name, v, err)
			}
			do = func(context.Context) error { return nil }
			if v, err := g.Read(t.Context(), []string{"A"}); err != nil || v.Of("A") != "1" {
				t.Errorf("after %s: got %v, error %v", name, v, err)
			}
		}
		try("an error", errDown, func(context.Context) error { return errDown })
		try("a panic", nil, func(context.Context) error { panic("in the driver") })
		try("no answer", context.DeadlineExceeded, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })

		open := make(chan struct{})
		do = func(context.Context) error { <-open; return nil }
		ctx, leave := context.WithCancel(t.Context())
		gone := start(g, ctx, "A")
		synctest.Wait()
		stays := start(g, t.Context(), "A")
		synctest.Wait()
		leave()
		if r := <-gone; !errors.Is(r.err, context.Canceled) {
			t.Errorf("who left got %+v", r)
		}
		close(open)
		if r := <-stays; r.err != nil || r.Of("A") != "1" {
			t.Errorf("who stayed got %+v", r)
		}
	})
}

// TestDatabase_Read_isNeverOlder has readers and a writer at once: what a call returns is not older than the call.
func TestDatabase_Read_isNeverOlder(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var now atomic.Int64
	g := check.NewDatabase(source(func(_ context.Context, scopes []string) (string, map[string]string, error) {
		n := fmt.Sprintf("%012d", now.Load()) // as old as can be: what was true when the read began
		runtime.Gosched()
		return "", map[string]string{"A": n}, nil
	}), time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var reads atomic.Int64
	for i := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for range 3000 {
				before := fmt.Sprintf("%012d", now.Load())
				v, err := g.Read(ctx, []string{"A"})
				if err != nil || v.Of("A") < before {
					t.Errorf("got %v, error %v, at %s", v, err, before)
					return
				}
				reads.Add(1)
				if random.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for ctx.Err() == nil {
			now.Add(1)
			runtime.Gosched()
		}
	})
	all.Wait()
	stop()
	writing.Wait()
	if reads.Load() < 20_000 || now.Load() < 100 {
		t.Errorf("%d reads and %d writes prove too little", reads.Load(), now.Load())
	}
}
