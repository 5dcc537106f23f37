package escalation

import (
	"strings"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/identity"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// token makes a token, and returns who calls by it, and its id.
func (s scene) token(as world.Person, mutation string, input Vars) (world.Person, string) {
	s.Helper()
	res := s.must(as, mutation, merge(Vars{"name": "token"}, input))
	return world.Person{Email: as.Email + " by token", Token: res.Text(mutation + ".secret")}, res.Text(mutation + ".apiToken.id")
}

func (s scene) wantSignedOut(what string, who world.Person) {
	s.Helper()
	s.try(who, attempt{what, "editAccount", s.here(Vars{"name": "Mine"}), unauthenticated})
	if res := s.w.Do(s, who, `{ viewer { user { email } } }`, nil); res.Code() != unauthenticated || res.Get("viewer") != nil {
		s.Errorf("%s: %s", what, res.Body)
	}
}

// tryIdempotencyKeys holds that a key is worth nothing to anybody but whoever took it.
func tryIdempotencyKeys(s scene) {
	t := s.T
	grant := s.on(world.Target, Vars{"idempotencyKey": "key"})
	s.must(s.as(world.Owner), "grantAdminPermission", grant)
	added := s.here(newContact(Vars{"permissions": []string{"ADMIN"}, "idempotencyKey": "add"}))
	s.must(s.as(world.Owner), "addContact", added)
	for _, k := range []world.Kind{world.ContactManagement, world.BillingManager, world.Contact} {
		s.try(s.as(k),
			attempt{"the owner's key", "grantAdminPermission", grant, forbidden},
			attempt{"the owner's key of a new contact", "addContact", added, forbidden},
			attempt{"the owner's key for something else", "revokeAdminPermission", grant, forbidden},
		)
	}
	for _, k := range []world.Kind{world.Stranger, world.OtherOwner, world.Deactivated, world.NoLogin} {
		s.try(s.as(k), attempt{"the owner's key", "grantAdminPermission", grant, notFound}, attempt{"the owner's key of a new contact", "addContact", added, notFound})
	}
	s.try(s.as(world.Anonymous), attempt{"the owner's key", "grantAdminPermission", grant, unauthenticated})
	s.try(s.as(world.Owner),
		attempt{"the same again", "grantAdminPermission", grant, ""},
		attempt{"another contact", "grantAdminPermission", s.on(world.TargetBilling, Vars{"idempotencyKey": "key"}), conflict},
		attempt{"another mutation", "revokeAdminPermission", grant, conflict},
	)
	// Somebody's own key, taken while they had the right, does nothing once they have lost it.
	admin := s.on(world.TargetBilling, Vars{"idempotencyKey": "mine"})
	s.must(s.as(world.Admin), "grantAdminPermission", admin)
	s.must(s.as(world.Owner), "revokeAdminPermission", s.on(world.TargetBilling))
	s.must(s.as(world.Owner), "revokeAdminPermission", s.on(world.Admin))
	s.try(s.as(world.Admin),
		attempt{"their own key", "grantAdminPermission", admin, ""},
		attempt{"a new key", "grantAdminPermission", merge(admin, Vars{"idempotencyKey": "new"}), notFoundOr(s, world.Admin)},
	)
	if c, _ := s.a.Row(t, world.TargetBilling); c.Permissions.Has(domain.Admin) {
		t.Error("a key has granted again what was revoked")
	}
}

// notFoundOr is the code of a refusal: who is a contact still sees what they may not change.
func notFoundOr(s scene, k world.Kind) string {
	s.Helper()
	if s.see(s.as(k), s.a.ID) {
		return forbidden
	}
	return notFound
}

// tryTokenScope holds that a narrowed token makes none that is wider, and does nothing that its scope does not name.
func tryTokenScope(s scene) {
	t := s.T
	scope := func(permissions ...string) Vars { return Vars{"scope": Vars{"permissions": permissions}} }
	narrow, _ := s.token(s.as(world.Owner), "createServiceAccountToken", s.on(world.ServiceAccount, scope("view_account", "view_contacts", "manage_service_accounts")))
	wider := func(more ...Vars) Vars { return s.on(world.ServiceAccount, append(more, Vars{"name": "wider"})...) }
	s.try(narrow,
		attempt{"a token without a scope", "createServiceAccountToken", wider(), badInput},
		attempt{"an empty scope", "createServiceAccountToken", wider(Vars{"scope": Vars{}}), badInput},
		attempt{"a wider scope", "createServiceAccountToken", wider(scope("view_account", "edit_account")), badInput},
		attempt{"another scope", "createServiceAccountToken", wider(scope("edit_account")), badInput},
		attempt{"accounts alone", "createServiceAccountToken", wider(Vars{"scope": Vars{"accountIds": []string{s.a.ID}}}), badInput},
		attempt{"what its scope does not name", "editAccount", s.here(Vars{"name": "Mine"}), forbidden},
		attempt{"what its scope does not name, by key", "editAccount", s.here(Vars{"name": "Mine", "idempotencyKey": "k"}), forbidden},
		attempt{"grant", "grantAdminPermission", s.on(world.Target), forbidden},
		attempt{"a person's token", "createApiToken", Vars{"name": "wider"}, forbidden},
		attempt{"accept an invitation", "acceptInvitation", Vars{"token": s.a.Invitation}, forbidden},
	)
	narrower, _ := s.token(narrow, "createServiceAccountToken", s.on(world.ServiceAccount, scope("view_account")))
	s.try(narrower,
		attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), forbidden},
		attempt{"back to the wider scope", "createServiceAccountToken", wider(scope("view_account", "view_contacts")), notFound},
	)

	other := s.w.Other(t)
	here, _ := s.token(s.as(world.TwoHats), "createApiToken", Vars{"scope": Vars{"accountIds": []string{s.a.ID}}})
	before := other.Rows(t)
	if _, code := s.mutate(here, "editAccount", Vars{"accountId": other.ID, "name": "Mine"}); code != notFound || other.Rows(t) != before {
		t.Errorf("a token for one account changes another: %q", code)
	}
	if s.see(here, other.ID) || !s.see(here, s.a.ID) {
		t.Error("a token for one account sees another, or not its own")
	}
	for _, k := range []world.Kind{world.NarrowedToken} {
		s.try(s.as(k),
			attempt{"a token", "createApiToken", Vars{"name": "wider"}, forbidden},
			attempt{"confirm an address", "confirmEmail", Vars{"token": "x"}, forbidden},
			attempt{"the owner's own right", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Target)}), forbidden},
		)
		if got := s.upload(s.as(k), map[string]string{"contacts": s.a.Name + ",Row,row@world.example,,"}, nil); got != forbidden {
			t.Errorf("an import by a narrowed token: %s", got)
		}
	}
}

