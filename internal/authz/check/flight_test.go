package check_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/check"
)

// held is a SpiceDB that answers each bulk question with what the test sends.
type held struct {
	scripted
	reply chan func(qs []authz.Question) ([]bool, error)
}

func newHeld() *held {
	h := &held{reply: make(chan func([]authz.Question) ([]bool, error))}
	h.check = func(ctx context.Context, _ string, _ authz.Subject, qs []authz.Question) ([]bool, error) {
		select {
		case f := <-h.reply:
			return f(qs)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return h
}

func allow(qs []authz.Question) ([]bool, error) { return slices.Repeat([]bool{true}, len(qs)), nil }

// flying returns a path that joins what is on its way and keeps nothing, so that nothing else answers.
func flying(h *held) (*check.Path, *check.Local) {
	o, local := options(h)
	o.MemoryBytes = 0
	return check.New(o), local
}

// outcome is what a wave came to.
type outcome struct {
	allowed []uint64
	err     error
	panic   any
}

func wave(ctx context.Context, p *check.Path, asks ...authz.Ask) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() { o.panic = recover(); out <- o }()
		got, err := p.Check(ctx, ada, asks)
		o.allowed, o.err = got.Allowed, err
	}()
	return out
}

func wantAnswer(t *testing.T, name string, c <-chan outcome, want ...uint64) {
	t.Helper()
	if o := <-c; o.err != nil || o.panic != nil || !slices.Equal(o.allowed, want) {
		t.Errorf("%s: got %b, error %v, panic %v; want %b", name, o.allowed, o.err, o.panic, want)
	}
}

// TestPath_JoinsFlight holds which waves ask for themselves while another one asks.
func TestPath_JoinsFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		p, local := flying(h)
		first := wave(t.Context(), p, contact("A", "a", 0b11), contact("A", "b", 0b1))
		synctest.Wait()
		type late struct {
			name string
			asks []authz.Ask
			more int // questions that it asks itself
			bump []string
		}
		var waiting []<-chan outcome
		cases := []late{
			{"the same", []authz.Ask{contact("A", "a", 0b11), contact("A", "b", 0b1)}, 0, nil},
			{"a part", []authz.Ask{contact("A", "a", 0b10)}, 0, nil},
			{"one more bit", []authz.Ask{contact("A", "a", 0b111)}, 3, nil},
			{"one more object", []authz.Ask{contact("A", "c", 0b1), contact("A", "b", 0b1)}, 1, nil},
			{"what the one before asks", []authz.Ask{contact("A", "c", 0b1)}, 0, nil},
			{"the same object of another account", []authz.Ask{contact("B", "a", 0b1)}, 1, nil},
			{"after a change", []authz.Ask{contact("A", "a", 0b11)}, 2, []string{"A"}},
		}
		for _, c := range cases {
			local.Bump(c.bump)
			before, _ := h.calls()
			waiting = append(waiting, wave(t.Context(), p, c.asks...))
			synctest.Wait()
			after, last := h.calls()
			if asked := after > before; asked != (c.more > 0) || asked && len(last) != c.more {
				t.Errorf("%s: %d calls, the last with %d questions, want %d questions", c.name, after-before, len(last), c.more)
			}
		}
		n, _ := h.calls()
		for range n {
			h.reply <- allow
		}
		wantAnswer(t, "the first", first, 0b11, 0b1)
		for i, c := range cases {
			want := make([]uint64, len(c.asks))
			for n, a := range c.asks {
				want[n] = a.Bits
			}
			wantAnswer(t, c.name, waiting[i], want...)
		}
		if s := p.Stats(); s.Joined != 3+1+1+1 {
			t.Errorf("%d answers were joined", s.Joined)
		}
	})
}

// TestPath_FlightFails has waves join one that comes to nothing: each gets its answer all the same.
func TestPath_FlightFails(t *testing.T) {
	asks := []authz.Ask{contact("A", "a", 0b1)}
	join := func(t *testing.T, p *check.Path, n int) (out []<-chan outcome) {
		for range n {
			out = append(out, wave(t.Context(), p, asks...))
		}
		synctest.Wait()
		return out
	}
	t.Run("an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHeld()
			p, _ := flying(h)
			first := join(t, p, 1)[0]
			others := join(t, p, 3)
			h.reply <- func([]authz.Question) ([]bool, error) { return nil, errDown }
			if o := <-first; !errors.Is(o.err, errDown) || o.allowed != nil {
				t.Errorf("the first got %b, error %v", o.allowed, o.err)
			}
			for range others {
				h.reply <- allow
			}
			for i, o := range others {
				wantAnswer(t, fmt.Sprint("who joined ", i), o, 0b1)
			}
		})
	})
	t.Run("its caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHeld()
			p, _ := flying(h)
			ctx, leave := context.WithCancel(t.Context())
			first := wave(ctx, p, asks...)
			synctest.Wait()
			others := join(t, p, 10)
			leave()
			if o := <-first; !errors.Is(o.err, context.Canceled) {
				t.Errorf("who left got error %v", o.err)
			}
			synctest.Wait()
			if n, _ := h.calls(); n != 2 {
				t.Errorf("%d calls: of those who had joined, one was to ask for all", n)
			}
			h.reply <- allow
			for i, o := range others {
				wantAnswer(t, fmt.Sprint("who joined ", i), o, 0b1)
			}
		})
	})
	t.Run("it panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHeld()
			p, _ := flying(h)
			first := join(t, p, 1)[0]
			others := join(t, p, 1)
			h.reply <- func([]authz.Question) ([]bool, error) { panic("in the client") }
			if o := <-first; o.panic == nil {
				t.Errorf("the first got %b, error %v, and its panic was lost", o.allowed, o.err)
			}
			h.reply <- allow
			wantAnswer(t, "who joined", others[0], 0b1)
			next := join(t, p, 1)[0]
			h.reply <- allow
			wantAnswer(t, "who came later", next, 0b1)
		})
	})
	t.Run("who joined leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHeld()
			p, _ := flying(h)
			first := join(t, p, 1)[0]
			ctx, leave := context.WithCancel(t.Context())
			gone := wave(ctx, p, asks...)
			synctest.Wait()
			leave()
			if o := <-gone; !errors.Is(o.err, context.Canceled) {
				t.Errorf("who left got error %v", o.err)
			}
			h.reply <- allow
			wantAnswer(t, "the first", first, 0b1)
		})
	})
}

// TestPath_Timeout holds that a SpiceDB and a database that do not answer are given up in time.
func TestPath_Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		o, _ := options(h)
		o.MemoryBytes, o.Timeout = 0, 3*time.Second
		begin := time.Now()
		if r := <-wave(t.Context(), check.New(o), contact("A", "a", 1)); !errors.Is(r.err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("got error %v after %s", r.err, time.Since(begin))
		}
		o.Generations = check.NewDatabase(source(func(ctx context.Context, _ []string) (string, map[string]string, error) {
			<-ctx.Done()
			return "", nil, ctx.Err()
		}), o.Timeout)
		begin = time.Now()
		if r := <-wave(t.Context(), check.New(o), contact("A", "a", 1)); !errors.Is(r.err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("without generations: got error %v after %s", r.err, time.Since(begin))
		}
		synctest.Wait()
	})
}
