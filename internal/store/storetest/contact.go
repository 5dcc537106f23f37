package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

func getContact(f *fixture, id domain.ContactID) domain.Contact {
	f.Helper()
	return read(f, func(tx *store.Tx) (domain.Contact, error) { return tx.Contact(f.ctx, id) })
}

func testContacts(t *testing.T, f *fixture) {
	a, b, empty := f.account("A"), f.account("B"), f.account("Empty")
	u := f.user("u@example.com")
	person := domain.UserPerson(u.ID)
	c := f.contact(a.ID, "Zoë", "van Dyk", func(c *domain.Contact) {
		c.Email, c.PendingEmail, c.Phone = "Zoë@Example.com", "new@example.com", "+31"
		c.Types = domain.AccountTypesOf(domain.PrimaryBillingContact, domain.SupportContact)
		c.Permissions = domain.AllPermissions
		c.Owner, c.Person, c.OptOuts = true, person, []string{"invoice", "account_news"}
		c.UpdatedAt = at(3)
	})
	d := f.contact(a.ID, "", "Abel")
	e := f.contact(b.ID, "Eve", "", func(c *domain.Contact) {
		c.Person, c.Email, c.Permissions = person, "zoë@example.com", domain.PermissionsOf(domain.Admin)
	})

	equal(f, getContact(f, c.ID), c)
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.Contact(f.ctx, "nobody") })
	equal(f, read(f, func(tx *store.Tx) (map[domain.ContactID]domain.Contact, error) {
		return tx.Contacts(f.ctx, []domain.ContactID{c.ID, d.ID, "nobody", c.ID})
	}), map[domain.ContactID]domain.Contact{c.ID: c, d.ID: d})
	equal(f, read(f, func(tx *store.Tx) ([]domain.Contact, error) { return tx.ContactsOfAccount(f.ctx, a.ID) }), []domain.Contact{d, c})
	equal(f, read(f, func(tx *store.Tx) (map[domain.AccountID][]domain.Contact, error) {
		return tx.ContactsOfAccounts(f.ctx, []domain.AccountID{a.ID, b.ID, empty.ID})
	}), map[domain.AccountID][]domain.Contact{a.ID: {d, c}, b.ID: {e}})
	equal(f, read(f, func(tx *store.Tx) (domain.Contact, error) { return tx.ContactByEmail(f.ctx, a.ID, " ZOË@example.COM") }), c)
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.ContactByEmail(f.ctx, a.ID, "") })
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.ContactByEmail(f.ctx, a.ID, "new@example.com") })
	equal(f, read(f, func(tx *store.Tx) (domain.Contact, error) { return tx.ContactOfPerson(f.ctx, a.ID, person) }), c)
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.ContactOfPerson(f.ctx, empty.ID, person) })
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.ContactOfPerson(f.ctx, a.ID, domain.Person{}) })
	if got := read(f, func(tx *store.Tx) ([]domain.Contact, error) { return tx.ContactsOfPerson(f.ctx, person) }); len(got) != 2 {
		t.Errorf("the person is %d contacts, want 2", len(got))
	}
	equal(f, read(f, func(tx *store.Tx) ([]domain.Contact, error) { return tx.ContactsOfPerson(f.ctx, domain.Person{}) }), nil)
	equal(f, read(f, func(tx *store.Tx) (domain.Contact, error) { return tx.Owner(f.ctx, a.ID) }), c)
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.Owner(f.ctx, b.ID) })
	equal(f, read(f, func(tx *store.Tx) (map[domain.AccountID]domain.Contact, error) {
		return tx.OwnersOf(f.ctx, []domain.AccountID{a.ID, b.ID, empty.ID})
	}), map[domain.AccountID]domain.Contact{a.ID: c})
	for set, want := range map[domain.PermissionSet]bool{domain.AllPermissions: true, 0: true, domain.PermissionsOf(domain.Admin): false} {
		if got := read(f, func(tx *store.Tx) (bool, error) { return tx.PermissionSetInUse(f.ctx, a.ID, set) }); got != want {
			t.Errorf("%s in use: got %v, want %v", set, got, want)
		}
	}

}

