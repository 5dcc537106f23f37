// Package parts puts the product together without its front door, for tests: rows in SQLite or PostgreSQL, relationships
// in SpiceDB, the read path, the engine, the changes and the service, all of them the real ones. A clock can be turned, the
// write of relationships can be made to fail or to wait, and the rows can be read behind the store's back.
package parts

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"steward/graph/generated"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/spicedb"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
)

// Parts are the product's parts over one empty database. They are closed when their test ends.
type Parts struct {
	TB      TB
	DB      *store.DB
	SQL     *sql.DB // a connection of its own to the same database, past the store; it is the only one
	SpiceDB *spicedb.Client
	Checks  *check.Path
	Writer  *Writer
	Clock   *Clock
	Authz   *authz.Engine
	Changes *change.Engine
	Service *service.Service

	backing backing
}

// TB is what Parts need of a test; *testing.T and *rapid.T have it.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

var definitions = sync.OnceValue(func() authz.Definitions {
	defs := authz.Definitions{}
	for _, d := range relation.Definitions() {
		defs[d.Type] = d.Permissions
	}
	return defs
})

var policy = sync.OnceValues(func() (*authz.Policy, error) {
	return authz.NewPolicy(generated.NewExecutableSchema(generated.Config{}).Schema(), definitions())
})

// Of returns the rows and the SpiceDB of a product that runs already over the database file, to look into; nothing else.
func Of(t testing.TB, path string, db *store.DB, client *spicedb.Client) *Parts {
	t.Helper()
	p := &Parts{TB: t, DB: db, SQL: openSQL(t, "sqlite", sqliteDSN(path)), SpiceDB: client, Clock: &Clock{now: time.Now()}}
	t.Cleanup(func() { _ = p.SQL.Close() })
	return p
}

// Clock is a clock that stands still until it is turned.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Turn moves the clock on.
func (c *Clock) Turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Writer hands updates on to SpiceDB, and does what a test asks for before.
type Writer struct {
	next   change.Writer
	mu     sync.Mutex
	before func(ctx context.Context, updates []relation.Update) error
}

// Before has every write call f first, and fail with its error if it has one. nil ends that.
func (w *Writer) Before(f func(ctx context.Context, updates []relation.Update) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

// Write applies updates.
func (w *Writer) Write(ctx context.Context, by string, updates []relation.Update) error {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	if before != nil {
		if err := before(ctx, updates); err != nil {
			return err
		}
	}
	return w.next.Write(ctx, by, updates)
}

// Fence asks SpiceDB for a fence.
func (w *Writer) Fence(ctx context.Context) (string, error) { return w.next.Fence(ctx) }

// Place is a contact with its login.
type Place struct {
	domain.Contact
	Actor domain.Actor
}

// Account adds an account past the service: its owner, and a contact with a login of its own for each set of permissions.
// The owner comes first.
func (p *Parts) Account(sets ...domain.PermissionSet) []Place {
	p.TB.Helper()
	ctx := context.Background()
	a := domain.Account{ID: domain.NewID[domain.AccountID](), CreatedAt: p.Clock.Now(), UpdatedAt: p.Clock.Now()}
	a.Name = "Account " + string(a.ID)
	updates := relation.Touch(relation.OfAccount(a.ID))
	var out []Place
	err := p.DB.Update(ctx, func(tx *store.Tx) error {
		if err := tx.InsertAccount(ctx, a); err != nil {
			return err
		}
		for i, set := range append([]domain.PermissionSet{0}, sets...) {
			u, err := tx.UpsertUser(ctx, Login(fmt.Sprintf("%s-%d", a.ID, i)), p.Clock.Now())
			if err != nil {
				return err
			}
			c := domain.Contact{
				ID: domain.NewID[domain.ContactID](), AccountID: a.ID, FirstName: "Contact", LastName: fmt.Sprint(i), Email: u.Email, Permissions: set,
				Owner: i == 0, State: domain.ContactActive, Person: domain.UserPerson(u.ID), CreatedAt: p.Clock.Now(), UpdatedAt: p.Clock.Now(),
			}
			if err := tx.InsertContact(ctx, c); err != nil {
				return err
			}
			updates = append(updates, relation.ContactChange(nil, &c)...)
			out = append(out, Place{c, domain.Actor{Person: c.Person, Name: u.Name, Email: u.Email}})
		}
		return nil
	})
	if err == nil {
		err = p.SpiceDB.Write(ctx, "", updates)
	}
	if err != nil {
		p.TB.Fatalf("add an account: %v", err)
	}
	return out
}

// Login returns what a verified token says of a person.
func Login(name string) store.Login {
	return store.Login{Issuer: "https://issuer.example", Subject: name, Email: name + "@people.example", EmailVerified: true, Name: name}
}

// SignIn returns the actor of a login, a user who need not have been seen before.
func (p *Parts) SignIn(name string) domain.Actor {
	p.TB.Helper()
	actor, err := p.Service.SignIn(context.Background(), Login(name))
	if err != nil {
		p.TB.Fatalf("sign in %s: %v", name, err)
	}
	return actor
}

// Can asks SpiceDB one question.
func (p *Parts) Can(actor domain.Actor, typ, id, permission string) bool {
	p.TB.Helper()
	got, err := p.SpiceDB.Check(context.Background(), authz.SubjectOf(actor.Person), []authz.Question{{Ref: authz.Ref{Type: typ, ID: id}, Permission: permission}})
	if err != nil {
		p.TB.Fatalf("ask SpiceDB: %v", err)
	}
	return got[0]
}
