package identity

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

// counter is a provider of the numbers 1, 2, 3 ..., each of which takes a second. It runs in a synctest bubble, whose
// clock it and the source share.
type counter struct {
	mu      sync.Mutex
	fetches int
	down    bool
}

func (c *counter) fetch(ctx context.Context) (int, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetches++
	if c.down {
		return 0, errDown
	}
	return c.fetches, nil
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetches
}

func (c *counter) setDown(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

func newSource(c *counter) *source[int] {
	return &source[int]{
		issuer: "https://login.example.com", fetch: c.fetch, now: time.Now, failed: func(error, time.Duration) {},
		refreshAfter: 10 * time.Minute, maxAge: time.Hour,
	}
}

func wantValue(t *testing.T, s *source[int], want int) {
	t.Helper()
	if got, err := s.get(t.Context()); err != nil || got != want {
		t.Fatalf("get: %d, %v; want %d", got, err, want)
	}
}

func TestSource_SingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		s := newSource(c)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := s.get(t.Context()); err != nil || got != 1 {
					t.Errorf("get: %d, %v; want 1", got, err)
				}
			})
		}
		wg.Wait()
		if c.count() != 1 {
			t.Fatalf("%d fetches for 100 callers; want 1", c.count())
		}
	})
}

func TestSource_CallerLeavesFetchStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		s := newSource(c)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("get: %v; want the context's error", err)
		}
		wantValue(t, s, 1)
		if c.count() != 1 {
			t.Fatalf("%d fetches; want the first one to go on", c.count())
		}
	})
}

func TestSource_Ages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		s := newSource(c)
		wantValue(t, s, 1)
		time.Sleep(9 * time.Minute)
		wantValue(t, s, 1)
		time.Sleep(2 * time.Minute)
		wantValue(t, s, 1) // without waiting; the fetch goes on behind
		time.Sleep(2 * time.Second)
		wantValue(t, s, 2)

		c.setDown(true)
		time.Sleep(59 * time.Minute)
		wantValue(t, s, 2) // down, but not too old yet
		time.Sleep(2 * time.Minute)
		_, err := s.get(t.Context())
		if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || !errors.Is(err, errDown) || unavailable.Issuer == "" {
			t.Fatalf("get after an hour: %v; want an UnavailableError", err)
		}
	})
}

func TestSource_BackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{down: true}
		s := newSource(c)
		var waits []time.Duration
		for n := 1; n <= 10; n++ {
			_, err := s.get(t.Context())
			unavailable, ok := errors.AsType[*UnavailableError](err)
			if !ok || c.count() != n {
				t.Fatalf("get %d: %v after %d fetches", n, err, c.count())
			}
			start := time.Now()
			if _, err := s.get(t.Context()); err == nil || c.count() != n || time.Since(start) != 0 {
				t.Fatalf("get within the back-off: %v, %d fetches, took %s; want a refusal at once", err, c.count(), time.Since(start))
			}
			waits = append(waits, unavailable.RetryAfter)
			time.Sleep(unavailable.RetryAfter)
		}
		for n, wait := range waits {
			full := min(maxBackOff, firstBackOff<<n)
			if wait < full/2 || wait >= full {
				t.Errorf("back-off %d is %s; want between %s and %s", n, wait, full/2, full)
			}
		}
		c.setDown(false)
		wantValue(t, s, 11)
	})
}

func TestSource_RenewIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		s := newSource(c)
		wantValue(t, s, 1)
		for range 20 {
			if _, err := s.renew(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if c.count() != 1+maxRenewals {
			t.Fatalf("%d fetches; want 1 and %d renewals", c.count(), maxRenewals)
		}
		time.Sleep(renewalWindow)
		if got, err := s.renew(t.Context()); err != nil || got != 2+maxRenewals {
			t.Fatalf("renew after the window: %d, %v", got, err)
		}
		c.setDown(true)
		if _, err := s.renew(t.Context()); !errors.Is(err, errDown) {
			t.Fatalf("renew while down: %v; want the cause", err)
		}
		wantValue(t, s, 2+maxRenewals) // a failed renewal takes nothing away
	})
}

func TestSource_FetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(&counter{})
		s.fetch = func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		start := time.Now()
		if _, err := s.get(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != fetchTimeout {
			t.Fatalf("get: %v after %s; want the end of the fetch after %s", err, time.Since(start), fetchTimeout)
		}
	})
}
