package change_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/testing/property/parts"
)

// TestPair_AppliedByTheOther has one process commit a change that it cannot make effective, and another one do so: by its
// own next change of the account, and by its worker.
func TestPair_AppliedByTheOther(t *testing.T) {
	parts.Pair(t, func(t *testing.T, p, q *parts.Parts) {
		a, b := p.Account(0, 0), p.Account(0, 0)
		for _, x := range [][]parts.Place{a, b} {
			if looks(t, q, x[1], x[2]) {
				t.Fatal("the right is there already") // and q keeps that it is not
			}
			p.Writer.Before(down)
			_, err := permissions(x[0].Actor, x[1], manager).do(t.Context(), p.Changes, nil)
			wantCode(t, err, domain.CodeAuthzPending)
		}
		p.Writer.Before(nil)
		permissions(a[0].Actor, a[2], billing).must(t, q)
		if len(pending(t, p)) != 1 {
			t.Error("a change of A has not applied what was pending of A, and nothing else")
		}
		ctx, stop := context.WithCancel(t.Context())
		applied, ended := make(chan struct{}), make(chan struct{})
		q.Writer.Before(func(context.Context, []relation.Update) error { close(applied); return nil })
		go func() { defer close(ended); q.Changes.Run(ctx) }()
		q.Changes.Nudge()
		wait(t, applied, "the worker's write")
		q.Writer.Before(nil)
		permissions(b[0].Actor, b[2], billing).must(t, p) // behind the worker, which holds the lock of B
		stop()
		wait(t, ended, "Run")
		for i, x := range [][]parts.Place{a, b} {
			if !looks(t, p, x[1], x[2]) || !looks(t, q, x[1], x[2]) {
				t.Errorf("account %d: the change is not effective on both", i)
			}
		}
		p.Reconciled()
	})
}

// looks reports whether the read path says that the one contact manages the other.
func looks(t testing.TB, p *parts.Parts, who, to parts.Place) bool {
	t.Helper()
	ok, err := p.Look(authz.SubjectOf(who.Actor.Person), authz.Question{
		Ref: authz.Ref{Type: relation.TypeContact, ID: string(to.ID), Tenant: to.AccountID}, Permission: relation.GrantPermission,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

// TestPair_Waits has one process in the middle of its write while the other changes the same contact: the later change
// must not be written first.
func TestPair_Waits(t *testing.T) {
	parts.Pair(t, func(t *testing.T, p, q *parts.Parts) {
		a := p.Account(0, 0)
		g := newGate()
		p.Writer.Before(g.before)
		var order []string
		var mu sync.Mutex
		q.Writer.Before(func(context.Context, []relation.Update) error {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, "revoke")
			return nil
		})
		var both sync.WaitGroup
		both.Go(func() {
			permissions(a[0].Actor, a[1], manager).must(t, p)
		})
		wait(t, g.reached, "the grant")
		both.Go(func() {
			permissions(a[0].Actor, a[1], 0).must(t, q)
		})
		mu.Lock()
		order = append(order, "grant")
		mu.Unlock()
		close(g.open)
		both.Wait()
		if len(order) != 2 || order[0] != "grant" || looks(t, p, a[1], a[2]) || looks(t, q, a[1], a[2]) {
			t.Errorf("they were written as %q", order)
		}
		p.Reconciled()
	})
}

// TestPair_AnyOrder has two processes make changes that share scopes in many ways, while some writes fail: in the end
// SpiceDB holds what the rows mean, and both read paths answer by it.
func TestPair_AnyOrder(t *testing.T) {
	parts.Pair(t, func(t *testing.T, p, q *parts.Parts) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		both := []*parts.Parts{p, q}
		var accounts [][]parts.Place
		for range 3 {
			accounts = append(accounts, p.Account(manager, manager, 0))
		}
		var faults sync.Map
		for i, x := range both {
			random, mu := rand.New(rand.NewPCG(seed, uint64(i))), sync.Mutex{}
			x.Writer.Before(func(context.Context, []relation.Update) error {
				mu.Lock()
				defer mu.Unlock()
				if random.IntN(4) == 0 {
					faults.Store(random.Uint64(), true)
					return errDown
				}
				return nil
			})
		}
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(100+w)))
				for range 12 {
					account := accounts[random.IntN(3)]
					e := permissions(account[0].Actor, account[1+random.IntN(3)], domain.PermissionSet(random.IntN(int(domain.AllPermissions)+1)))
					for range random.IntN(3) {
						e.scope = append(e.scope, string(accounts[random.IntN(3)][0].AccountID))
					}
					_, err := e.do(t.Context(), both[random.IntN(2)].Changes, nil)
					if code := domain.CodeOf(err); err != nil && code != domain.CodeAuthzPending && code != domain.CodeUnavailable {
						t.Errorf("got error %v", err)
					}
				}
			})
		}
		all.Wait()
		p.Writer.Before(nil)
		if err := p.Changes.Drain(t.Context()); err != nil || len(pending(t, p)) > 0 {
			t.Fatalf("%d are pending, error %v", len(pending(t, p)), err)
		}
		p.Reconciled()
		for _, account := range accounts {
			for _, who := range account[1:] {
				for _, to := range account[1:] {
					sub := authz.SubjectOf(who.Actor.Person)
					question := authz.Question{Ref: authz.Ref{Type: relation.TypeContact, ID: string(to.ID), Tenant: to.AccountID}, Permission: relation.GrantPermission}
					want, err := live(p)(t.Context(), sub, question)
					if err != nil || looks(t, p, who, to) != want || looks(t, q, who, to) != want {
						t.Errorf("a read path does not answer %v as SpiceDB does, error %v", want, err)
					}
				}
			}
		}
		n := 0
		faults.Range(func(any, any) bool { n++; return true })
		if n == 0 {
			t.Error("no write has failed")
		}
	})
}

