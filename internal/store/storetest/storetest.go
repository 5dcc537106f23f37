// Package storetest is the one suite of tests that every database engine of the store passes.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"steward/internal/domain"
	"steward/internal/store"
)

// Run tests an engine. fresh returns how to open a new, migrated and empty database, which is closed when its test ends.
// Opening it again is what a second replica does.
func Run(t *testing.T, fresh func(t testing.TB) (open func() *store.DB)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f *fixture)
	}{
		{"Accounts", testAccounts},
		{"AccountNames", testAccountNames},
		{"AccountsOfPerson", testAccountsOfPerson},
		{"AccountsPage", testAccountsPage},
		{"EachAccountAndContact", testEach},
		{"Contacts", testContacts},
		{"ContactUpdate", testContactUpdate},
		{"ContactConstraints", testContactConstraints},
		{"ContactUpdateConstraints", testContactUpdateConstraints},
		{"ContactReferences", testContactReferences},
		{"ContactPersonOff", testContactPersonOff},
		{"PrimaryTypes", testPrimaryTypes},
		{"ContactsPage", testContactsPage},
		{"ContactFilters", testContactFilters},
		{"PagesOfIDs", testPagesOfIDs},
		{"BulkContacts", testBulkContacts},
		{"BulkDuplicate", testBulkDuplicate},
		{"Users", testUsers},
		{"SignIn", testSignIn},
		{"Staff", testStaff},
		{"ServiceAccounts", testServiceAccounts},
		{"Links", testLinks},
		{"APITokens", testAPITokens},
		{"APITokenUse", testAPITokenUse},
		{"Audit", testAudit},
		{"AuditPage", testAuditPage},
		{"AuditFilters", testAuditFilters},
		{"Generations", testGenerations},
		{"GenerationsOfReplicas", testGenerationsOfReplicas},
		{"LockScopes", testLockScopes},
		{"LockScopesOrder", testLockScopesOrder},
		{"Outbox", testOutbox},
		{"Idempotency", testIdempotency},
		{"Jobs", testJobs},
		{"JobLeases", testJobLeases},
		{"JobsOfReplicas", testJobsOfReplicas},
		{"Mails", testMails},
		{"MailClaims", testMailClaims},
		{"Analyze", testAnalyze},
		{"Meta", testMeta},
		{"MetaOnce", testMetaOnce},
		{"Pages", testPages},
		{"UpdateRollsBack", testUpdateRollsBack},
		{"ViewIsReadOnlySnapshot", testView},
		{"ConcurrentWriters", testConcurrentWriters},
		{"Cancellation", testCancellation},
		{"HostileText", testHostileText},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			open := fresh(t)
			test.run(t, &fixture{T: t, db: open(), open: open, ctx: t.Context()})
		})
	}
}

// fixture is a test with its database.
type fixture struct {
	*testing.T
	db   *store.DB
	open func() *store.DB
	ctx  context.Context
}

// at is a moment of the tests, to the millisecond as the store keeps it; n orders moments by the minute.
func at(n int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC).Add(time.Duration(n) * time.Minute)
}

