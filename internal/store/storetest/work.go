package storetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

func testAudit(t *testing.T, f *fixture) {
	full := domain.AuditEntry{
		ID: "e1", AccountID: "a", At: at(0), Actor: domain.UserPerson("u"), ActorName: "Jörg", TokenID: "t", Action: "edit_account",
		TargetKind: "account", TargetID: "a", TargetName: "Acme", Reason: "because", Request: "R-1",
		Before: map[string]string{"phone": "1"}, After: map[string]string{"phone": "2", "note": `"quoted" 'text' \u0000`},
	}
	bare := domain.AuditEntry{ID: "e2", At: at(1), Action: "migrate"}
	f.update(func(tx *store.Tx) error { return tx.InsertAudit(f.ctx, full, bare) })
	f.update(func(tx *store.Tx) error { return tx.InsertAudit(f.ctx) })
	for _, e := range []domain.AuditEntry{full, bare} {
		equal(f, read(f, func(tx *store.Tx) (domain.AuditEntry, error) { return tx.AuditEntry(f.ctx, e.ID) }), e)
	}
	missing(f, func(tx *store.Tx) (domain.AuditEntry, error) { return tx.AuditEntry(f.ctx, "none") })
	again := full
	again.Reason = "another reason"
	if err := f.db.Update(f.ctx, func(tx *store.Tx) error { return tx.InsertAudit(f.ctx, again) }); err == nil {
		t.Error("an entry was added twice")
	}
	equal(f, read(f, func(tx *store.Tx) (domain.AuditEntry, error) { return tx.AuditEntry(f.ctx, full.ID) }), full)
	f.refused(store.ErrRefused, func(tx *store.Tx) error { return tx.InsertAudit(f.ctx, domain.AuditEntry{ID: "e3", At: at(1)}) })
}

// auditLists adds entries of two accounts and the platform and returns them by account, newest first.
func (f *fixture) auditLists() map[domain.AccountID][]domain.AuditEntry {
	f.Helper()
	lists := map[domain.AccountID][]domain.AuditEntry{}
	for i := range 30 { // three entries of an account at each time
		e := domain.AuditEntry{
			ID: domain.NewID[domain.AuditID](), AccountID: []domain.AccountID{"a", "b", ""}[i%3], At: at(i / 9),
			Action: []string{"grant_permission", "edit_account"}[i/3%2], Actor: domain.UserPerson(domain.UserID([]string{"u", "v"}[i/15])),
		}
		lists[e.AccountID] = append(lists[e.AccountID], e)
		f.update(func(tx *store.Tx) error { return tx.InsertAudit(f.ctx, e) })
	}
	for _, all := range lists {
		slices.SortFunc(all, func(x, y domain.AuditEntry) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(y.ID, x.ID)) })
	}
	return lists
}

func auditPage(f *fixture, accounts []domain.AccountID, q store.AuditQuery) map[domain.AccountID][]domain.AuditEntry {
	f.Helper()
	if q.Page.Limit == 0 {
		q.Page.Limit = 100
	}
	return read(f, func(tx *store.Tx) (map[domain.AccountID][]domain.AuditEntry, error) {
		return tx.AuditPage(f.ctx, accounts, q)
	})
}

func testAuditPage(t *testing.T, f *fixture) {
	lists := f.auditLists()
	for _, desc := range []bool{true, false} {
		order := store.Order{Field: store.OrderAt, Descending: desc}
		for account, all := range lists {
			if !desc {
				slices.Reverse(all)
			}
			for _, accounts := range [][]domain.AccountID{{account}, {"a", "b", "", "none"}} {
				walk(f, all, store.AuditKeyset, func(p store.Page) []domain.AuditEntry {
					return auditPage(f, accounts, store.AuditQuery{Order: order, Page: p})[account]
				})
			}
		}
	}
}

