package change_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

// TestDo_WriteFails holds what a caller is told when the rows are in and SpiceDB is not: never success.
func TestDo_WriteFails(t *testing.T) { parts.Each(t, testDoWriteFails) }

func testDoWriteFails(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	account := string(a[0].AccountID)
	gen := generations(t, p, account)
	p.Writer.Before(down)
	_, err := permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeAuthzPending)
	left := pending(t, p)
	if len(left) != 1 || wantError(t, err).Change != left[0].ID {
		t.Fatalf("the error names change %q, pending is %v", wantError(t, err).Change, left)
	}
	if rowOf(t, p, a[1].ID).Permissions != billingToGive || p.Count("SELECT count(*) FROM audit_log") != 1 {
		t.Error("the row or its audit entry is not there")
	}
	if gives(p, a[1]) {
		t.Error("a change that is pending is effective")
	}
	if err := p.Changes.Drain(t.Context()); err == nil {
		t.Error("Drain says that it has applied what it could not")
	}
	if got := generations(t, p, account); got[account] != gen[account] {
		t.Error("the generation was bumped before the write")
	}

	p.Writer.Before(nil)
	if err := p.Changes.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !gives(p, a[1]) || len(pending(t, p)) > 0 || generations(t, p, account)[account] == gen[account] {
		t.Error("Drain has not made the change effective")
	}
	p.Reconciled()
}

func wantError(t testing.TB, err error) *domain.Error {
	t.Helper()
	e, ok := err.(*domain.Error)
	if !ok {
		t.Fatalf("got error %v, which is no *domain.Error", err)
	}
	return e
}

func TestDo_WriteTakesTooLong(t *testing.T) { parts.Each(t, testDoWriteTakesTooLong) }

func testDoWriteTakesTooLong(t *testing.T, p *parts.Parts) {
	p.Changes.ApplyTimeout = 50 * time.Millisecond
	a := p.Account(billingToGive)
	p.Writer.Before(func(ctx context.Context, _ []relation.Update) error {
		<-ctx.Done()
		return ctx.Err()
	})
	_, err := permissions(a[0].Actor, a[1], manager).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeAuthzPending)
	p.Writer.Before(nil)
	if err := p.Changes.Drain(t.Context()); err != nil || gives(p, a[1]) {
		t.Errorf("got error %v, effective: %v", err, !gives(p, a[1]))
	}
}

// TestRun_AppliesPending has the worker, which a failed change wakes, do what the caller could not wait for.
func TestRun_AppliesPending(t *testing.T) { parts.Each(t, testRunAppliesPending) }