func testContactUpdate(t *testing.T, f *fixture) {
	a, b := f.account("A"), f.account("B")
	c, d := f.contact(a.ID, "Cora", ""), f.contact(a.ID, "", "Abel")
	d.FirstName, d.LastName, d.Email, d.PendingEmail, d.Phone = "Dan", "Zulu", "d@example.com", "e@example.com", "1"
	d.Types, d.Permissions, d.State = domain.AccountTypesOf(domain.AccountContact), domain.PermissionsOf(domain.Billing), domain.ContactDeactivated
	d.Person, d.OptOuts, d.UpdatedAt = domain.UserPerson(f.user("d@example.com").ID), []string{"invoice"}, at(5)
	f.update(func(tx *store.Tx) error { return tx.UpdateContact(f.ctx, d) })
	equal(f, getContact(f, d.ID), d)
	equal(f, getContact(f, c.ID), c)
	d.Email, d.Person, d.OptOuts, d.Types, d.Permissions = "", domain.Person{}, nil, 0, 0
	f.update(func(tx *store.Tx) error { return tx.UpdateContact(f.ctx, d) })
	equal(f, getContact(f, d.ID), d)

	moved := d
	moved.AccountID = b.ID
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.UpdateContact(f.ctx, moved) })
	f.update(func(tx *store.Tx) error { return tx.DeleteContact(f.ctx, d.ID) })
	missing(f, func(tx *store.Tx) (domain.Contact, error) { return tx.Contact(f.ctx, d.ID) })
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteContact(f.ctx, d.ID) })
}

// contactClashes are the ways in which two contacts of an account exclude each other: want names the constraint.
func contactClashes(f *fixture, account domain.AccountID) map[string]func(*domain.Contact) {
	user, program := f.user("clash@example.com"), f.serviceAccount(account, "program")
	types := func(t domain.AccountType) func(*domain.Contact) {
		return func(c *domain.Contact) { c.Types = domain.AccountTypesOf(t, domain.SupportContact) }
	}
	return map[string]func(*domain.Contact){
		store.ConstraintContactOwner:               func(c *domain.Contact) { c.Owner = true },
		store.ConstraintContactEmail:               func(c *domain.Contact) { c.Email = "Same@example.com" },
		store.ConstraintContactPerson:              func(c *domain.Contact) { c.Person = domain.UserPerson(user.ID) },
		store.ConstraintContactPerson + " program": func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson(program.ID) },
		store.ConstraintPrimaryBusiness:            types(domain.PrimaryBusinessContact),
		store.ConstraintPrimaryBilling:             types(domain.PrimaryBillingContact),
		store.ConstraintPrimaryRenewal:             types(domain.PrimaryRenewalContact),
		store.ConstraintPrimaryTechnical:           types(domain.PrimaryTechnicalContact),
	}
}

// constraintOf cuts what follows the constraint's name in a key of contactClashes.
func constraintOf(key string) string {
	var name string
	_, _ = fmt.Sscan(key, &name)
	return name
}

func testContactConstraints(t *testing.T, f *fixture) {
	a, b := f.account("A"), f.account("B")
	for key, edit := range contactClashes(f, a.ID) {
		first := f.contact(a.ID, "One", "", edit)
		second := newContact(a.ID, "Two", "")
		edit(&second)
		if second.Email != "" {
			second.Email = "sAME@EXAMPLE.com"
		}
		f.duplicate(constraintOf(key), func(tx *store.Tx) error { return tx.InsertContact(f.ctx, second) })
		f.duplicate(constraintOf(key), func(tx *store.Tx) error { return tx.InsertContacts(f.ctx, []domain.Contact{second}) })
		if first.Person.Kind != domain.PersonServiceAccount { // which belongs to its own account only
			elsewhere := newContact(b.ID, "Three", "")
			edit(&elsewhere)
			f.update(func(tx *store.Tx) error { return tx.InsertContact(f.ctx, elsewhere) })
			f.update(func(tx *store.Tx) error { return tx.DeleteContact(f.ctx, elsewhere.ID) })
		}
		f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.InsertContact(f.ctx, newContactWithID(a.ID, first.ID)) })
		f.update(func(tx *store.Tx) error { return tx.DeleteContact(f.ctx, first.ID) })
	}
	for range 2 { // what does not exclude
		f.contact(a.ID, "Same", "Name", func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.AccountContact, domain.SupportContact) })
	}
}