// tryTokensEnd holds that a token ends with what it stood for.
func tryTokensEnd(s scene) {
	t := s.T
	owner := s.as(world.Owner)

	t.Run("revoked", func(t *testing.T) {
		s := s.fresh(t)
		mine, id := s.token(owner, "createApiToken", nil)
		s.try(s.as(world.Admin), attempt{"an Admin ends the owner's token", "revokeApiToken", Vars{"apiTokenId": id}, notFound})
		s.must(mine, "editAccount", s.here(Vars{"phone": "+1 555 0100"}))
		s.must(owner, "revokeApiToken", Vars{"apiTokenId": id})
		s.wantSignedOut("a revoked token", mine)
	})
	t.Run("expired", func(t *testing.T) {
		s := s.fresh(t)
		text, id, hash := identity.NewAPIToken()
		err := s.w.DB.Update(t.Context(), func(tx *store.Tx) error {
			past := time.Now().Add(-time.Second)
			return tx.InsertAPIToken(t.Context(), domain.APIToken{ID: domain.APITokenID(id), Hash: hash, Person: owner.Is, Name: "old", CreatedAt: past.Add(-time.Hour), ExpiresAt: past})
		})
		if err != nil {
			t.Fatal(err)
		}
		s.list(domain.APIToken{ID: domain.APITokenID(id), Person: owner.Is})
		s.wantSignedOut("an expired token", world.Person{Email: "expired", Token: text})
	})
	t.Run("forged", func(t *testing.T) {
		s := s.fresh(t)
		mine, _ := s.token(owner, "createApiToken", nil)
		theirs, _ := s.token(s.as(world.Contact), "createApiToken", nil)
		head, _, _ := cutLast(mine.Token)
		_, secret, _ := cutLast(theirs.Token)
		s.wantSignedOut("the owner's token with another secret", world.Person{Email: "forged", Token: head + "_" + secret})
		s.wantSignedOut("half a token", world.Person{Email: "half", Token: head})
	})
	t.Run("disabled user", func(t *testing.T) {
		s := s.fresh(t)
		who := s.as(world.TargetAdmin)
		mine, _ := s.token(who, "createApiToken", nil)
		s.must(mine, "editAccount", s.here(Vars{"phone": "+1 555 0101"}))
		if err := s.w.Service.SetUserDisabled(t.Context(), domain.UserID(who.Is.ID), true); err != nil {
			t.Fatal(err)
		}
		s.wantSignedOut("a disabled user's token", mine)
		s.wantSignedOut("a disabled user's login", who)
		if err := s.w.Service.SetUserDisabled(t.Context(), domain.UserID(who.Is.ID), false); err != nil {
			t.Fatal(err)
		}
		s.must(mine, "editAccount", s.here(Vars{"phone": "+1 555 0102"}))
	})
	t.Run("removed service account", func(t *testing.T) {
		s := s.fresh(t)
		program := s.as(world.ServiceAccount)
		second, _ := s.token(owner, "createServiceAccountToken", s.on(world.ServiceAccount))
		s.must(program, "editAccount", s.here(Vars{"phone": "+1 555 0103"}))
		s.must(owner, "removeContact", s.on(world.ServiceAccount))
		s.wantSignedOut("a removed program's token", program)
		s.wantSignedOut("a removed program's second token", second)
	})
	t.Run("deactivated service account", func(t *testing.T) {
		s := s.fresh(t)
		program := s.as(world.ServiceAccount)
		s.must(owner, "deactivateContact", s.on(world.ServiceAccount))
		s.try(program,
			attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), notFound},
			attempt{"back again", "reactivateContact", s.on(world.ServiceAccount), notFound},
			attempt{"another token", "createServiceAccountToken", s.on(world.ServiceAccount, Vars{"name": "token"}), notFound},
		)
	})
	t.Run("removed person", func(t *testing.T) {
		s := s.fresh(t)
		mine, _ := s.token(s.as(world.TargetAdmin), "createApiToken", nil)
		s.must(owner, "removeContact", s.on(world.TargetAdmin))
		s.try(mine, attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), notFound})
	})
}

func cutLast(token string) (head, secret string, ok bool) {
	i := strings.LastIndex(token, "_")
	return token[:i], token[i+1:], i > 0
}

// list writes what the row of a token means that was made past the service.
func (s scene) list(token domain.APIToken) {
	s.Helper()
	if err := s.w.SpiceDB.Write(s.Context(), "", relation.Touch(relation.OfAPIToken(token))); err != nil {
		s.Fatal(err)
	}
}