func testAuditFilters(t *testing.T, f *fixture) {
	lists := f.auditLists()
	for name, test := range map[string]struct {
		q    store.AuditQuery
		keep func(domain.AuditEntry) bool
	}{
		"action": {store.AuditQuery{Action: "edit_account"}, func(e domain.AuditEntry) bool { return e.Action == "edit_account" }},
		"since":  {store.AuditQuery{Since: at(1)}, func(e domain.AuditEntry) bool { return !e.At.Before(at(1)) }},
		"until":  {store.AuditQuery{Until: at(1)}, func(e domain.AuditEntry) bool { return e.At.Before(at(1)) }},
		"actor":  {store.AuditQuery{ActorID: "v"}, func(e domain.AuditEntry) bool { return e.Actor.ID == "v" }},
		"all of them": {store.AuditQuery{Action: "edit_account", Since: at(1), Until: at(3), ActorID: "v"}, func(e domain.AuditEntry) bool {
			return e.Action == "edit_account" && !e.At.Before(at(1)) && e.At.Before(at(3)) && e.Actor.ID == "v"
		}},
	} {
		test.q.Order.Descending = true
		want := map[domain.AccountID][]domain.AuditEntry{}
		for account, all := range lists {
			for _, e := range all {
				if test.keep(e) {
					want[account] = append(want[account], e)
				}
			}
		}
		if len(want["a"]) == 0 || len(want["a"]) == len(lists["a"]) {
			t.Errorf("%s: the filter is not tested", name)
		}
		equal(f, auditPage(f, []domain.AccountID{"a", "b", ""}, test.q), want)
		equal(f, auditPage(f, []domain.AccountID{"a"}, test.q)["a"], want["a"])
	}
}

func testGenerations(t *testing.T, f *fixture) {
	bump := func(scopes ...string) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			return errors.Join(tx.LockScopes(f.ctx, scopes), tx.BumpGenerations(f.ctx, scopes))
		})
	}
	scopes := []string{"global", "account:a", "account:b"}
	equal(f, f.generations(f.db, scopes...), nil)
	bump("global", "account:a", "global")
	first := f.generations(f.db, scopes...)
	if len(first) != 2 || len(first["global"]) != 32 || len(first["account:a"]) != 32 || first["global"] == first["account:a"] {
		t.Errorf("the generations %v are not random 128-bit ones", first)
	}
	bump("global")
	second := f.generations(f.db, scopes...)
	if second["global"] == first["global"] {
		t.Error("a bump left the generation as it was")
	}
	equal(f, second, map[string]string{"global": second["global"], "account:a": first["account:a"]})
	many := numbered("account:%d", 1201)
	bump(many...)
	equal(f, len(f.generations(f.db, many...)), len(many))
}

func testOutbox(t *testing.T, f *fixture) {
	entry := func(id domain.ChangeID, scopes ...string) store.OutboxEntry {
		f.Helper()
		e := store.OutboxEntry{
			ID: id, Scopes: scopes, Operation: "grant_permission", Actor: "user:u", CreatedAt: at(0),
			Updates: []store.RelationUpdate{{Relationship: "contact:x#account@account:y"}, {Delete: true, Relationship: "account:y#billing@contact:x#person"}},
		}
		f.update(func(tx *store.Tx) error { return tx.AppendOutbox(f.ctx, e) })
		return e
	}
	z, a, m := entry("z", "account:1"), entry("a", "account:2", "global"), entry("m", "account:1", "account:2")
	pending := func(want ...store.OutboxEntry) {
		f.Helper()
		var changes []store.PendingChange
		for _, e := range want {
			changes = append(changes, store.PendingChange{ID: e.ID, Scopes: e.Scopes})
		}
		equal(f, read(f, func(tx *store.Tx) ([]store.PendingChange, error) { return tx.PendingChanges(f.ctx) }), changes)
	}
	byID := func(id domain.ChangeID) func(tx *store.Tx) (store.OutboxEntry, error) {
		return func(tx *store.Tx) (store.OutboxEntry, error) { return tx.OutboxEntryByID(f.ctx, id) }
	}
	pending(z, a, m)
	equal(f, read(f, byID("m")), m)
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.AppendOutbox(f.ctx, z) })

	f.update(func(tx *store.Tx) error { return tx.MarkApplied(f.ctx, []domain.ChangeID{"z", "a"}, at(1)) })
	f.update(func(tx *store.Tx) error { return tx.MarkApplied(f.ctx, []domain.ChangeID{"z"}, at(2)) })
	pending(m)
	z.AppliedAt = at(1)
	equal(f, read(f, byID("z")), z)
	missing(f, byID("none"))
	prune := func(before time.Time) (n int) {
		f.update(func(tx *store.Tx) (err error) {
			n, err = tx.PruneOutbox(f.ctx, before)
			return err
		})
		return n
	}
	equal(f, prune(at(1)), 0)
	equal(f, prune(at(2)), 2)
	missing(f, byID("z"))
	next := entry("next", "account:1") // is behind the pending one though ids before it are gone
	pending(m, next)
}

