package change_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

// TestDo_AuthorisesUnderTheLock takes, again and again, the right to grant from somebody who is granting: no grant of
// theirs may be written behind the revoke.
func TestDo_AuthorisesUnderTheLock(t *testing.T) { parts.Each(t, testDoAuthorisesUnderTheLock) }

func testDoAuthorisesUnderTheLock(t *testing.T, p *parts.Parts) {
	const rounds = 30
	granted, refused := 0, 0
	for range rounds {
		a := p.Account(billingToGive, 0)
		owner, m, x := a[0], a[1], a[2]
		start := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() {
			<-start
			if _, err := permissions(owner.Actor, m, 0).do(t.Context(), p.Changes, nil); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			<-start
			for range 1000 {
				_, err := permissions(m.Actor, x, billing).do(t.Context(), p.Changes, nil)
				if err != nil {
					if domain.CodeOf(err) != domain.CodeForbidden {
						t.Error(err)
					}
					refused++
					return
				}
				granted++
				if _, err := permissions(m.Actor, x, 0).do(t.Context(), p.Changes, nil); err != nil {
					refused++
					return
				}
			}
		})
		close(start)
		both.Wait()
		revoked := p.Count("SELECT seq FROM authz_outbox WHERE account_scopes LIKE ? AND actor = ?", "%"+a[0].AccountID+"%", owner.Actor.Person.String())
		if n := p.Count("SELECT count(*) FROM authz_outbox WHERE account_scopes LIKE ? AND seq > ?", "%"+a[0].AccountID+"%", revoked); n > 0 {
			t.Fatalf("%d changes were written behind the revoke of the right to make them", n)
		}
	}
	if refused != rounds {
		t.Errorf("%d of %d were refused in the end", refused, rounds)
	}
	t.Logf("%d grants and takings back came before their revoke", granted)
}

// TestDo_RightLostWhileWaiting has a grant wait for the lock under which the granter's own right is taken.
func TestDo_RightLostWhileWaiting(t *testing.T) { parts.Each(t, testDoRightLostWhileWaiting) }

func testDoRightLostWhileWaiting(t *testing.T, p *parts.Parts) {
	a := p.Account(billingToGive, 0)
	g := newGate()
	p.Writer.Before(g.before)
	var both sync.WaitGroup
	both.Go(func() { permissions(a[0].Actor, a[1], 0).must(t, p) })
	wait(t, g.reached, "the revoke")
	var err error
	both.Go(func() { _, err = permissions(a[1].Actor, a[2], billing).do(t.Context(), p.Changes, nil) })
	close(g.open)
	both.Wait()
	wantCode(t, err, domain.CodeForbidden)
}

// TestDo_TokenRevokedWhileWaiting is the same for the API token that the caller came with.
func TestDo_TokenRevokedWhileWaiting(t *testing.T) { parts.Each(t, testDoTokenRevokedWhileWaiting) }

func testDoTokenRevokedWhileWaiting(t *testing.T, p *parts.Parts) {
	a := p.Account(billingToGive, 0)
	token := domain.APIToken{ID: domain.NewID[domain.APITokenID](), Person: a[1].Person, Hash: []byte{1}, CreatedAt: p.Clock.Now(), ExpiresAt: p.Clock.Now().Add(time.Hour)}
	update := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := p.DB.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *store.Tx) error { return tx.InsertAPIToken(t.Context(), token) })
	actor := a[1].Actor
	actor.TokenID = token.ID
	if _, err := permissions(actor, a[2], billing).do(t.Context(), p.Changes, nil); err != nil {
		t.Fatal(err)
	}
	update(func(tx *store.Tx) error { return tx.RevokeAPIToken(t.Context(), token.ID, p.Clock.Now()) })
	before := p.Fingerprint()
	_, err := permissions(actor, a[2], 0).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeUnauthenticated)
	wantNothing(t, p, before)
}

// TestDo_AsksForNothing holds that a change that forgets to authorise does not go through.
func TestDo_AsksForNothing(t *testing.T) { parts.Each(t, testDoAsksForNothing) }

func testDoAsksForNothing(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	before := p.Fingerprint()
	e := permissions(a[0].Actor, a[1], billingToGive)
	e.needs = ""
	for name, more := range map[string]func(context.Context, *change.Tx) error{
		"nothing":         nil,
		"no reason":       func(_ context.Context, tx *change.Tx) error { tx.AuthorisedBy(""); return nil },
		"only a question": func(ctx context.Context, tx *change.Tx) error { _, err := tx.Can(ctx); return err },
	} {
		if _, err := e.do(t.Context(), p.Changes, more); domain.CodeOf(err) != domain.CodeInternal {
			t.Errorf("%s: got error %v, want an internal one", name, err)
		}
	}
	wantNothing(t, p, before)
	e.actor = domain.Actor{}
	_, err := e.do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeUnauthenticated)
	e = permissions(a[1].Actor, a[1], billingToGive) // nobody grants to themself
	_, err = e.do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeForbidden)
	e = permissions(p.SignIn("stranger"), a[1], billingToGive)
	before = p.Fingerprint()
	_, err = e.do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeNotFound)
	wantNothing(t, p, before)
	if p.Can(a[1].Actor, relation.TypeAccount, string(a[1].AccountID), relation.DelegateBilling) {
		t.Error("something was granted")
	}
}
