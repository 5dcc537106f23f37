package check_test

import (
	"context"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/check"
)

// TestPath_Fences holds when the fence of an earlier wave may serve again: while every generation of the wave is one that
// was read before it was taken.
func TestPath_Fences(t *testing.T) {
	t.Parallel()
	b, v := &scripted{}, &vectors{}
	o, _ := options(b)
	o.MemoryBytes, o.Generations = 0, check.NewDatabase(v, o.Timeout)
	p := check.New(o)
	both := []authz.Ask{contact("A", "a", 1), contact("B", "b", 1)}
	for _, s := range []struct {
		name        string
		incarnation string
		generations []string
		asks        []authz.Ask
		anew        bool
	}{
		{"the first", "x", []string{"A", "1"}, both[:1], true},
		{"the same", "x", []string{"A", "1"}, both[:1], false},
		{"a scope that was not seen before", "x", []string{"A", "1"}, both, true},
		{"both, one alone", "x", []string{"A", "1"}, both[1:], false},
		{"one that was never bumped is bumped", "x", []string{"A", "1", "B", "1"}, both, true},
		{"the other is as it was", "x", []string{"A", "1", "B", "1"}, both[:1], false},
		{"both bumped, one asked", "x", []string{"A", "2", "B", "2"}, both[:1], true},
		{"the other one", "x", []string{"A", "2", "B", "2"}, both[1:], true},
		{"a reader that was slow", "x", []string{"A", "1", "B", "2"}, both[:1], true},
		{"and one that was not", "x", []string{"A", "2", "B", "2"}, both[:1], true},
		{"the global scope", "x", []string{"A", "2", "B", "2", authz.GlobalScope, "1"}, both[:1], true},
		{"another incarnation, with equal generations", "y", []string{"A", "2", "B", "2", authz.GlobalScope, "1"}, both[:1], true},
		{"and the first one again", "x", []string{"A", "2", "B", "2", authz.GlobalScope, "1"}, both[:1], true},
	} {
		v.set(s.incarnation, s.generations...)
		before := b.fences.Load()
		answer(t, p, ada, s.asks...)
		if anew := b.fences.Load() > before; anew != s.anew {
			t.Errorf("%s: a new fence: %v, want %v", s.name, anew, s.anew)
		}
	}
}

// A fence has as long as the settings give to a call of SpiceDB.
func TestPath_FenceTimeout(t *testing.T) {
	t.Parallel()
	var left time.Duration
	o, _ := options(&scripted{fence: func(ctx context.Context) (string, error) {
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return "fence", nil
	}})
	o.Timeout = time.Hour
	answer(t, check.New(o), ada, contact("A", "a", 1))
	if left < 59*time.Minute || left > time.Hour {
		t.Errorf("a fence has %v, want an hour", left)
	}
}

// TestPath_ForgetsFence holds that a token that SpiceDB did not take is not sent again.
func TestPath_ForgetsFence(t *testing.T) {
	t.Parallel()
	h := newHeld()
	p, _ := flying(h)
	for i, reply := range []func([]authz.Question) ([]bool, error){
		allow, func([]authz.Question) ([]bool, error) { return nil, errDown }, allow,
	} {
		c := wave(t.Context(), p, contact("A", "a", 1))
		h.reply <- reply
		if o := <-c; (o.err != nil) != (i == 1) {
			t.Errorf("wave %d: error %v", i, o.err)
		}
	}
	if want := []string{"fence 1", "fence 1", "fence 2"}; len(h.tokens) != 3 || h.tokens[2] != want[2] || h.tokens[1] != want[1] {
		t.Errorf("the tokens were %q, want %q", h.tokens, want)
	}
}
