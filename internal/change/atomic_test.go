package change_test

import (
	"context"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

func fails(context.Context, *change.Tx) error {
	return domain.Conflict("", "This one fails at its end.")
}

// TestDo_AllOrNothing has changes fail after they have written: by their own error, by a panic, and where the database
// refuses what the engine itself writes.
func TestDo_AllOrNothing(t *testing.T) { parts.Each(t, testDoAllOrNothing) }

func testDoAllOrNothing(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	before := p.Fingerprint()
	grant := keyed(permissions(a[0].Actor, a[1], billingToGive), "key")
	check := func(t *testing.T) {
		t.Helper()
		wantNothing(t, p, before)
		if n := p.Count("SELECT count(*) FROM idempotency_keys"); n > 0 {
			t.Errorf("%d answers were kept", n)
		}
		if gives(p, a[1]) {
			t.Error("the change is effective")
		}
	}
	t.Run("error", func(t *testing.T) {
		_, err := grant.do(t.Context(), p.Changes, func(ctx context.Context, tx *change.Tx) error {
			tx.Gains(relation.OfStaff("u", domain.StaffSupport)...)
			return fails(ctx, tx)
		})
		wantCode(t, err, domain.CodeConflict)
		check(t)
	})
	t.Run("panic", func(t *testing.T) {
		func() {
			defer func() { _ = recover() }()
			_, _ = grant.do(t.Context(), p.Changes, func(context.Context, *change.Tx) error { panic("at the end") })
		}()
		check(t)
	})
	for _, table := range []string{"audit_log", "authz_outbox", "idempotency_keys"} {
		t.Run(table, func(t *testing.T) {
			mend := breakInserts(p, table)
			_, err := grant.do(t.Context(), p.Changes, nil)
			mend()
			wantCode(t, err, domain.CodeInternal)
			check(t)
		})
	}
	grant.must(t, p) // no lock was left behind
	if !gives(p, a[1]) {
		t.Error("the change is not effective")
	}
}

// breakInserts has the database refuse new rows of a table, until mend is called.
func breakInserts(p *parts.Parts, table string) (mend func()) {
	if !p.OnPostgres() {
		p.Exec("CREATE TRIGGER broken BEFORE INSERT ON " + table + " BEGIN SELECT RAISE(ABORT, 'broken'); END")
		return func() { p.Exec("DROP TRIGGER broken") }
	}
	p.Exec("CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''broken''; END'")
	p.Exec("CREATE TRIGGER broken BEFORE INSERT ON " + table + " FOR EACH ROW EXECUTE FUNCTION broken()")
	return func() { p.Exec("DROP FUNCTION broken CASCADE") }
}

// TestDo_Audit holds that the entry says who, what and when, and that nobody can edit or delete it.
func TestDo_Audit(t *testing.T) { parts.Each(t, testDoAudit) }

func testDoAudit(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	res := permissions(a[0].Actor, a[1], billingToGive).must(t, p)
	var entry domain.AuditEntry
	view(t, p, func(tx *store.Tx) error {
		log, err := tx.AuditPage(t.Context(), []domain.AccountID{a[0].AccountID}, store.AuditQuery{Page: store.Page{Limit: 10}})
		if err == nil && len(log[a[0].AccountID]) == 1 {
			entry = log[a[0].AccountID][0]
		}
		return err
	})
	if entry.ID != res.AuditID || entry.Actor != a[0].Actor.Person || entry.ActorName != a[0].Actor.Name || entry.Action != "grant_permission" ||
		!entry.At.Equal(p.Clock.Now()) || entry.TargetID != string(a[1].ID) {
		t.Errorf("the log says %+v", entry)
	}
	for _, query := range []string{
		"UPDATE audit_log SET actor_name = 'somebody else'",
		"DELETE FROM audit_log",
		"INSERT OR REPLACE INTO audit_log SELECT id, account_id, at, actor_kind, 'x', actor_name, token_id, action, target_kind, target_id, target_name, reason, request, before, after FROM audit_log",
	} {
		if _, err := p.SQL.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s: was done", query)
		}
	}
	err := p.DB.Update(t.Context(), func(tx *store.Tx) error { return tx.InsertAudit(t.Context(), entry) })
	if err == nil {
		t.Error("an entry was written twice")
	}
}

// TestDo_UnknownScope holds that a change of what does not exist leaves the pending changes of others alone: it holds
// none of their locks.
func TestDo_UnknownScope(t *testing.T) { parts.Each(t, testDoUnknownScope) }

func testDoUnknownScope(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	p.Writer.Before(down)
	_, err := permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeAuthzPending)
	wrote := 0
	p.Writer.Before(func(context.Context, []relation.Update) error { wrote++; return nil })
	_, err = p.Changes.Do(t.Context(), change.Request{Actor: a[0].Actor, Operation: "grant_permission", Scopes: []string{""}}, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		return change.Result{}, tx.Require(ctx, authz.Question{Ref: authz.Ref{Type: relation.TypeContact, ID: "unknown"}, Permission: relation.GrantPermission})
	})
	wantCode(t, err, domain.CodeNotFound)
	if wrote > 0 || len(pending(t, p)) != 1 {
		t.Error("pending changes of another account were applied without its lock")
	}
}

// TestDo_UnknownScopeAtOnce holds that a change of what does not exist waits for nobody, however many come.
func TestDo_UnknownScopeAtOnce(t *testing.T) {
	parts.Each(t, func(t *testing.T, p *parts.Parts) {
		if !p.OnPostgres() {
			t.Skip("SQLite has one writer")
		}
		a := p.Account(manager)
		g := newGate()
		p.Writer.Before(g.before)
		done := make(chan error, 1)
		go func() {
			_, err := permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), p.Changes, nil)
			done <- err
		}()
		wait(t, g.reached, "the change of A")
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := p.Changes.Do(ctx, change.Request{Actor: a[0].Actor, Operation: "grant_permission", Scopes: []string{""}}, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
				return change.Result{}, tx.Require(ctx, authz.Question{Ref: authz.Ref{Type: relation.TypeContact, ID: "unknown"}, Permission: relation.GrantPermission})
			})
			cancel()
			wantCode(t, err, domain.CodeNotFound)
		}
		close(g.open)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}