func (f *fixture) view(fn func(tx *store.Tx) error) {
	f.Helper()
	if err := f.db.View(f.ctx, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) update(fn func(tx *store.Tx) error) {
	f.Helper()
	if err := f.db.Update(f.ctx, fn); err != nil {
		f.Fatal(err)
	}
}

// refused runs an update that must fail with target.
func (f *fixture) refused(target error, fn func(tx *store.Tx) error) {
	f.Helper()
	if err := f.db.Update(f.ctx, fn); !errors.Is(err, target) {
		f.Errorf("got error %v, want %v", err, target)
	}
}

// duplicate runs an update that must fail with the constraint.
func (f *fixture) duplicate(constraint string, fn func(tx *store.Tx) error) {
	f.Helper()
	err := f.db.Update(f.ctx, fn)
	if !errors.Is(err, store.ErrDuplicate) {
		f.Errorf("got error %v, want a duplicate of %s", err, constraint)
	} else if dup, _ := errors.AsType[*store.DuplicateError](err); dup.Constraint != constraint {
		f.Errorf("got a duplicate of %q, want %q", dup.Constraint, constraint)
	}
}

// read returns what get reads in a View.
func read[V any](f *fixture, get func(tx *store.Tx) (V, error)) V {
	f.Helper()
	var v V
	f.view(func(tx *store.Tx) (err error) {
		v, err = get(tx)
		return err
	})
	return v
}

// missing asserts that get finds nothing.
func missing[V any](f *fixture, get func(tx *store.Tx) (V, error)) {
	f.Helper()
	err := f.db.View(f.ctx, func(tx *store.Tx) error {
		_, err := get(tx)
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		f.Errorf("got error %v, want %v", err, store.ErrNotFound)
	}
}

// equal compares; an empty list or map is equal to a nil one.
func equal[V any](f *fixture, got, want V) {
	f.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.Errorf("-want +got:\n%s", diff)
	}
}

func (f *fixture) generations(db *store.DB, scopes ...string) map[string]string {
	f.Helper()
	_, of, err := db.Generations(f.ctx, scopes)
	if err != nil {
		f.Fatal(err)
	}
	return of
}

func (f *fixture) incarnation(db *store.DB) string {
	f.Helper()
	incarnation, _, err := db.Generations(f.ctx, nil)
	if err != nil {
		f.Fatal(err)
	}
	return incarnation
}

// account adds an account of that name.
func (f *fixture) account(name string) domain.Account {
	f.Helper()
	a := domain.Account{
		ID: domain.NewID[domain.AccountID](), Name: name, Website: "https://example.com", Phone: "+49 1", Address: "Street 1\nTown",
		CreatedAt: at(0), UpdatedAt: at(1),
	}
	f.update(func(tx *store.Tx) error { return tx.InsertAccount(f.ctx, a) })
	return a
}

// newContact returns a contact of the account that is not added yet.
func newContact(account domain.AccountID, first, last string) domain.Contact {
	return domain.Contact{
		ID: domain.NewID[domain.ContactID](), AccountID: account, FirstName: first, LastName: last,
		State: domain.ContactActive, CreatedAt: at(0), UpdatedAt: at(0),
	}
}

// contact adds a contact, changed by the edits first.
func (f *fixture) contact(account domain.AccountID, first, last string, edits ...func(*domain.Contact)) domain.Contact {
	f.Helper()
	c := newContact(account, first, last)
	for _, edit := range edits {
		edit(&c)
	}
	f.update(func(tx *store.Tx) error { return tx.InsertContact(f.ctx, c) })
	return c
}

// user adds a user with that e-mail address.
func (f *fixture) user(email string) domain.User {
	f.Helper()
	var u domain.User
	f.update(func(tx *store.Tx) (err error) {
		u, err = tx.UpsertUser(f.ctx, store.Login{Issuer: "https://issuer", Subject: email, Email: email, EmailVerified: true, Name: email}, at(0))
		return err
	})
	return u
}

// serviceAccount adds a service account of the account.
func (f *fixture) serviceAccount(account domain.AccountID, name string) domain.ServiceAccount {
	f.Helper()
	s := domain.ServiceAccount{ID: domain.NewID[domain.ServiceAccountID](), AccountID: account, Name: name, CreatedAt: at(0)}
	f.update(func(tx *store.Tx) error { return tx.InsertServiceAccount(f.ctx, s) })
	return s
}

// random returns a source whose seed is in the test's log.
func (f *fixture) random() *rand.Rand {
	seed := rand.Uint64()
	f.Logf("random seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// walk reads a whole list page by page, forward and backward, with several limits and from every row, and compares it with all,
// which is the list as the test knows it.
func walk[R any](f *fixture, all []R, place func(R) store.Keyset, read func(store.Page) []R) {
	f.Helper()
	for _, limit := range []int{1, 2, 3, len(all), len(all) + 1} {
		var forward, backward []R
		for from := (*store.Keyset)(nil); len(forward) <= len(all); {
			page := read(store.Page{Limit: limit, From: from})
			if len(page) == 0 {
				break
			}
			forward = append(forward, page...)
			k := place(page[len(page)-1])
			from = &k
		}
		for from := (*store.Keyset)(nil); len(backward) <= len(all); {
			page := read(store.Page{Limit: limit, Backward: true, From: from})
			if len(page) == 0 {
				break
			}
			backward = append(append([]R{}, page...), backward...)
			k := place(page[0])
			from = &k
		}
		if diff := cmp.Diff(all, forward); diff != "" {
			f.Errorf("forward by %d: -want +got:\n%s", limit, diff)
		}
		if diff := cmp.Diff(all, backward); diff != "" {
			f.Errorf("backward by %d: -want +got:\n%s", limit, diff)
		}
	}
}

func names(accounts []domain.Account) []string {
	out := make([]string, len(accounts))
	for i, a := range accounts {
		out[i] = a.Name
	}
	return out
}

func contactNames(contacts []domain.Contact) []string {
	out := make([]string, len(contacts))
	for i, c := range contacts {
		out[i] = c.Name()
	}
	return out
}

func numbered(format string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}
