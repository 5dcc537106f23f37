package check_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/domain"
)

// TestPath_Counts holds what a wave costs: nothing that is known already, nothing twice, all of it in one question.
func TestPath_Counts(t *testing.T) {
	t.Parallel()
	b := &scripted{}
	o, local := options(b)
	p := check.New(o)
	steps := []struct {
		name    string
		bump    []string
		asks    []authz.Ask
		calls   int // since the step before
		asked   int // in the last of them
		fences  int64
		subject authz.Subject
	}{
		{"the first wave, of two accounts", nil, []authz.Ask{contact("A", "a", 0b11), contact("B", "b", 0b1)}, 1, 3, 1, ada},
		{"the same again", nil, []authz.Ask{contact("A", "a", 0b11), contact("B", "b", 0b1)}, 0, 0, 0, ada},
		{"a part of it", nil, []authz.Ask{contact("A", "a", 0b10)}, 0, 0, 0, ada},
		{"more of it", nil, []authz.Ask{contact("A", "a", 0b111), contact("B", "b", 0b1)}, 1, 1, 0, ada},
		{"both by now", nil, []authz.Ask{contact("A", "a", 0b111)}, 0, 0, 0, ada},
		{"somebody else", nil, []authz.Ask{contact("A", "a", 0b1)}, 1, 1, 0, authz.Subject{Type: "service_account", ID: "ada"}},
		{"after a change of A", []string{"A"}, []authz.Ask{contact("A", "a", 0b111), contact("B", "b", 0b1)}, 1, 3, 1, ada},
		{"after a change of another account", []string{"C"}, []authz.Ask{contact("A", "a", 0b111), contact("B", "b", 0b1)}, 0, 0, 0, ada},
		{"after a global change", []string{authz.GlobalScope}, []authz.Ask{contact("A", "a", 0b111), contact("B", "b", 0b1)}, 1, 4, 1, ada},
		{"nothing at all", nil, nil, 0, 0, 0, ada},
		{"nothing that a token lets through", nil, []authz.Ask{contact("A", "new", 0)}, 0, 0, 0, ada},
	}
	for _, s := range steps {
		local.Bump(s.bump)
		calls, _ := b.calls()
		fences := b.fences.Load()
		got := answer(t, p, s.subject, s.asks...)
		for i, a := range s.asks {
			if got[i] != a.Bits {
				t.Errorf("%s: answer %d is %b, want %b", s.name, i, got[i], a.Bits)
			}
		}
		n, last := b.calls()
		if n-calls != s.calls || s.calls > 0 && len(last) != s.asked || b.fences.Load()-fences != s.fences {
			t.Errorf("%s: %d calls, the last with %v, and %d fences; want %d, %d, %d", s.name, n-calls, last, b.fences.Load()-fences, s.calls, s.asked, s.fences)
		}
	}
}

// TestPath_NothingAsked holds that what a token's scope has narrowed to nothing costs nothing, without memory too.
func TestPath_NothingAsked(t *testing.T) {
	t.Parallel()
	b := &scripted{}
	o, _ := options(b)
	o.MemoryBytes = 0
	if got := answer(t, check.New(o), ada, contact("A", "a", 0)); got[0] != 0 || b.fences.Load() > 0 {
		t.Errorf("got %b, and %d fences", got, b.fences.Load())
	}
}

// TestPath_Refuses holds that errors answer nothing, and are kept nowhere.
func TestPath_Refuses(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*scripted){
		"fence": func(b *scripted) { b.fence = func(context.Context) (string, error) { return "", errDown } },
		"check": func(b *scripted) {
			b.check = func(_ context.Context, _ string, _ authz.Subject, qs []authz.Question) ([]bool, error) {
				return slices.Repeat([]bool{true}, len(qs)), errDown
			}
		},
		"too few answers": func(b *scripted) {
			b.check = func(context.Context, string, authz.Subject, []authz.Question) ([]bool, error) {
				return []bool{true}, nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, shared := &scripted{}, newKept()
			o, _ := options(b)
			o.Shared = shared
			p := check.New(o)
			fail(b)
			if got, err := p.Check(t.Context(), ada, []authz.Ask{contact("A", "a", 0b11)}); err == nil || got.Allowed != nil {
				t.Errorf("got %v, error %v", got, err)
			}
			if len(shared.all()) > 0 {
				t.Errorf("kept %v", shared.all())
			}
			b.fence = nil
			b.check = func(_ context.Context, _ string, _ authz.Subject, qs []authz.Question) ([]bool, error) {
				return make([]bool, len(qs)), nil
			}
			if got := answer(t, p, ada, contact("A", "a", 0b11)); got[0] != 0 {
				t.Errorf("got %b, want nothing allowed", got)
			}
		})
	}
	t.Run("bits that stand for nothing", func(t *testing.T) {
		o, _ := options(&scripted{})
		if _, err := check.New(o).Check(t.Context(), ada, []authz.Ask{contact("A", "a", 1<<63)}); err == nil {
			t.Error("was answered")
		}
	})
}