func testIdempotency(t *testing.T, f *fixture) {
	r := store.IdempotentResult{
		Actor: "user:u", Key: "k", Operation: "editAccount", InputHash: []byte{0, 255}, Result: json.RawMessage(`{"id":"it's"}`), CreatedAt: at(0),
	}
	get := func(actor, key string) func(tx *store.Tx) (store.IdempotentResult, error) {
		return func(tx *store.Tx) (store.IdempotentResult, error) { return tx.IdempotentResult(f.ctx, actor, key) }
	}
	missing(f, get("user:u", "k"))
	f.update(func(tx *store.Tx) error { return tx.SaveIdempotentResult(f.ctx, r) })
	equal(f, read(f, get("user:u", "k")), r)
	missing(f, get("user:v", "k"))
	f.duplicate(store.ConstraintIdempotencyKey, func(tx *store.Tx) error { return tx.SaveIdempotentResult(f.ctx, r) })
	other := r
	other.Actor, other.CreatedAt = "user:v", at(1)
	f.update(func(tx *store.Tx) error { return tx.SaveIdempotentResult(f.ctx, other) })
	f.update(func(tx *store.Tx) error {
		n, err := tx.PruneIdempotency(f.ctx, at(1))
		equal(f, n, 1)
		return err
	})
	missing(f, get("user:u", "k"))
	equal(f, read(f, get("user:v", "k")), other)
}

func testJobs(t *testing.T, f *fixture) {
	job := domain.Job{
		ID: "j1", Kind: "import_accounts", State: domain.JobQueued, DryRun: true, Invite: true, Person: domain.UserPerson("u"), ActorName: "U",
		Scope: domain.Scope{Permissions: []string{"create_account"}}, Request: "R-1", Reason: "move", CreatedAt: at(1),
	}
	big := bytes.Repeat([]byte("a,'b',\x00\xff\n"), 200_000)
	files := map[string][]byte{"accounts": big, "contacts": {}, "nil": nil}
	f.update(func(tx *store.Tx) error { return tx.InsertJob(f.ctx, job, files) })
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.InsertJob(f.ctx, job, nil) })
	get := func(id domain.JobID) domain.Job {
		f.Helper()
		return read(f, func(tx *store.Tx) (domain.Job, error) { return tx.Job(f.ctx, id) })
	}
	equal(f, get("j1"), job)
	missing(f, func(tx *store.Tx) (domain.Job, error) { return tx.Job(f.ctx, "none") })
	file := func(name string) func(tx *store.Tx) ([]byte, error) {
		return func(tx *store.Tx) ([]byte, error) { return tx.JobFile(f.ctx, "j1", name) }
	}
	for name, content := range files {
		if !bytes.Equal(read(f, file(name)), content) {
			t.Errorf("the file %s is not what was kept", name)
		}
	}
	missing(f, file("none"))

	older := domain.Job{ID: "j0", Kind: "import_accounts", State: domain.JobQueued, Person: domain.UserPerson("u"), CreatedAt: at(0)}
	f.update(func(tx *store.Tx) error { return tx.InsertJob(f.ctx, older, nil) })
	equal(f, read(f, func(tx *store.Tx) ([]domain.Job, error) { return tx.JobsOfPerson(f.ctx, domain.UserPerson("u"), 9) }), []domain.Job{job, older})
	equal(f, read(f, func(tx *store.Tx) ([]domain.Job, error) { return tx.JobsOfPerson(f.ctx, domain.UserPerson("u"), 1) }), []domain.Job{job})
	equal(f, read(f, func(tx *store.Tx) ([]domain.Job, error) { return tx.JobsOfPerson(f.ctx, domain.UserPerson("v"), 9) }), nil)

	older.State = domain.JobDone
	job.State, job.Done, job.Total, job.FinishedAt = domain.JobRunning, 5, 10, at(2)
	job.Summary = domain.ImportSummary{AccountsCreated: 1, AccountsUnchanged: 2, ContactsCreated: 3, ContactsUnchanged: 4}
	job.Problems = []domain.ImportProblem{{File: "contacts", Line: 3, Column: "E-Mail", Message: "is empty", Mend: "write one"}, {File: "accounts", Line: 1, Message: "m"}}
	f.update(func(tx *store.Tx) error { return errors.Join(tx.UpdateJob(f.ctx, older), tx.UpdateJob(f.ctx, job)) })
	equal(f, get("j1"), job)
	f.update(func(tx *store.Tx) error {
		n, err := tx.EndJobLeases(f.ctx)
		equal(f, n, 1)
		return err
	})
	equal(f, get("j1").State, domain.JobQueued)
	equal(f, get("j0").State, domain.JobDone)
	f.update(func(tx *store.Tx) error { return tx.DeleteJobFiles(f.ctx, "j1") })
	missing(f, file("accounts"))
	f.refused(store.ErrNotFound, func(tx *store.Tx) error {
		return tx.UpdateJob(f.ctx, domain.Job{ID: "none", State: domain.JobDone, CreatedAt: at(0)})
	})
	f.refused(store.ErrRefused, func(tx *store.Tx) error {
		return tx.InsertJob(f.ctx, domain.Job{ID: "x", State: "LOST", CreatedAt: at(0)}, nil)
	})
}