func newContactWithID(account domain.AccountID, id domain.ContactID) domain.Contact {
	c := newContact(account, "Same", "id")
	c.ID = id
	return c
}

func testContactUpdateConstraints(t *testing.T, f *fixture) {
	a := f.account("A")
	for key, edit := range contactClashes(f, a.ID) {
		holder, other := f.contact(a.ID, "One", "", edit), f.contact(a.ID, "Two", "")
		taken := other
		edit(&taken)
		f.duplicate(constraintOf(key), func(tx *store.Tx) error { return tx.UpdateContact(f.ctx, taken) })
		equal(f, getContact(f, other.ID), other)

		f.update(func(tx *store.Tx) error { // given up by the one, it can be taken by the other
			released := holder
			released.Owner, released.Email, released.Person, released.Types = false, "", domain.Person{}, 0
			if err := tx.UpdateContact(f.ctx, released); err != nil {
				return err
			}
			return tx.UpdateContact(f.ctx, taken)
		})
		equal(f, getContact(f, other.ID), taken)
		f.update(func(tx *store.Tx) error {
			return errors.Join(tx.DeleteContact(f.ctx, holder.ID), tx.DeleteContact(f.ctx, other.ID))
		})
	}
}

func testContactReferences(t *testing.T, f *fixture) {
	a, b := f.account("A"), f.account("B")
	program := f.serviceAccount(a.ID, "program")
	insert := func(account domain.AccountID, edit func(*domain.Contact)) func(tx *store.Tx) error {
		c := newContact(account, "C", "")
		edit(&c)
		return func(tx *store.Tx) error { return tx.InsertContact(f.ctx, c) }
	}
	f.refused(store.ErrReference, insert("nowhere", func(*domain.Contact) {}))
	f.refused(store.ErrReference, insert(a.ID, func(c *domain.Contact) { c.Person = domain.UserPerson("nobody") }))
	f.refused(store.ErrReference, insert(a.ID, func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson("nobody") }))
	f.refused(store.ErrReference, insert(b.ID, func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson(program.ID) }))
	f.refused(store.ErrRefused, insert(a.ID, func(c *domain.Contact) { c.Person, c.Owner = domain.ServiceAccountPerson(program.ID), true }))
	f.refused(store.ErrRefused, insert(a.ID, func(c *domain.Contact) { c.State = "ASLEEP" }))
	f.refused(store.ErrRefused, insert(a.ID, func(c *domain.Contact) { c.CreatedAt = time.Time{} }))
}

func testContactPersonOff(t *testing.T, f *fixture) {
	a := f.account("A")
	u, program := f.user("u@example.com"), f.serviceAccount(a.ID, "program")
	byUser := f.contact(a.ID, "U", "", func(c *domain.Contact) { c.Person = domain.UserPerson(u.ID) })
	byProgram := f.contact(a.ID, "P", "", func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson(program.ID) })
	nobody := f.contact(a.ID, "N", "")
	off := func() [3]bool {
		return [3]bool{getContact(f, byUser.ID).PersonOff, getContact(f, byProgram.ID).PersonOff, getContact(f, nobody.ID).PersonOff}
	}
	equal(f, off(), [3]bool{})
	f.update(func(tx *store.Tx) error { return tx.SetUserDisabled(f.ctx, u.ID, true) })
	equal(f, off(), [3]bool{true, false, false})
	f.update(func(tx *store.Tx) error { return tx.SetServiceAccountDisabled(f.ctx, program.ID, true) })
	equal(f, off(), [3]bool{true, true, false})
	page := read(f, func(tx *store.Tx) (map[domain.AccountID][]domain.Contact, error) {
		return tx.ContactsPage(f.ctx, []domain.AccountID{a.ID}, store.ContactQuery{Page: store.Page{Limit: 9}})
	})
	for _, c := range page[a.ID] {
		if c.PersonOff != !c.Person.IsZero() {
			t.Errorf("%s on a page: off is %v", c.Name(), c.PersonOff)
		}
	}
	f.update(func(tx *store.Tx) error { return tx.SetUserDisabled(f.ctx, u.ID, false) })
	equal(f, off(), [3]bool{false, true, false})
}

