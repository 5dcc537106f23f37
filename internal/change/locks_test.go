package change_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/testing/property/parts"
)

// TestDo_NoDeadlock changes two accounts at once, naming them in both orders.
func TestDo_NoDeadlock(t *testing.T) { parts.Each(t, testDoNoDeadlock) }

func testDoNoDeadlock(t *testing.T, p *parts.Parts) {
	a, b := p.Account(0, 0, 0, 0), p.Account(0, 0, 0, 0)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var all sync.WaitGroup
	for i := range 8 {
		x, y := a, b
		if i%2 == 1 {
			x, y = b, a
		}
		all.Go(func() {
			for n := range 8 {
				e := permissions(x[0].Actor, x[1+i/2], domain.PermissionSet(1+n)&domain.AllPermissions)
				e.scope = []string{string(y[0].AccountID)}
				if _, err := e.do(ctx, p.Changes, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	p.Reconciled()
}

// TestDo_LockIsPerAccount holds one account's change up: another account's goes on where the database lets it, and who waits for the same can leave.
func TestDo_LockIsPerAccount(t *testing.T) { parts.Each(t, testDoLockIsPerAccount) }

func testDoLockIsPerAccount(t *testing.T, p *parts.Parts) {
	a, b := p.Account(0), p.Account(0)
	g := newGate()
	p.Writer.Before(g.before)
	done := make(chan error, 1)
	go func() {
		_, err := permissions(a[0].Actor, a[1], billing).do(t.Context(), p.Changes, nil)
		done <- err
	}()
	wait(t, g.reached, "the change of A")
	if p.OnPostgres() { // SQLite has one writer
		permissions(b[0].Actor, b[1], billing).must(t, p)
	}

	before := p.Fingerprint()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := permissions(a[0].Actor, a[1], manager).do(ctx, p.Changes, nil)
	wantCode(t, err, domain.CodeUnavailable)
	wantNothing(t, p, before)

	close(g.open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	permissions(a[0].Actor, a[1], manager).must(t, p) // who left has not kept the lock
}
