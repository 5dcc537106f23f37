package escalation

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

func accept(what, secret, code string) attempt {
	return attempt{what, "acceptInvitation", Vars{"token": secret}, code}
}

func confirm(what, secret, code string) attempt {
	return attempt{what, "confirmEmail", Vars{"token": secret}, code}
}

// invite adds a contact with ADMIN, and returns its global id and the secret that was mailed.
func (s scene) invite(email string) (id, secret string) {
	s.Helper()
	res := s.must(s.as(world.Owner), "addContact", s.here(newContact(Vars{"email": email, "permissions": []string{"ADMIN"}})))
	return res.Text("addContact.contact.id"), s.w.Secret(s, email, "invitation")
}

// tryInvitations holds what a mailed invitation is good for: one login, once, until it is replaced.
func tryInvitations(s scene) {
	t := s.T
	owner, stranger := s.as(world.Owner), s.as(world.Stranger)

	t.Run("without the secret", func(t *testing.T) {
		s := s.fresh(t)
		hash := sha256.Sum256([]byte(s.a.Invitation))
		s.try(stranger,
			accept("nothing", "", badInput), accept("a guess", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", badInput),
			accept("the hash that is kept", hex.EncodeToString(hash[:]), badInput), accept("the contact's id", s.a.Contact(world.NoLogin), badInput),
			accept("half of it", s.a.Invitation[:len(s.a.Invitation)/2], badInput), accept("an endless one", string(make([]byte, 10_000)), badInput),
		)
		s.try(s.as(world.NoLogin), accept("the right address without the secret", "x", badInput))
		s.try(s.as(world.Anonymous), accept("nobody", s.a.Invitation, unauthenticated))
		s.try(s.as(world.ServiceAccount), accept("a program", s.a.Invitation, forbidden))
		s.try(s.as(world.NarrowedToken), accept("a narrowed token", s.a.Invitation, forbidden))
	})
	t.Run("as a second contact", func(t *testing.T) {
		s := s.fresh(t)
		for _, k := range []world.Kind{world.Owner, world.ContactManagement, world.Contact, world.Deactivated} {
			s.try(s.as(k), accept("be two contacts", s.a.Invitation, conflict))
		}
	})
	t.Run("twice", func(t *testing.T) {
		s := s.fresh(t)
		s.must(s.as(world.NoLogin), "acceptInvitation", Vars{"token": s.a.Invitation})
		s.try(stranger, accept("after another", s.a.Invitation, badInput))
		s.try(s.as(world.NoLogin), accept("again", s.a.Invitation, badInput))
		s.must(owner, "removeContact", s.on(world.NoLogin))
		s.try(s.as(world.NoLogin), accept("after the contact was removed", s.a.Invitation, badInput))
	})
	t.Run("replaced", func(t *testing.T) {
		s := s.fresh(t)
		s.must(owner, "resendInvitation", s.on(world.NoLogin))
		s.try(stranger, accept("the old link", s.a.Invitation, badInput))
		fresh := s.w.Secret(t, s.as(world.NoLogin).Email, "invitation")
		s.must(owner, "editContact", s.on(world.NoLogin, Vars{"email": "moved@world.example"}))
		s.try(stranger, accept("the link to the old address", fresh, badInput))
		fresh = s.w.Secret(t, "moved@world.example", "invitation")
		s.must(owner, "deactivateContact", s.on(world.NoLogin))
		s.try(stranger, accept("the link of who is deactivated", fresh, badInput))
		s.must(owner, "reactivateContact", s.on(world.NoLogin))
		s.try(stranger, accept("the link of who was deactivated", fresh, badInput))
	})
	t.Run("removed", func(t *testing.T) {
		s := s.fresh(t)
		id, secret := s.invite("removed@world.example")
		s.must(owner, "removeContact", Vars{"contactId": id})
		s.try(stranger, accept("the link of who was removed", secret, badInput))
	})
	t.Run("expired", func(t *testing.T) {
		s := s.fresh(t)
		s.try(stranger, accept("an expired link", s.oldLink(domain.LinkInvitation, world.NoLogin, s.as(world.NoLogin).Email), badInput))
	})
	t.Run("of the other kind", func(t *testing.T) {
		s := s.fresh(t)
		s.try(s.as(world.NoLogin), confirm("an invitation as a confirmation", s.a.Invitation, badInput))
		s.must(s.as(world.Target), "editContact", s.on(world.Target, Vars{"email": "target.two@world.example"}))
		secret := s.w.Secret(t, "target.two@world.example", "confirm")
		s.try(stranger, accept("a confirmation as an invitation", secret, badInput))
	})
}

// oldLink makes a link that has expired.
func (s scene) oldLink(kind domain.LinkKind, of world.Kind, email string) string {
	s.Helper()
	secret := string(domain.NewID[domain.LinkID]())
	hash := sha256.Sum256([]byte(secret))
	past := time.Now().Add(-time.Second)
	err := s.w.DB.Update(s.Context(), func(tx *store.Tx) error {
		return tx.InsertLink(s.Context(), domain.Link{
			ID: domain.NewID[domain.LinkID](), Kind: kind, ContactID: s.a.Contacts[of].ID, Email: email, Hash: hash[:], CreatedAt: past.Add(-time.Hour), ExpiresAt: past,
		})
	})
	if err != nil {
		s.Fatal(err)
	}
	return secret
}

// tryConfirmations holds that a changed address is confirmed by the contact's own login alone.
func tryConfirmations(s scene) {
	t := s.T
	manager, target := s.as(world.ContactManagement), s.as(world.Target)
	s.must(manager, "editContact", s.on(world.Target, Vars{"email": "mine@world.example"}))
	secret := s.w.Secret(t, "mine@world.example", "confirm")
	for _, k := range []world.Kind{world.ContactManagement, world.Owner, world.Stranger, world.OtherOwner} {
		s.try(s.as(k), confirm("somebody else's address", secret, badInput))
	}
	s.try(s.w.Person(t, "mine@world.example"), confirm("by whom the address belongs to", secret, badInput))
	if c, _ := s.a.Row(t, world.Target); c.Email == "mine@world.example" {
		t.Error("an address counts that was not confirmed")
	}
	s.must(target, "editContact", s.on(world.Target, Vars{"email": "mine.two@world.example"}))
	s.try(target, confirm("the link to another address", secret, badInput))
	secret = s.w.Secret(t, "mine.two@world.example", "confirm")
	s.must(s.as(world.Owner), "deactivateContact", s.on(world.Target))
	s.try(target, confirm("who is deactivated", secret, badInput))
	s.must(s.as(world.Owner), "reactivateContact", s.on(world.Target))
	s.try(target, confirm("an expired link", s.oldLink(domain.LinkConfirmEmail, world.Target, "mine.two@world.example"), badInput))
	s.must(target, "confirmEmail", Vars{"token": secret})
	s.try(target, confirm("again", secret, badInput))
}