func testPrimaryTypes(t *testing.T, f *fixture) {
	a := f.account("A")
	one := f.contact(a.ID, "One", "", func(c *domain.Contact) {
		c.Types = domain.AccountTypesOf(domain.PrimaryBillingContact, domain.SupportContact)
	})
	two := f.contact(a.ID, "Two", "", func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.AccountContact) })
	holder := func(ty domain.AccountType) domain.ContactID {
		return read(f, func(tx *store.Tx) (domain.ContactID, error) {
			c, ok, err := tx.HolderOfType(f.ctx, a.ID, ty)
			if ok != (c.ID != "") {
				t.Errorf("holder of %s: %v but contact %q", ty, ok, c.ID)
			}
			return c.ID, err
		})
	}
	move := func(to domain.ContactID, ty domain.AccountType) (lost domain.ContactID) {
		f.update(func(tx *store.Tx) (err error) {
			lost, err = tx.MovePrimaryType(f.ctx, to, ty)
			return err
		})
		return lost
	}
	equal(f, holder(domain.PrimaryBillingContact), one.ID)
	equal(f, holder(domain.PrimaryRenewalContact), "")
	equal(f, move(two.ID, domain.PrimaryBillingContact), one.ID)
	equal(f, holder(domain.PrimaryBillingContact), two.ID)
	equal(f, getContact(f, one.ID).Types, domain.AccountTypesOf(domain.SupportContact))
	equal(f, getContact(f, two.ID).Types, domain.AccountTypesOf(domain.PrimaryBillingContact, domain.AccountContact))
	equal(f, move(two.ID, domain.PrimaryBillingContact), "")
	equal(f, move(two.ID, domain.PrimaryRenewalContact), "")
	equal(f, holder(domain.PrimaryRenewalContact), two.ID)
	f.refused(store.ErrNotFound, func(tx *store.Tx) error {
		_, err := tx.MovePrimaryType(f.ctx, "nobody", domain.PrimaryBillingContact)
		return err
	})
	if err := f.db.Update(f.ctx, func(tx *store.Tx) error {
		_, err := tx.MovePrimaryType(f.ctx, two.ID, domain.SupportContact)
		return err
	}); err == nil {
		t.Error("a type that many hold was moved")
	}
}

func contactsPage(f *fixture, accounts []domain.AccountID, q store.ContactQuery) map[domain.AccountID][]domain.Contact {
	f.Helper()
	if q.Page.Limit == 0 {
		q.Page.Limit = 100
	}
	return read(f, func(tx *store.Tx) (map[domain.AccountID][]domain.Contact, error) {
		return tx.ContactsPage(f.ctx, accounts, q)
	})
}