func testMails(t *testing.T, f *fixture) {
	mail := func(id domain.MailID, to string, created, next time.Time) domain.Mail {
		f.Helper()
		m := domain.Mail{ID: id, To: to, Subject: "Grüße", Text: "a\nsecret", CreatedAt: created, NextTry: next}
		f.update(func(tx *store.Tx) error { return tx.InsertMail(f.ctx, m) })
		if next.IsZero() {
			m.NextTry = created
		}
		return m
	}
	a, b, c := mail("a", "A@example.com", at(2), time.Time{}), mail("b", "a@Example.com", at(1), at(3)), mail("c", "c@example.com", at(0), at(9))
	due := func(now time.Time, limit int) []domain.Mail {
		return read(f, func(tx *store.Tx) ([]domain.Mail, error) { return tx.DueMails(f.ctx, now, limit) })
	}
	equal(f, due(at(1), 9), nil)
	equal(f, due(at(3), 9), []domain.Mail{a, b})
	equal(f, due(at(3), 1), []domain.Mail{a})
	equal(f, due(at(9), 9), []domain.Mail{a, b, c})
	to := func(email string, limit int) []domain.Mail {
		return read(f, func(tx *store.Tx) ([]domain.Mail, error) { return tx.MailsTo(f.ctx, email, limit) })
	}
	equal(f, to("a@EXAMPLE.com", 9), []domain.Mail{a, b})
	equal(f, to("a@EXAMPLE.com", 1), []domain.Mail{a})
	a.SentAt, a.Attempts = at(4), 1
	b.Attempts, b.NextTry, b.LastError = 1, at(20), "connection refused"
	f.update(func(tx *store.Tx) error {
		if err := tx.UpdateMail(f.ctx, a); err != nil {
			return err
		}
		return tx.UpdateMail(f.ctx, b)
	})
	equal(f, due(at(9), 9), []domain.Mail{c})
	f.update(func(tx *store.Tx) error { return tx.ClearMailText(f.ctx, "a") })
	a.Text = ""
	equal(f, to("a@example.com", 9), []domain.Mail{a, b})
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.InsertMail(f.ctx, a) })
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.ClearMailText(f.ctx, "none") })
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.UpdateMail(f.ctx, domain.Mail{ID: "none", CreatedAt: at(0)}) })
}

func testMeta(t *testing.T, f *fixture) {
	get := func(tx *store.Tx) (string, error) { return tx.Meta(f.ctx, "installed") }
	missing(f, get)
	for _, v := range []string{"1", "", "zwei"} {
		f.update(func(tx *store.Tx) error { return tx.SetMeta(f.ctx, "installed", v) })
		equal(f, read(f, get), v)
	}
}
