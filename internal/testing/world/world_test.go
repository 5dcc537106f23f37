package world_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/service"
	"steward/internal/testing/world"
)

const whoAmI = `{ viewer { user { email } serviceAccount { name } accounts { totalCount edges { node { name } } } } }`

func TestWorld_everyKindSignsIn(t *testing.T) {
	world.Each(t, world.Sets, func(t *testing.T, s world.Set) {
		w := world.New(t, world.On(s))
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
	})
}

func TestWorld_anAccountIsMadeQuickly(t *testing.T) {
	for _, s := range world.Sets {
		t.Run(string(s), func(t *testing.T) {
			begin := time.Now()
			w := world.New(t, world.On(s))
			t.Logf("a world: %s", time.Since(begin))
			w.Account(t) // signs everybody in
			const n = 10
			took := func(what string, do func()) {
				begin := time.Now()
				for range n {
					do()
				}
				t.Logf("%s: %s", what, time.Since(begin)/n)
			}
			took("an account of every kind", func() { w.Account(t) })
			took("an account of three contacts", func() { w.Account(t, world.Billing, world.Target) })
			a := w.Account(t)
			took("its rows", func() { _ = a.Rows(t) })
			took("how often something was written", func() { w.Writes(t) })
			took("a query", func() { w.Must(t, a.As(t, world.Owner), whoAmI, nil) })
		})
	}
}

func TestWorld_seesWrites(t *testing.T) {
	world.Each(t, world.Sets, func(t *testing.T, s world.Set) {
		w := world.New(t, world.On(s))
		a := w.Account(t, world.Target)
		owner := a.As(t, world.Owner)
		w.Must(t, owner, whoAmI, nil)
		before := w.Writes(t)
		for range 20 {
			w.Must(t, owner, whoAmI, nil)
		}
		if w.Writes(t) != before {
			t.Error("reading has written")
		}
		a.Change(t, world.Target, func(c *domain.Contact) { c.Phone = "+1 555 0100" })
		after := w.Writes(t)
		if after == before {
			t.Error("a write was not seen")
		}
		given := errors.New("given up")
		_, err := w.Changes.Do(t.Context(), change.Request{Actor: service.Operator, Operation: "give_up", Scopes: []string{string(a.Key)}},
			func(ctx context.Context, tx *change.Tx) (change.Result, error) {
				tx.AuthorisedBy("a test gives up")
				if err := tx.InsertAccount(ctx, domain.Account{ID: domain.NewID[domain.AccountID](), Name: "Given Up", CreatedAt: tx.Now(), UpdatedAt: tx.Now()}); err != nil {
					return change.Result{}, err
				}
				return change.Result{}, given
			})
		if !errors.Is(err, given) || w.Writes(t) != after {
			t.Errorf("what was rolled back counts as a write: %v", err)
		}
	})
}
