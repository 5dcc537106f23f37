package storetest

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

func testAccounts(t *testing.T, f *fixture) {
	a, b := f.account("Acme"), f.account("Brown")
	equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, a.ID) }), a)
	missing(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, "nobody") })
	precise := domain.Account{ID: "p", Name: "Precise", CreatedAt: at(0).Add(999_999).In(time.FixedZone("east", 3600)), UpdatedAt: at(0)}
	f.update(func(tx *store.Tx) error { return tx.InsertAccount(f.ctx, precise) })
	got := read(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, "p") })
	if got.CreatedAt != at(0) { // not Equal: the zone counts
		t.Errorf("a time came back as %v, want %v", got.CreatedAt, at(0))
	}
	equal(f, read(f, func(tx *store.Tx) (map[domain.AccountID]domain.Account, error) {
		return tx.Accounts(f.ctx, []domain.AccountID{a.ID, "nobody", b.ID, a.ID})
	}), map[domain.AccountID]domain.Account{a.ID: a, b.ID: b})
	equal(f, read(f, func(tx *store.Tx) (map[domain.AccountID]domain.Account, error) { return tx.Accounts(f.ctx, nil) }), nil)

	a.Name, a.Website, a.Phone, a.Address, a.UpdatedAt = "ACME AG", "", "2", "3", at(9)
	changed := a
	changed.CreatedAt = at(7) // is not written
	f.update(func(tx *store.Tx) error { return tx.UpdateAccount(f.ctx, changed) })
	equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, a.ID) }), a)
	equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.AccountByName(f.ctx, "acme ag") }), a)
	equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, b.ID) }), b)
	f.refused(store.ErrNotFound, func(tx *store.Tx) error {
		return tx.UpdateAccount(f.ctx, domain.Account{ID: "nobody", Name: "N", UpdatedAt: at(0)})
	})

	many := []domain.Account{{ID: "m1", Name: "Many 1", CreatedAt: at(0), UpdatedAt: at(0)}, {ID: "m2", Name: "Many 2", CreatedAt: at(0), UpdatedAt: at(0)}}
	f.update(func(tx *store.Tx) error { return tx.InsertAccounts(f.ctx, many) })
	equal(f, read(f, func(tx *store.Tx) (map[string]domain.Account, error) {
		return tx.AccountsByName(f.ctx, []string{"MANY 1", " many  2", "many 3"})
	}), map[string]domain.Account{"many 1": many[0], "many 2": many[1]})
}

func testAccountNames(t *testing.T, f *fixture) {
	a := f.account("Straße  42 Köln")
	for _, same := range []string{"Straße  42 Köln", "STRASSE 42 KÖLN", " straße\t42 ko\u0308ln ", "strasse\u00a042 köln"} {
		f.duplicate(store.ConstraintAccountName, func(tx *store.Tx) error {
			return tx.InsertAccount(f.ctx, domain.Account{ID: domain.NewID[domain.AccountID](), Name: same, CreatedAt: at(0), UpdatedAt: at(0)})
		})
		got := read(f, func(tx *store.Tx) (domain.Account, error) { return tx.AccountByName(f.ctx, same) })
		equal(f, got, a)
	}
	missing(f, func(tx *store.Tx) (domain.Account, error) { return tx.AccountByName(f.ctx, "Strase 42 Köln") })
	b := f.account("Brown")
	b.Name = "STRASSE 42 KÖLN"
	f.duplicate(store.ConstraintAccountName, func(tx *store.Tx) error { return tx.UpdateAccount(f.ctx, b) })
	b.Name = "BROWN"
	f.update(func(tx *store.Tx) error { return tx.UpdateAccount(f.ctx, b) })
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error {
		return tx.InsertAccount(f.ctx, domain.Account{ID: a.ID, Name: "other", CreatedAt: at(0), UpdatedAt: at(0)})
	})
	f.duplicate(store.ConstraintAccountName, func(tx *store.Tx) error {
		return tx.InsertAccounts(f.ctx, []domain.Account{{ID: "x", Name: "Twice", CreatedAt: at(0), UpdatedAt: at(0)}, {ID: "y", Name: "TWICE", CreatedAt: at(0), UpdatedAt: at(0)}})
	})
	f.refused(store.ErrRefused, func(tx *store.Tx) error {
		return tx.InsertAccount(f.ctx, domain.Account{ID: "empty", Name: " ", CreatedAt: at(0), UpdatedAt: at(0)})
	})
}

func accountsPage(f *fixture, q store.AccountQuery) []domain.Account {
	f.Helper()
	if q.Page.Limit == 0 {
		q.Page.Limit = 100
	}
	return read(f, func(tx *store.Tx) ([]domain.Account, error) { return tx.AccountsPage(f.ctx, q) })
}

