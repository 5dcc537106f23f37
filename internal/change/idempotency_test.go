package change_test

import (
	"sync"
	"testing"
	"time"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/testing/property/parts"
)

func keyed(e edit, key string) edit {
	e.key = key
	return e
}

func TestDo_IdempotencyKey(t *testing.T) {
	p := parts.Open(t)
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
func TestDo_IdempotencyKeyOfFailure(t *testing.T) {
	p := parts.Open(t)
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

// TestDo_IdempotencyKeyAtOnce has many calls with one key race each other. The scopes differ, as they do where a change
// makes an account of its own: no lock but the database's orders them.
func TestDo_IdempotencyKeyAtOnce(t *testing.T) {
	for name, scope := range map[string]bool{"same lock": false, "own locks": true} {
		t.Run(name, func(t *testing.T) {
			p := parts.Open(t)
			a := p.Account(manager)
			var all sync.WaitGroup
			results := make([]change.Result, 8)
			for i := range results {
				grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
				req := grant.request()
				if scope {
					req.Scopes = []string{string(domain.NewID[domain.AccountID]())}
				}
				all.Go(func() {
					var err error
					results[i], err = grant.doAs(t.Context(), p.Changes, req, nil)
					if err != nil {
						t.Error(err)
					} else if !gives(p, a[1]) {
						t.Error("a call has returned, and the change is not effective")
					}
				})
			}
			all.Wait()
			fresh := 0
			for _, r := range results {
				if !r.Repeated {
					fresh++
				}
				if r.AuditID != results[0].AuditID {
					t.Errorf("answers differ: %+v, %+v", r, results[0])
				}
			}
			if n := p.Count("SELECT count(*) FROM audit_log"); fresh != 1 || n != 1 {
				t.Errorf("%d calls did it, %d audit entries", fresh, n)
			}
		})
	}
}

// TestDo_IdempotencyKeyOfPending repeats a call whose first answer was AUTHZ_PENDING, under another lock, as a repeated
// createAccount has: no success before the change is effective.
func TestDo_IdempotencyKeyOfPending(t *testing.T) {
	p := parts.Open(t)
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