// TestPair_StaffRevoked takes the staff role from somebody on one process while they make changes on the other: once the
// revoke has returned, none of theirs is written any more.
func TestPair_StaffRevoked(t *testing.T) {
	parts.Pair(t, func(t *testing.T, p, q *parts.Parts) {
		if !p.OnPostgres() {
			q = p // two processes on one file would starve each other
		}
		for round := range 8 {
			login := parts.Login(fmt.Sprint("support ", round))
			u, err := p.Service.SetStaff(t.Context(), login, domain.StaffSupport, true)
			if err != nil {
				t.Fatal(err)
			}
			staff := domain.Actor{Person: domain.UserPerson(u.ID), Name: u.Name}
			a := p.Account(0)
			began, last := make(chan struct{}), 0
			var both sync.WaitGroup
			both.Go(func() {
				<-began
				if _, err := q.Service.SetStaff(t.Context(), login, domain.StaffSupport, false); err != nil {
					t.Error(err)
				}
				last = p.Count("SELECT max(seq) FROM authz_outbox")
			})
			both.Go(func() {
				for n := range 1000 {
					e := permissions(staff, a[1], domain.PermissionSet(1+n%2))
					e.needs = relation.ResendInvitation // staff hold it on every contact
					_, err := e.do(t.Context(), p.Changes, nil)
					if n == 0 {
						close(began)
					}
					if err != nil {
						if code := domain.CodeOf(err); code != domain.CodeForbidden && code != domain.CodeNotFound {
							t.Error(err)
						}
						return
					}
				}
				t.Error("the revoke was never noticed")
			})
			both.Wait()
			if n := p.Count("SELECT count(*) FROM authz_outbox WHERE seq > ? AND actor = ?", last, staff.Person.String()); n > 0 {
				t.Fatalf("%d changes were written when the right to make them had been revoked", n)
			}
		}
	})
}

// TestDo_ByLinkWithoutSpiceDB holds that a change that asks SpiceDB nothing is refused all the same while it is away: it
// could not be made effective.
func TestDo_ByLinkWithoutSpiceDB(t *testing.T) {
	parts.Each(t, func(t *testing.T, p *parts.Parts) {
		a := p.Account(0)
		e := permissions(p.SignIn("invited"), a[1], manager)
		before := p.Fingerprint()
		e.needs = ""
		if err := p.SpiceDB.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := e.do(t.Context(), p.Changes, func(_ context.Context, tx *change.Tx) error { tx.AuthorisedBy("a link"); return nil })
		wantCode(t, err, domain.CodeUnavailable)
		wantNothing(t, p, before)
	})
}