func testContactsPage(t *testing.T, f *fixture) {
	random := f.random()
	a, b, empty := f.account("A"), f.account("B"), f.account("Empty")
	lists := map[domain.AccountID][]domain.Contact{}
	for i := range 24 { // many ties in name and in time
		account := []domain.AccountID{a.ID, b.ID}[i%2]
		name := []string{"meier", "Meier", "MÜLLER", "müller", "Ärger", "Zorn"}[random.IntN(6)]
		c := f.contact(account, []string{"Anna", "anna", ""}[random.IntN(3)], name, func(c *domain.Contact) { c.CreatedAt = at(random.IntN(3)) })
		lists[account] = append(lists[account], c)
	}
	for _, field := range []string{"", store.OrderLastName, store.OrderCreatedAt} {
		for _, desc := range []bool{false, true} {
			order := store.Order{Field: field, Descending: desc}
			for account, all := range lists {
				slices.SortFunc(all, func(x, y domain.Contact) int {
					c := cmp.Or(cmp.Compare(store.NameKey(x.LastName), store.NameKey(y.LastName)), cmp.Compare(store.NameKey(x.FirstName), store.NameKey(y.FirstName)))
					if field == store.OrderCreatedAt {
						c = x.CreatedAt.Compare(y.CreatedAt)
					}
					c = cmp.Or(c, cmp.Compare(x.ID, y.ID))
					if desc {
						c = -c
					}
					return c
				})
				place := func(c domain.Contact) store.Keyset { return store.ContactKeyset(c, order) }
				for _, accounts := range [][]domain.AccountID{{account}, {account, empty.ID}, {a.ID, b.ID, a.ID}} {
					walk(f, all, place, func(p store.Page) []domain.Contact {
						return contactsPage(f, accounts, store.ContactQuery{Order: order, Page: p})[account]
					})
				}
			}
			both := contactsPage(f, []domain.AccountID{a.ID, b.ID, empty.ID}, store.ContactQuery{Order: order, Page: store.Page{Limit: 5}})
			equal(f, both, map[domain.AccountID][]domain.Contact{a.ID: lists[a.ID][:5], b.ID: lists[b.ID][:5]})
		}
	}
	equal(f, contactsPage(f, nil, store.ContactQuery{}), nil)
}

func testContactFilters(t *testing.T, f *fixture) {
	a, b := f.account("A"), f.account("B")
	f.contact(a.ID, "Anna", "Straße", func(c *domain.Contact) {
		c.Email, c.Permissions = "Anna@example.com", domain.PermissionsOf(domain.Billing, domain.Support)
	})
	f.contact(a.ID, "Bert", "Ann", func(c *domain.Contact) {
		c.State, c.Types = domain.ContactDeactivated, domain.AccountTypesOf(domain.SupportContact)
	})
	f.contact(b.ID, "Cora", "Strasser", func(c *domain.Contact) {
		c.Types, c.Permissions = domain.AccountTypesOf(domain.PrimaryBillingContact, domain.SupportContact), domain.PermissionsOf(domain.Billing)
	})
	for _, test := range []struct {
		name  string
		q     store.ContactQuery
		wantA []string
		wantB []string
	}{
		{"all", store.ContactQuery{}, []string{"Bert Ann", "Anna Straße"}, []string{"Cora Strasser"}},
		{"name", store.ContactQuery{NameContains: "ANN"}, []string{"Bert Ann", "Anna Straße"}, nil},
		{"folded name", store.ContactQuery{NameContains: "STRASSE"}, []string{"Anna Straße"}, []string{"Cora Strasser"}},
		{"first and last name", store.ContactQuery{NameContains: "a s"}, []string{"Anna Straße"}, []string{"Cora Strasser"}},
		{"type", store.ContactQuery{Type: new(domain.SupportContact)}, []string{"Bert Ann"}, []string{"Cora Strasser"}},
		{"primary type", store.ContactQuery{Type: new(domain.PrimaryBillingContact)}, nil, []string{"Cora Strasser"}},
		{"email", store.ContactQuery{Email: new("ANNA@example.com")}, []string{"Anna Straße"}, nil},
		{"no email", store.ContactQuery{Email: new("")}, []string{"Bert Ann"}, []string{"Cora Strasser"}},
		{"permission", store.ContactQuery{Permission: new(domain.Billing)}, []string{"Anna Straße"}, []string{"Cora Strasser"}},
		{"state", store.ContactQuery{State: new(domain.ContactDeactivated)}, []string{"Bert Ann"}, nil},
		{"several", store.ContactQuery{State: new(domain.ContactActive), Permission: new(domain.Support), NameContains: "anna"}, []string{"Anna Straße"}, nil},
		{"none", store.ContactQuery{NameContains: "%"}, nil, nil},
	} {
		got := contactsPage(f, []domain.AccountID{a.ID, b.ID}, test.q)
		if !slices.Equal(contactNames(got[a.ID]), test.wantA) || !slices.Equal(contactNames(got[b.ID]), test.wantB) {
			t.Errorf("%s: got %q and %q, want %q and %q", test.name, contactNames(got[a.ID]), contactNames(got[b.ID]), test.wantA, test.wantB)
		}
		if one := contactsPage(f, []domain.AccountID{a.ID}, test.q); !slices.Equal(contactNames(one[a.ID]), test.wantA) || len(one[b.ID]) > 0 {
			t.Errorf("%s on one account: got %v", test.name, one)
		}
		counts := read(f, func(tx *store.Tx) (map[domain.AccountID]int, error) {
			return tx.CountContacts(f.ctx, []domain.AccountID{a.ID, b.ID}, test.q)
		})
		if counts[a.ID] != len(test.wantA) || counts[b.ID] != len(test.wantB) {
			t.Errorf("%s: counted %v", test.name, counts)
		}
	}
}

