package change_test

import (
	"context"
	"testing"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

// TestDo_BumpsBeforeAnybodyKnows holds that generations in memory are new once SpiceDB is written to and before the entry
// is marked: who finds it marked, as a repetition of the call does, says that it is effective.
func TestDo_BumpsBeforeAnybodyKnows(t *testing.T) {
	parts.Each(t, func(t *testing.T, p *parts.Parts) {
		a := p.Account(manager)
		o := p.Changes.Options
		bumps := 0
		o.Bumped = func(scopes []string) {
			if len(scopes) == 0 {
				return
			}
			bumps++
			if !gives(p, a[1]) || p.Count("SELECT count(*) FROM authz_outbox WHERE applied_at IS NOT NULL") > 0 {
				t.Error("the bump comes before the write, or when the change is known to be effective")
			}
		}
		if _, err := permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), change.New(o), nil); err != nil || bumps != 1 {
			t.Errorf("%d bumps, error %v", bumps, err)
		}
	})
}

// TestDrain_PastARefusal has an entry that SpiceDB will never take: it holds up its own account and no other.
func TestDrain_PastARefusal(t *testing.T) {
	parts.Each(t, func(t *testing.T, p *parts.Parts) {
		a, b := p.Account(manager), p.Account(manager)
		refused := store.OutboxEntry{
			ID: domain.NewID[domain.ChangeID](), Scopes: []string{string(a[0].AccountID)}, CreatedAt: p.Clock.Now(),
			Updates: []store.RelationUpdate{{Relationship: "account:a#no_such_relation@user:u"}},
		}
		if err := p.DB.Update(t.Context(), func(tx *store.Tx) error { return tx.AppendOutbox(t.Context(), refused) }); err != nil {
			t.Fatal(err)
		}
		p.Writer.Before(down)
		_, err := permissions(b[0].Actor, b[1], billingToGive).do(t.Context(), p.Changes, nil)
		wantCode(t, err, domain.CodeAuthzPending)
		p.Writer.Before(nil)
		if err := p.Changes.Drain(t.Context()); err == nil {
			t.Error("Drain says nothing of what was refused")
		}
		if left := pending(t, p); len(left) != 1 || left[0].ID != refused.ID || !gives(p, b[1]) {
			t.Errorf("pending is %v, the other account's change effective: %v", left, gives(p, b[1]))
		}
		_, err = permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), p.Changes, nil)
		wantCode(t, err, domain.CodeUnavailable)
	})
}

// TestDo_OutcomeUnknown has PostgreSQL end the session in the middle of a commit.
func TestDo_OutcomeUnknown(t *testing.T) {
	parts.Each(t, func(t *testing.T, p *parts.Parts) {
		if !p.OnPostgres() {
			t.Skip("a commit to a file has an outcome")
		}
		a := p.Account(manager)
		before := p.Fingerprint()
		p.Exec("CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'")
		p.Exec("CREATE CONSTRAINT TRIGGER hang_up AFTER INSERT ON authz_outbox DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang_up()")
		grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
		_, err := grant.do(t.Context(), p.Changes, nil)
		wantCode(t, err, domain.CodeAuthzPending)
		id := wantError(t, err).Change
		wantNothing(t, p, before)
		p.Exec("DROP FUNCTION hang_up CASCADE")
		if err := p.DB.View(t.Context(), func(tx *store.Tx) error { _, err := tx.OutboxEntryByID(t.Context(), id); return err }); err == nil || id == "" {
			t.Errorf("the change %q was written", id)
		}
		if res := grant.must(t, p); res.Repeated || res.Change == id || !gives(p, a[1]) {
			t.Errorf("the call was not made anew: %+v", res)
		}
	})
}

// TestDo_AsksInVain holds that a question about nothing does not stand in for SpiceDB's answer.
func TestDo_AsksInVain(t *testing.T) {
	parts.Each(t, func(t *testing.T, p *parts.Parts) {
		a := p.Account(0)
		e := permissions(p.SignIn("invited"), a[1], manager)
		e.needs = ""
		before := p.Fingerprint()
		if err := p.SpiceDB.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := e.do(t.Context(), p.Changes, func(ctx context.Context, tx *change.Tx) error {
			tx.AuthorisedBy("a link")
			_, err := tx.Can(ctx, []authz.Question{}...)
			return err
		})
		wantCode(t, err, domain.CodeUnavailable)
		wantNothing(t, p, before)
	})
}
