package change_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

var (
	manager       = domain.PermissionsOf(domain.ContactManagement)
	billing       = domain.PermissionsOf(domain.Billing)
	billingToGive = manager | billing
)

// deadline bounds what must not wait for ever.
const deadline = 20 * time.Second

// edit is a change of one contact, as the service makes them: authorise, touch, write the row, audit.
type edit struct {
	actor domain.Actor
	of    parts.Place
	needs string // on the contact; "" for none
	to    func(c *domain.Contact)
	key   string
	input any
	scope []string // beside the contact's account
}

// permissions is the edit that sets a contact's permissions.
func permissions(actor domain.Actor, of parts.Place, set domain.PermissionSet) edit {
	return edit{actor: actor, of: of, needs: relation.GrantPermission, input: set.String(), to: func(c *domain.Contact) { c.Permissions = set }}
}

func (e edit) request() change.Request {
	return change.Request{
		Actor: e.actor, Operation: "grant_permission", Scopes: append([]string{string(e.of.AccountID)}, e.scope...), IdempotencyKey: e.key, Input: []any{e.of.ID, e.input},
	}
}

// do carries the edit out; more, if not nil, runs at its end, in its transaction.
func (e edit) do(ctx context.Context, changes *change.Engine, more func(ctx context.Context, tx *change.Tx) error) (change.Result, error) {
	return e.doAs(ctx, changes, e.request(), more)
}

// doAs is do under another request.
func (e edit) doAs(ctx context.Context, changes *change.Engine, req change.Request, more func(ctx context.Context, tx *change.Tx) error) (change.Result, error) {
	return changes.Do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if e.needs != "" {
			ref := authz.Ref{Type: relation.TypeContact, ID: string(e.of.ID), Tenant: e.of.AccountID}
			if err := tx.Require(ctx, authz.Question{Ref: ref, Permission: e.needs}); err != nil {
				return change.Result{}, err
			}
		}
		if err := tx.Touch(ctx, e.of.ID); err != nil {
			return change.Result{}, err
		}
		c, err := tx.Contact(ctx, e.of.ID)
		if err != nil {
			return change.Result{}, err
		}
		e.to(&c)
		if err := tx.UpdateContact(ctx, c); err != nil {
			return change.Result{}, err
		}
		id := tx.Audit(domain.AuditEntry{AccountID: c.AccountID, TargetKind: "contact", TargetID: string(c.ID)})
		if more != nil {
			if err := more(ctx, tx); err != nil {
				return change.Result{}, err
			}
		}
		return change.Result{ID: string(c.ID), AuditID: id, Secret: "shown once"}, nil
	})
}

// must carries the edit out, and fails the test if it does not come through.
func (e edit) must(t testing.TB, p *parts.Parts) change.Result {
	t.Helper()
	res, err := e.do(t.Context(), p.Changes, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// gives reports whether the contact, who manages contacts, may give BILLING: whether SpiceDB knows that they hold it.
func gives(p *parts.Parts, c parts.Place) bool {
	return p.Can(c.Actor, relation.TypeAccount, string(c.AccountID), relation.DelegateBilling)
}

func wantCode(t testing.TB, err error, code domain.Code) {
	t.Helper()
	if domain.CodeOf(err) != code {
		t.Fatalf("got error %v, want %s", err, code)
	}
}

// wantNothing fails the test unless everything that is written down is as it was.
func wantNothing(t testing.TB, p *parts.Parts, before string) {
	t.Helper()
	if p.Fingerprint() != before {
		t.Error("something was written")
	}
}

func rowOf(t testing.TB, p *parts.Parts, id domain.ContactID) (c domain.Contact) {
	t.Helper()
	view(t, p, func(tx *store.Tx) (err error) {
		c, err = tx.Contact(t.Context(), id)
		return err
	})
	return c
}

func view(t testing.TB, p *parts.Parts, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := p.DB.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// pending returns the changes that are not effective yet.
func pending(t testing.TB, p *parts.Parts) (changes []store.PendingChange) {
	t.Helper()
	view(t, p, func(tx *store.Tx) (err error) {
		changes, err = tx.PendingChanges(t.Context())
		return err
	})
	return changes
}

func generations(t testing.TB, p *parts.Parts, scopes ...string) map[string]string {
	t.Helper()
	_, of, err := p.DB.Generations(t.Context(), scopes)
	if err != nil {
		t.Fatal(err)
	}
	return of
}

var errDown = errors.New("SpiceDB does not answer")

// down is for Writer.Before: every write fails.
func down(context.Context, []relation.Update) error { return errDown }

// gate is for Writer.Before: it holds the first write up.
type gate struct{ reached, open chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

func (g *gate) before(ctx context.Context, _ []relation.Update) error {
	select {
	case <-g.reached:
		return nil // not the first
	default:
	}
	close(g.reached)
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait fails the test when ch is not closed in time.
func wait(t testing.TB, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(deadline):
		t.Fatalf("%s: waited in vain", what)
	}
}