func testAccountsOfPerson(t *testing.T, f *fixture) {
	mine, off, other := f.account("Mine"), f.account("Off"), f.account("Other")
	u, stranger := f.user("u@example.com"), f.user("s@example.com")
	program := f.serviceAccount(other.ID, "program")
	as := func(p domain.Person) func(*domain.Contact) { return func(c *domain.Contact) { c.Person = p } }
	f.contact(mine.ID, "U", "", as(domain.UserPerson(u.ID)))
	f.contact(off.ID, "U", "", as(domain.UserPerson(u.ID)), func(c *domain.Contact) { c.State = domain.ContactDeactivated })
	f.contact(other.ID, "P", "", as(domain.ServiceAccountPerson(program.ID)))
	f.contact(other.ID, "nobody", "")

	for _, test := range []struct {
		who  string
		q    store.AccountQuery
		want []string
	}{
		{"the user", store.AccountQuery{Person: domain.UserPerson(u.ID)}, []string{"Mine"}},
		{"the program", store.AccountQuery{Person: domain.ServiceAccountPerson(program.ID)}, []string{"Other"}},
		{"a program with the user's id", store.AccountQuery{Person: domain.ServiceAccountPerson(domain.ServiceAccountID(u.ID))}, nil},
		{"a stranger", store.AccountQuery{Person: domain.UserPerson(stranger.ID)}, nil},
		{"nobody", store.AccountQuery{}, nil},
		{"a user without id", store.AccountQuery{Person: domain.UserPerson("")}, nil},
		{"everything", store.AccountQuery{All: true}, []string{"Mine", "Off", "Other"}},
		{"a part", store.AccountQuery{All: true, NameContains: "o"}, []string{"Off", "Other"}},
		{"a part of the own", store.AccountQuery{Person: domain.UserPerson(u.ID), NameContains: "o"}, nil},
	} {
		if got := names(accountsPage(f, test.q)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.who, got, test.want)
		}
		n := read(f, func(tx *store.Tx) (int, error) { return tx.CountAccounts(f.ctx, test.q, 10) })
		if n != len(test.want) {
			t.Errorf("%s: counted %d, want %d", test.who, n, len(test.want))
		}
	}
	if n := read(f, func(tx *store.Tx) (int, error) { return tx.CountAccounts(f.ctx, store.AccountQuery{All: true}, 2) }); n != 2 {
		t.Errorf("counted %d up to 2", n)
	}
}

func testAccountsPage(t *testing.T, f *fixture) {
	var all []domain.Account
	for i, name := range []string{"Zebra", "äpfel", "apple", "Öl", "zoo", "Ångström", "_x", "100%", "Приве́т", "日本"} {
		a := domain.Account{ID: domain.NewID[domain.AccountID](), Name: name, CreatedAt: at(i / 4), UpdatedAt: at(0)} // several at one time
		f.update(func(tx *store.Tx) error { return tx.InsertAccount(f.ctx, a) })
		all = append(all, a)
	}
	for _, field := range []string{"", store.OrderName, store.OrderCreatedAt} {
		for _, desc := range []bool{false, true} {
			order := store.Order{Field: field, Descending: desc}
			slices.SortFunc(all, func(a, b domain.Account) int {
				c := cmp.Compare(store.NameKey(a.Name), store.NameKey(b.Name))
				if field == store.OrderCreatedAt {
					c = cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
				}
				if desc {
					c = -c
				}
				return c
			})
			walk(f, all, func(a domain.Account) store.Keyset { return store.AccountKeyset(a, order) }, func(p store.Page) []domain.Account {
				return accountsPage(f, store.AccountQuery{All: true, Order: order, Page: p})
			})
		}
	}
	for part, want := range map[string][]string{"Z": {"Zebra", "zoo"}, "ö": {"Ångström", "Öl"}, "%": {"100%"}, "_": {"_x"}, "ПРИ": {"Приве́т"}, "本": {"日本"}, "APPLE": {"apple"}, "'": nil, `\`: nil} {
		if got := names(accountsPage(f, store.AccountQuery{All: true, NameContains: part})); !slices.Equal(got, want) {
			t.Errorf("names with %q: got %q, want %q", part, got, want)
		}
	}
}

func testEach(t *testing.T, f *fixture) {
	var accounts []domain.Account
	var contacts []domain.Contact
	n := store.MaxPage + 17 // more than one batch
	for i, name := range numbered("Account %d", n) {
		a := domain.Account{ID: domain.NewID[domain.AccountID](), Name: name, CreatedAt: at(i), UpdatedAt: at(i)}
		accounts = append(accounts, a)
		contacts = append(contacts, newContact(a.ID, "C", name))
	}
	f.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertAccounts(f.ctx, accounts), tx.InsertContacts(f.ctx, contacts))
	})
	seenA, seenC, calls := map[domain.AccountID]domain.Account{}, map[domain.ContactID]domain.Contact{}, 0
	f.view(func(tx *store.Tx) error {
		return errors.Join(
			tx.EachAccount(f.ctx, func(a domain.Account) error { seenA[a.ID] = a; calls++; return nil }),
			tx.EachContact(f.ctx, func(c domain.Contact) error { seenC[c.ID] = c; calls++; return nil }))
	})
	if len(seenA) != n || len(seenC) != n || calls != 2*n {
		t.Errorf("saw %d accounts and %d contacts in %d calls, want each of %d once", len(seenA), len(seenC), calls, n)
	}
	equal(f, seenA[accounts[5].ID], accounts[5])
	equal(f, seenC[contacts[5].ID], contacts[5])

	enough := errors.New("enough")
	calls = 0
	err := f.db.View(f.ctx, func(tx *store.Tx) error {
		return tx.EachContact(f.ctx, func(domain.Contact) error { calls++; return enough })
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d calls, want the callback's error after 1", err, calls)
	}
}
