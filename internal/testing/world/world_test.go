package world_test

import (
	"testing"
	"time"

	"steward/internal/testing/world"
)

const whoAmI = `{ viewer { user { email } serviceAccount { name } accounts { totalCount edges { node { name } } } } }`

func TestWorld_everyKindSignsIn(t *testing.T) {
	w := world.New(t)
	a := w.Account(t)
	other := w.Other(t)
	names := map[world.Kind][]string{
		world.TwoHats: {a.Name, other.Name}, world.OtherOwner: {other.Name}, world.NoLogin: {}, world.Deactivated: {}, world.Stranger: {},
		world.StaffSupport: {a.Name, other.Name}, world.Accounting: {a.Name, other.Name},
	}
	for _, k := range world.Callers {
		res := w.Do(t, a.As(t, k), whoAmI, nil)
		if k == world.Anonymous || k == world.Disabled {
			if res.Code() != "UNAUTHENTICATED" || res.Get("viewer") != nil {
				t.Errorf("%s: %d %s", k, res.Status, res.Body)
			}
			continue
		}
		want, ok := names[k]
		if !ok {
			want = []string{a.Name}
		}
		got := res.List("viewer.accounts.edges")
		if len(res.Errors) > 0 || len(got) != len(want) {
			t.Errorf("%s: %s, want the accounts %q", k, res.Body, want)
		}
	}
}

func TestWorld_anAccountIsMadeQuickly(t *testing.T) {
	w := world.New(t)
	w.Account(t) // signs everybody in
	const n = 20
	begin := time.Now()
	for range n {
		w.Account(t)
	}
	t.Logf("an account of every kind: %s", time.Since(begin)/n)
	begin = time.Now()
	for range n {
		w.Account(t, world.Billing, world.Target)
	}
	t.Logf("an account of three contacts: %s", time.Since(begin)/n)
	a := w.Account(t)
	begin = time.Now()
	for range n {
		_ = a.Rows(t)
	}
	t.Logf("its rows: %s", time.Since(begin)/n)
	before := w.Writes(t)
	begin = time.Now()
	for range n {
		w.Must(t, a.As(t, world.Owner), whoAmI, nil)
	}
	t.Logf("a query: %s", time.Since(begin)/n)
	if w.Writes(t) != before {
		t.Error("reading has written")
	}
	w.Account(t, world.Billing)
	if w.Writes(t) == before {
		t.Error("a write was not seen")
	}
}