func testRunAppliesPending(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	calls, again := 0, make(chan struct{})
	p.Writer.Before(func(context.Context, []relation.Update) error {
		if calls++; calls == 1 {
			return errDown
		}
		close(again)
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Changes.Run(ctx) }()
	_, err := permissions(a[0].Actor, a[1], billingToGive).do(ctx, p.Changes, nil)
	wantCode(t, err, domain.CodeAuthzPending)
	wait(t, again, "the worker's write")
	// The worker holds the account's lock until it is done, so a change that gets it comes after.
	edit{actor: a[0].Actor, of: a[1], needs: relation.GrantPermission, to: func(c *domain.Contact) { c.Phone = "1" }}.must(t, p)
	stop()
	wait(t, ended, "Run")
	if !gives(p, a[1]) || len(pending(t, p)) > 0 {
		t.Error("the worker has not made the change effective")
	}
}

// TestDo_PendingFirst holds that a change comes behind those of its account that are pending, in their order.
func TestDo_PendingFirst(t *testing.T) { parts.Each(t, testDoPendingFirst) }

func testDoPendingFirst(t *testing.T, p *parts.Parts) {
	a := p.Account(manager, 0)
	p.Writer.Before(down)
	_, err := permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeAuthzPending)
	before := p.Fingerprint()
	_, err = permissions(a[0].Actor, a[2], billing).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeUnavailable)
	wantNothing(t, p, before)

	// A second one is left as by a process that was killed after its commit.
	phone := relation.Parts{Type: relation.TypeAccount, ID: string(a[0].AccountID), Relation: relation.RelSupport, SubjectType: relation.TypeContact, SubjectID: string(a[2].ID), SubjectRelation: relation.RelPerson}.String()
	err = p.DB.Update(t.Context(), func(tx *store.Tx) error {
		return tx.AppendOutbox(t.Context(), store.OutboxEntry{
			ID: domain.NewID[domain.ChangeID](), Scopes: []string{string(a[0].AccountID)}, Updates: []store.RelationUpdate{{Relationship: phone}}, CreatedAt: p.Clock.Now(),
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	p.Writer.Before(func(_ context.Context, updates []relation.Update) error {
		seen = append(seen, updates[len(updates)-1].Relationship)
		return nil
	})
	permissions(a[0].Actor, a[1], manager).must(t, p)
	if len(seen) != 3 || seen[1] != phone || seen[0] == seen[2] {
		t.Errorf("the writes came as %q", seen)
	}
	if gives(p, a[1]) {
		t.Error("the grant that was pending came behind the revoke that was made after it")
	}
}

// TestDrain_AfterKill has another engine over the same rows, as a new process is, finish what one left.
func TestDrain_AfterKill(t *testing.T) { parts.Each(t, testDrainAfterKill) }

func testDrainAfterKill(t *testing.T, p *parts.Parts) {
	a, b := p.Account(billingToGive), p.Account(billingToGive)
	p.Writer.Before(down)
	for _, x := range [][]parts.Place{a, b} {
		_, err := permissions(x[0].Actor, x[1], manager).do(t.Context(), p.Changes, nil)
		wantCode(t, err, domain.CodeAuthzPending)
	}
	p.Writer.Before(nil)
	if err := change.New(p.Changes.Options).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if gives(p, a[1]) || gives(p, b[1]) || len(pending(t, p)) > 0 {
		t.Error("a revoke is not effective")
	}
	p.Reconciled()
}

// TestDo_PendingOfSeveralAccounts leaves a grant on account B pending that touches account A too. A change of A is just
// applying it when a change of B takes the grant back: whichever is faster, the revoke must win.
func TestDo_PendingOfSeveralAccounts(t *testing.T) { parts.Each(t, testDoPendingOfSeveralAccounts) }

func testDoPendingOfSeveralAccounts(t *testing.T, p *parts.Parts) {
	a, b := p.Account(manager), p.Account(manager)
	p.Writer.Before(down)
	both := permissions(b[0].Actor, b[1], billingToGive)
	both.scope = []string{string(a[0].AccountID)}
	_, err := both.do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeAuthzPending)

	g := newGate()
	p.Writer.Before(g.before)
	done := make(chan error, 1)
	go func() {
		_, err := permissions(a[0].Actor, a[1], billing).do(t.Context(), p.Changes, nil)
		done <- err
	}()
	wait(t, g.reached, "the change of A to apply what is pending")
	revoke := permissions(b[0].Actor, b[1], manager)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = revoke.do(ctx, p.Changes, nil)
	close(g.open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err != nil { // it waited, and has changed nothing
		wantCode(t, err, domain.CodeUnavailable)
		revoke.must(t, p)
	}
	if gives(p, b[1]) {
		t.Error("an older grant was written again behind the revoke")
	}
	p.Reconciled()
}

// TestDo_SpiceDBDown holds that without an answer nothing is allowed, and nothing written.
func TestDo_SpiceDBDown(t *testing.T) { parts.Each(t, testDoSpiceDBDown) }

func testDoSpiceDBDown(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	before := p.Fingerprint()
	if err := p.SpiceDB.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := permissions(a[0].Actor, a[1], billingToGive).do(t.Context(), p.Changes, nil)
	wantCode(t, err, domain.CodeUnavailable)
	wantNothing(t, p, before)
}

// TestDo_CallerGone ends the caller's context before the commit, and behind it.
func TestDo_CallerGone(t *testing.T) { parts.Each(t, testDoCallerGone) }

func testDoCallerGone(t *testing.T, p *parts.Parts) {
	a := p.Account(manager)
	before := p.Fingerprint()
	ctx, leave := context.WithCancel(t.Context())
	_, err := permissions(a[0].Actor, a[1], billingToGive).do(ctx, p.Changes, func(context.Context, *change.Tx) error { leave(); return nil })
	wantCode(t, err, domain.CodeUnavailable)
	wantNothing(t, p, before)

	ctx, leave = context.WithCancel(t.Context())
	p.Writer.Before(func(context.Context, []relation.Update) error { leave(); return nil })
	if _, err := permissions(a[0].Actor, a[1], billingToGive).do(ctx, p.Changes, nil); err != nil {
		t.Errorf("the change was left half done: %v", err)
	}
	if !gives(p, a[1]) || len(pending(t, p)) > 0 {
		t.Error("the change is not effective")
	}
}

// TestDo_Generations holds that every scope that was touched has a new generation, after the write, and no other.
func TestDo_Generations(t *testing.T) { parts.Each(t, testDoGenerations) }

func testDoGenerations(t *testing.T, p *parts.Parts) {
	a, b, other := p.Account(manager), p.Account(), p.Account()
	scopes := []string{string(a[0].AccountID), string(b[0].AccountID), authz.GlobalScope, string(other[0].AccountID)}
	for _, x := range [][]parts.Place{a, other} {
		e := permissions(x[0].Actor, x[len(x)-1], billing)
		if len(x) == 1 {
			e.needs, e.to = relation.ViewContacts, func(c *domain.Contact) { c.Permissions = billing }
		}
		e.must(t, p)
	}
	was := generations(t, p, scopes...)
	var atWrite map[string]string
	p.Writer.Before(func(context.Context, []relation.Update) error {
		atWrite = generations(t, p, scopes...)
		return nil
	})
	e := permissions(a[0].Actor, a[1], billingToGive)
	e.scope = []string{string(b[0].AccountID), authz.GlobalScope}
	e.must(t, p)
	is := generations(t, p, scopes...)
	for i, scope := range scopes {
		if atWrite[scope] != was[scope] {
			t.Errorf("scope %d was bumped before the write", i)
		}
		if changed := is[scope] != was[scope]; changed != (i < 3) {
			t.Errorf("scope %d: new generation: %v", i, changed)
		}
	}
	if entry := lastEntry(t, p); !slices.Equal(entry.Scopes, slices.Sorted(slices.Values(scopes[:3]))) || entry.AppliedAt.IsZero() {
		t.Errorf("the entry is %+v", entry)
	}
}

func lastEntry(t testing.TB, p *parts.Parts) (entry store.OutboxEntry) {
	t.Helper()
	var id string
	p.Query("SELECT id FROM authz_outbox ORDER BY seq DESC LIMIT 1", func(v []any) { id = v[0].(string) })
	view(t, p, func(tx *store.Tx) (err error) {
		entry, err = tx.OutboxEntryByID(t.Context(), domain.ChangeID(id))
		return err
	})
	return entry
}