func testBulkContacts(t *testing.T, f *fixture) {
	const count, perAccount = 10_000, 250
	var accounts []domain.Account
	var contacts []domain.Contact
	for i := range count {
		if i%perAccount == 0 {
			accounts = append(accounts, domain.Account{ID: domain.NewID[domain.AccountID](), Name: fmt.Sprint("Account ", i), CreatedAt: at(0), UpdatedAt: at(0)})
		}
		c := newContact(accounts[len(accounts)-1].ID, "Fïrst", fmt.Sprint("Last ", i))
		c.Email, c.Owner = fmt.Sprintf("c%d@example.com", i), i%perAccount == 0
		contacts = append(contacts, c)
	}
	ctx, cancel := context.WithTimeout(f.ctx, time.Minute)
	defer cancel()
	start := time.Now()
	if err := f.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.InsertAccounts(ctx, accounts); err != nil {
			return err
		}
		return tx.InsertContacts(ctx, contacts)
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d contacts in %s", count, time.Since(start).Round(time.Millisecond))
	var ids []domain.ContactID
	for _, c := range contacts {
		ids = append(ids, c.ID)
	}
	got := read(f, func(tx *store.Tx) (map[domain.ContactID]domain.Contact, error) { return tx.Contacts(f.ctx, ids) })
	if len(got) != count {
		t.Fatalf("%d contacts are there, want %d", len(got), count)
	}
	equal(f, got[contacts[4321].ID], contacts[4321])
	var aids []domain.AccountID
	for _, a := range accounts {
		aids = append(aids, a.ID)
	}
	if owners := read(f, func(tx *store.Tx) (map[domain.AccountID]domain.Contact, error) { return tx.OwnersOf(f.ctx, aids) }); len(owners) != len(accounts) {
		t.Errorf("%d owners, want %d", len(owners), len(accounts))
	}
}

func testBulkDuplicate(t *testing.T, f *fixture) {
	a := f.account("A")
	var contacts []domain.Contact
	for i := range 1200 {
		c := newContact(a.ID, "C", fmt.Sprint(i))
		c.Email = fmt.Sprintf("c%d@example.com", i)
		contacts = append(contacts, c)
	}
	contacts[1100].Email = "C1099@example.com" // the same as another one's of the last batch
	f.duplicate(store.ConstraintContactEmail, func(tx *store.Tx) error { return tx.InsertContacts(f.ctx, contacts) })
	equal(f, read(f, func(tx *store.Tx) ([]domain.Contact, error) { return tx.ContactsOfAccount(f.ctx, a.ID) }), nil)
}
