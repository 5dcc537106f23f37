package world

import (
	"context"
	"strings"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
)

// Person is somebody, or a program, that can call the API. The zero Person is anonymous.
type Person struct {
	Email string // of a program: a name in its place
	Name  string
	Token string        // the bearer token that signs them in
	Is    domain.Person // who the rows know them as; zero for who is anonymous
}

// Person returns the person with this e-mail address, signed in for the first time when a test first names them. They
// have no right until they are a contact of an account.
func (w *World) Person(t testing.TB, email string) Person {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.people[email]; ok {
		return p
	}
	local, _, _ := strings.Cut(email, "@")
	p := Person{Email: email, Name: "P. " + local}
	p.Token = w.provider.token(t, email, email, p.Name)
	actor, err := w.Service.SignIn(t.Context(), store.Login{Issuer: w.provider.url, Subject: email, Email: email, EmailVerified: true, Name: p.Name})
	if err != nil {
		t.Fatal(err)
	}
	p.Is = actor.Person
	w.people[email] = p
	return p
}

// Token returns the bearer token of the person with this e-mail address.
func (w *World) Token(t testing.TB, email string) string { return w.Person(t, email).Token }

// Actor returns the person as the service knows them.
func (w *World) Actor(t testing.TB, p Person) (a domain.Actor) {
	t.Helper()
	w.View(t, func(ctx context.Context, tx *store.Tx) error {
		u, err := tx.User(ctx, domain.UserID(p.Is.ID))
		if err != nil {
			return err
		}
		a = domain.Actor{Person: p.Is, Name: u.Name, Email: u.Email, EmailVerified: u.EmailVerified}
		a.Staff, err = tx.StaffRoles(ctx, u.ID)
		return err
	})
	return a
}

func secretIn(text, mark string) string {
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		return ""
	}
	return strings.Fields(rest)[0]
}