// TestPath_Shared has one process answer from what another has asked, and believe no more of it than is known.
func TestPath_Shared(t *testing.T) {
	t.Parallel()
	shared := newKept()
	one, two := &scripted{}, &scripted{}
	first, _ := options(one)
	second, local := options(two)
	first.Shared, second.Shared = shared, shared
	p, q := check.New(first), check.New(second)
	answer(t, p, ada, contact("A", "a", 0b11))
	if got := answer(t, q, ada, contact("A", "a", 0b01)); got[0] != 0b01 {
		t.Errorf("got %b", got)
	}
	if n, _ := two.calls(); n > 0 {
		t.Error("the second process asked again")
	}
	answer(t, q, ada, contact("A", "a", 0b111))
	if _, last := two.calls(); len(last) != 1 {
		t.Errorf("asked %v, want the third bit alone", last)
	}
	if e := shared.all(); len(e) != 1 || e[0].Known != 0b111 || e[0].Allowed != 0b111 {
		t.Errorf("kept %v", e)
	}
	local.Bump([]string{"A"})
	shared.Store(nil)
	for _, e := range shared.all() {
		e.Known, e.Allowed = 0, ^uint64(0) // allowed, and not known: as nobody stores it
		shared.of[check.Entry{Key: e.Key, Type: e.Type, ID: e.ID}] = e
	}
	two.check = func(_ context.Context, _ string, _ authz.Subject, qs []authz.Question) ([]bool, error) {
		return make([]bool, len(qs)), nil
	}
	third, _ := options(two)
	third.Shared = shared
	if got := answer(t, check.New(third), ada, contact("A", "a", 0b1)); got[0] != 0 {
		t.Errorf("got %b: what nobody knows was allowed", got)
	}
}

// TestPath_Keys holds that two waves share an answer only where the schema, the incarnation, both generations, the tenant and
// the subject are the same. The parts are such that some run into each other when they are put behind one another.
func TestPath_Keys(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"", "a", "aa", "b", "ab", "global", "\x01a", "a\x01"})
	type tuple struct{ schema, incarnation, global, tenant, generation, typ, id string }
	draw := func(rt *rapid.T, name string) tuple {
		next := func(s string) string { return part.Draw(rt, name+" "+s) }
		return tuple{next("schema"), next("incarnation"), next("global"), next("tenant"), next("generation"), next("type"), next("id")}
	}
	keyOf := func(rt *rapid.T, x tuple) check.Key {
		shared, v := newKept(), &vectors{}
		v.set(x.incarnation, authz.GlobalScope, x.global, x.tenant, x.generation)
		o, _ := options(&scripted{})
		o.Schema, o.Shared, o.Generations = x.schema, shared, check.NewDatabase(v, o.Timeout)
		if _, err := check.New(o).Check(t.Context(), authz.Subject{Type: x.typ, ID: x.id}, []authz.Ask{contact(x.tenant, "c", 1)}); err != nil {
			rt.Fatal(err)
		}
		return shared.all()[0].Key
	}
	seen := map[check.Key]tuple{}
	rapid.Check(t, func(rt *rapid.T) {
		x := draw(rt, "x")
		switch x.tenant {
		case "":
			x.generation = "" // what is of no tenant hangs on the global generation alone
		case authz.GlobalScope:
			x.generation = x.global
		}
		k := keyOf(rt, x)
		if y, ok := seen[k]; ok && x != y {
			rt.Fatalf("%+v and %+v share a key", x, y)
		}
		seen[k] = x
		if keyOf(rt, x) != k {
			rt.Fatalf("%+v has two keys", x)
		}
	})
}

// TestPath_MemoryBound fills the memory many times over, from several waves at once, and weighs the heap.
func TestPath_MemoryBound(t *testing.T) {
	const bound, perWave, waves, writers = 2 << 20, 500, 120, 4
	o, _ := options(&scripted{})
	o.MemoryBytes = bound
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, length := range []int{8, 36, 200} {
		b := &thoughtless{}
		o.Backend = b
		before := heap()
		p := check.New(o)
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for n := range waves / writers {
					asks := make([]authz.Ask, perWave)
					for i := range asks {
						asks[i] = contact("A", fmt.Sprintf("%0*d", length, (n*writers+w)*perWave+i), 1)
					}
					answer(t, p, ada, asks...)
				}
			})
		}
		all.Wait()
		used := heap() - before
		t.Logf("ids of %d bytes: %d KiB are kept under a bound of %d KiB", length, used>>10, int64(bound)>>10)
		if used > bound*5/4 {
			t.Errorf("ids of %d bytes: %d KiB are kept, the bound is %d KiB", length, used>>10, int64(bound)>>10)
		}
		if used < bound/4 {
			t.Errorf("ids of %d bytes: %d KiB are kept: the bound of %d KiB is not used", length, used>>10, int64(bound)>>10)
		}
		runtime.KeepAlive(p)
	}
}

// thoughtless allows everything and keeps nothing.
type thoughtless struct{}

func (thoughtless) Fence(context.Context) (string, error) { return "fence", nil }

func (thoughtless) CheckAt(_ context.Context, _ string, _ authz.Subject, qs []authz.Question) ([]bool, error) {
	return slices.Repeat([]bool{true}, len(qs)), nil
}

// TestPath_Allocations holds that a wave that memory answers costs a few allocations, however many objects it has.
func TestPath_Allocations(t *testing.T) {
	o, _ := options(thoughtless{})
	o.MemoryBytes = 64 << 20
	p := check.New(o)
	for _, n := range []int{1, 100, 1000} {
		asks := make([]authz.Ask, n)
		for i := range asks {
			asks[i] = authz.Ask{Ref: authz.Ref{Type: "contact", ID: fmt.Sprint("contact-", i), Tenant: domain.AccountID("A")}, Bits: 0b111}
		}
		answer(t, p, ada, asks...)
		got := testing.AllocsPerRun(50, func() { answer(t, p, ada, asks...) })
		t.Logf("%d objects: %.0f allocations", n, got)
		if got > 12 {
			t.Errorf("%d objects cost %.0f allocations, want 12 at most", n, got)
		}
	}
	if s := p.Stats(); s.Memory == 0 {
		t.Error("memory has answered nothing")
	}
}
