package change_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/testing/property/parts"
)

func keyed(e edit, key string) edit {
	e.key = key
	return e
}

func TestDo_IdempotencyKey(t *testing.T) { parts.Each(t, testDoIdempotencyKey) }

func testDoIdempotencyKey(t *testing.T, p *parts.Parts) {
	a := p.Account(manager, 0)
	grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
	first := grant.must(t, p)
	permissions(a[0].Actor, a[1], manager).must(t, p) // it stays taken away: a repetition does nothing
	before := p.Fingerprint()

	again := grant.must(t, p)
	if again.ID != first.ID || again.AuditID != first.AuditID || !again.Repeated || again.Secret != "" {
		t.Errorf("got %+v, want what %+v answered, but for the secret", again, first)
	}
	for name, e := range map[string]edit{
		"other input":  keyed(permissions(a[0].Actor, a[1], billing), "key"),
		"other object": keyed(permissions(a[0].Actor, a[2], billingToGive), "key"),
	} {
		_, err := e.do(t.Context(), p.Changes, nil)
		if domain.CodeOf(err) != domain.CodeConflict {
			t.Errorf("%s: got error %v, want a conflict", name, err)
		}
	}
	req := grant.request()
	req.Operation = "revoke_permission"
	_, err := p.Changes.Do(t.Context(), req, nil)
	wantCode(t, err, domain.CodeConflict)
	wantNothing(t, p, before)

	admin := parts.Place{Contact: a[1].Contact, Actor: a[1].Actor}
	other := keyed(permissions(admin.Actor, a[2], 0), "key")
	if res := other.must(t, p); res.Repeated || res.ID != string(a[2].ID) {
		t.Errorf("another actor's key answers %+v", res)
	}
}

// TestDo_IdempotencyKeyOfFailure holds that what failed can be tried again under its key.
func TestDo_IdempotencyKeyOfFailure(t *testing.T) { parts.Each(t, testDoIdempotencyKeyOfFailure) }

func testDoIdempotencyKeyOfFailure(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
	if _, err := grant.do(t.Context(), p.Changes, fails); domain.CodeOf(err) != domain.CodeConflict {
		t.Fatal(err)
	}
	if res := grant.must(t, p); res.Repeated {
		t.Error("a failure was kept as an answer")
	}
}

func TestDo_IdempotencyKeyExpires(t *testing.T) {
	for _, test := range []struct {
		after    time.Duration
		repeated bool
	}{{24*time.Hour - time.Millisecond, true}, {24 * time.Hour, true}, {24*time.Hour + time.Millisecond, false}} {
		p := parts.Open(t)
		a := p.Account(manager)
		grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
		grant.must(t, p)
		p.Clock.Turn(test.after)
		if res, err := grant.do(t.Context(), p.Changes, nil); err != nil || res.Repeated != test.repeated {
			t.Errorf("after %s: repeated %v, error %v", test.after, res.Repeated, err)
		}
	}
}

// TestDo_IdempotencyKeyAtOnce has many calls with one key race each other, of two processes. Where each makes an account of
// its own the scopes differ: no lock but that of the key's row orders them.
func TestDo_IdempotencyKeyAtOnce(t *testing.T) { parts.Pair(t, testDoIdempotencyKeyAtOnce) }

func testDoIdempotencyKeyAtOnce(t *testing.T, p, q *parts.Parts) {
	accounting, err := p.Service.SetStaff(t.Context(), parts.Login("accounting"), domain.StaffAccounting, true)
	if err != nil {
		t.Fatal(err)
	}
	a := p.Account(manager)
	grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
	creator := domain.Actor{Person: domain.UserPerson(accounting.ID), Name: "accounting"}
	for name, call := range map[string]func(p *parts.Parts) (change.Result, error){
		"same lock": func(p *parts.Parts) (change.Result, error) { return grant.do(t.Context(), p.Changes, nil) },
		"own locks": func(p *parts.Parts) (change.Result, error) { return createAccount(t.Context(), p, creator, "New") },
	} {
		t.Run(name, func(t *testing.T) {
			before := p.Count("SELECT count(*) FROM audit_log")
			var all sync.WaitGroup
			results := make([]change.Result, 8)
			for i := range results {
				all.Go(func() {
					var err error
					if results[i], err = call([]*parts.Parts{p, q}[i%2]); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			fresh := 0
			for _, r := range results {
				if !r.Repeated {
					fresh++
				}
				if r.AuditID != results[0].AuditID || r.ID != results[0].ID {
					t.Errorf("answers differ: %+v, %+v", r, results[0])
				}
			}
			if n := p.Count("SELECT count(*) FROM audit_log") - before; fresh != 1 || n != 1 {
				t.Errorf("%d calls did it, %d audit entries", fresh, n)
			}
		})
	}
	if !gives(p, a[1]) || p.Count("SELECT count(*) FROM accounts WHERE name = 'New'") != 1 {
		t.Error("the changes are not effective, or were made twice")
	}
	p.Reconciled()
}

// createAccount makes an account under the key "create", each call under the lock of an account of its own.
func createAccount(ctx context.Context, p *parts.Parts, actor domain.Actor, name string) (change.Result, error) {
	a := domain.Account{ID: domain.NewID[domain.AccountID](), Name: name, CreatedAt: p.Clock.Now(), UpdatedAt: p.Clock.Now()}
	req := change.Request{Actor: actor, Operation: relation.CreateAccount, Scopes: []string{string(a.ID)}, IdempotencyKey: "create", Input: name}
	return p.Changes.Do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, authz.Question{Ref: authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}, Permission: relation.CreateAccount}); err != nil {
			return change.Result{}, err
		}
		if err := tx.InsertAccount(ctx, a); err != nil {
			return change.Result{}, err
		}
		tx.Gains(relation.OfAccount(a.ID)...)
		return change.Result{ID: string(a.ID), AuditID: tx.Audit(domain.AuditEntry{AccountID: a.ID})}, nil
	})
}

// TestDo_IdempotencyKeyOfPending repeats a call whose first answer was AUTHZ_PENDING, under another lock, as a repeated
// createAccount has: no success before the change is effective.
func TestDo_IdempotencyKeyOfPending(t *testing.T) { parts.Each(t, testDoIdempotencyKeyOfPending) }

func testDoIdempotencyKeyOfPending(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
	p.Writer.Before(down)
	_, first := grant.do(t.Context(), p.Changes, nil)
	wantCode(t, first, domain.CodeAuthzPending)
	req := grant.request()
	req.Scopes = []string{string(domain.NewID[domain.AccountID]())}
	_, again := grant.doAs(t.Context(), p.Changes, req, nil)
	wantCode(t, again, domain.CodeAuthzPending)
	if wantError(t, again).Change != wantError(t, first).Change {
		t.Error("the repetition names another change")
	}
	p.Writer.Before(nil)
	if _, err := grant.doAs(t.Context(), p.Changes, req, nil); err != nil || !gives(p, a[1]) {
		t.Errorf("the repetition answers %v, effective: %v", err, gives(p, a[1]))
	}
}
