package escalation

import (
	"context"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// added returns the contact with an address.
func (s scene) added(email string) (c domain.Contact) {
	s.Helper()
	s.w.View(s, func(ctx context.Context, tx *store.Tx) (err error) {
		c, err = tx.ContactByEmail(ctx, s.a.Key, email)
		return err
	})
	return c
}

const page = `query($id: ID!) { node(id: $id) { ... on Account { name owner { email } viewerCan { editAccount } auditLog(first: 1) { edges { node { action } } } } } }`

// tryOpenPage has somebody look at a page, lose what shows it, and go on at once: the very next question is answered
// from after the loss.
func tryOpenPage(s scene) {
	t := s.T
	owner, admin := s.as(world.Owner), s.as(world.TargetAdmin)
	look := func(t *testing.T, s scene) world.Response { return s.w.Do(t, admin, page, Vars{"id": s.a.ID}) }
	gone := func(t *testing.T, s scene) {
		t.Helper()
		if res := look(t, s); res.Get("node") != nil || len(res.Errors) > 0 {
			t.Fatalf("the page is still there: %s", res.Body)
		}
		s.try(admin,
			attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), notFound},
			attempt{"back again", "reactivateContact", s.on(world.TargetAdmin), notFound},
			attempt{"ADMIN for a friend", "grantAdminPermission", s.on(world.Target), notFound},
			attempt{"a contact", "addContact", s.here(newContact(nil)), notFound},
		)
	}
	there := func(t *testing.T, s scene) {
		t.Helper()
		if res := look(t, s); res.Get("node.viewerCan.editAccount") != true || res.Get("node.auditLog") == nil || res.Text("node.owner.email") == "" {
			t.Fatalf("the page is not there: %s", res.Body)
		}
	}
	t.Run("deactivated", func(t *testing.T) {
		s := s.fresh(t)
		for range 20 {
			there(t, s)
			s.must(owner, "deactivateContact", s.on(world.TargetAdmin))
			gone(t, s)
			s.must(owner, "reactivateContact", s.on(world.TargetAdmin))
		}
	})
	t.Run("removed", func(t *testing.T) {
		s := s.fresh(t)
		there(t, s)
		s.must(owner, "removeContact", s.on(world.TargetAdmin))
		gone(t, s)
	})
	t.Run("left", func(t *testing.T) {
		s := s.fresh(t)
		there(t, s)
		s.must(admin, "leaveAccount", s.on(world.TargetAdmin))
		gone(t, s)
	})
	t.Run("revoked", func(t *testing.T) {
		s := s.fresh(t)
		for range 20 {
			there(t, s)
			s.must(owner, "revokeAdminPermission", s.on(world.TargetAdmin))
			res := look(t, s)
			if res.Get("node.viewerCan.editAccount") != false || res.Get("node.auditLog") != nil || res.Get("node.owner.email") != nil || res.Code() != forbidden {
				t.Fatalf("the page still shows it: %s", res.Body)
			}
			s.try(admin,
				attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), forbidden},
				attempt{"ADMIN back", "grantAdminPermission", s.on(world.TargetAdmin), forbidden},
			)
			s.must(owner, "grantAdminPermission", s.on(world.TargetAdmin))
		}
	})
	t.Run("disabled", func(t *testing.T) {
		s := s.fresh(t)
		there(t, s)
		id := domain.UserID(admin.Is.ID)
		if err := s.w.Service.SetUserDisabled(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
		s.wantSignedOut("a disabled user", admin)
		if err := s.w.Service.SetUserDisabled(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		there(t, s)
	})
}
