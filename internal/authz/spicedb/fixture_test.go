package spicedb_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/domain"
	"steward/internal/relation"
)

// start returns a running SpiceDB with the project's schema, closed at the end of the test.
func start(t testing.TB, opts ...func(*spicedb.Options)) *spicedb.Client {
	t.Helper()
	o := spicedb.Options{Schema: steward.SchemaZed, Log: slog.New(slog.DiscardHandler)}
	for _, f := range opts {
		f(&o)
	}
	c, err := spicedb.StartEmbedded(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func write(t testing.TB, c *spicedb.Client, updates ...relation.Update) {
	t.Helper()
	if err := c.Write(t.Context(), "", updates); err != nil {
		t.Fatal(err)
	}
}

func user(id string) authz.Subject { return authz.Subject{Type: relation.TypeUser, ID: id} }

func ask(typ, id, permission string) authz.Question {
	return authz.Question{Ref: authz.Ref{Type: typ, ID: id}, Permission: permission}
}

// can asks one question.
func can(t testing.TB, c *spicedb.Client, sub authz.Subject, q authz.Question) bool {
	t.Helper()
	got, err := c.Check(t.Context(), sub, []authz.Question{q})
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// account returns the contacts of an account: an owner "o", a contact manager "m", and n more with the permissions of
// their number. Contact k of account A is the user "A-k".
func account(id string, n int) []domain.Contact {
	contact := func(name string, set domain.PermissionSet) domain.Contact {
		c := domain.Contact{ID: domain.ContactID(id + "-" + name), AccountID: domain.AccountID(id), Permissions: set, State: domain.ContactActive}
		c.Person = domain.UserPerson(domain.UserID(c.ID))
		return c
	}
	owner := contact("o", 0)
	owner.Owner = true
	out := []domain.Contact{owner, contact("m", domain.PermissionsOf(domain.ContactManagement, domain.Billing))}
	for i := range n {
		out = append(out, contact(fmt.Sprint(i), domain.PermissionSet(i)&domain.AllPermissions))
	}
	return out
}

// fill writes accounts with their contacts and returns the contacts.
func fill(t testing.TB, c *spicedb.Client, accounts, contacts int) []domain.Contact {
	t.Helper()
	var all []domain.Contact
	rows := relation.Rows{
		Accounts: func(_ context.Context, yield func(domain.AccountID) error) error {
			for i := range accounts {
				if err := yield(domain.AccountID(fmt.Sprintf("a%d", i))); err != nil {
					return err
				}
			}
			return nil
		},
		Contacts: func(_ context.Context, yield func(domain.Contact) error) error {
			for i := range accounts {
				for _, row := range account(fmt.Sprintf("a%d", i), contacts) {
					all = append(all, row)
					if err := yield(row); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	write := func(ctx context.Context, updates []relation.Update) error { return c.Write(ctx, "", updates) }
	if err := relation.Fill(t.Context(), rows, write); err != nil {
		t.Fatal(err)
	}
	return all
}
