package escalation

import (
	"testing"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// tryStaff is the provider's people, who act by standard roles and on a recorded request, and never on the owner.
func tryStaff(s scene) {
	t := s.T
	for _, k := range []world.Kind{world.StaffSupport, world.Accounting} {
		t.Run(string(k), func(t *testing.T) { s.fresh(t).staff(k) })
	}
	t.Run("support is not accounting", func(t *testing.T) {
		s := s.fresh(t)
		s.try(s.as(world.StaffSupport),
			attempt{"an account", "createAccount", merge(request, Vars{"name": "Mine", "owner": Vars{"firstName": "M", "lastName": "N", "email": "mine@world.example"}}), forbidden},
			attempt{"another owner", "reassignOwnership", s.here(request, Vars{"toContactId": s.a.Contact(world.Target)}), forbidden},
		)
	})
	t.Run("without a recorded request", func(t *testing.T) {
		s := s.fresh(t)
		owner := Vars{"firstName": "M", "lastName": "N", "email": "mine@world.example"}
		blank := Vars{"staffRequest": Vars{"reference": " ", "reason": " "}}
		s.try(s.as(world.Accounting),
			attempt{"an account", "createAccount", Vars{"name": "Mine", "owner": owner}, badInput},
			attempt{"an account, on a blank request", "createAccount", merge(blank, Vars{"name": "Mine", "owner": owner}), badInput},
			attempt{"another owner", "reassignOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Target)}), badInput},
			attempt{"another owner, on a blank request", "reassignOwnership", s.here(blank, Vars{"toContactId": s.a.Contact(world.Target)}), badInput},
		)
	})
	t.Run("an accountant as the owner", func(t *testing.T) {
		s := s.fresh(t)
		s.must(s.as(world.Accounting), "addContact", s.here(request, newContact(Vars{"standardRole": "BILLING_ONLY"})))
		s.must(s.as(world.Accounting), "acceptInvitation", Vars{"token": s.w.Secret(t, "new.contact@world.example", "invitation")})
		var own string
		for _, edge := range s.w.Must(t, s.as(world.Owner), `query($id: ID!) { node(id: $id) { ... on Account { contacts(filter: {email: "new.contact@world.example"}, first: 1) { edges { node { id } } } } } }`, Vars{"id": s.a.ID}).List("node.contacts.edges") {
			own = edge.(map[string]any)["node"].(map[string]any)["id"].(string)
		}
		s.try(s.as(world.Accounting),
			attempt{"become the owner", "reassignOwnership", s.here(request, Vars{"toContactId": own}), forbidden},
			attempt{"grant themself", "grantAdminPermission", Vars{"contactId": own}, forbidden},
		)
	})
}

func (s scene) staff(k world.Kind) {
	who := s.as(k)
	role := func(more ...Vars) Vars { return s.here(newContact(merge(more...))) }
	s.try(who,
		attempt{"a role without a request", "addContact", role(Vars{"standardRole": "BILLING_ONLY"}), badInput},
		attempt{"single permissions", "addContact", role(request, Vars{"permissions": []string{"BILLING"}}), badInput},
		attempt{"single permissions like a role's", "addContact", role(request, Vars{"permissions": []string{"ADMIN"}}), badInput},
		attempt{"a role and more", "addContact", role(request, Vars{"standardRole": "BILLING_ONLY", "permissions": []string{"ADMIN"}}), badInput},
		attempt{"the role of the owner", "addContact", role(request, Vars{"standardRole": "ACCOUNT_OWNER"}), badInput},
		attempt{"neither", "addContact", role(request), badInput},
		attempt{"an invitation without a request", "resendInvitation", s.on(world.NoLogin), badInput},
		attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), forbidden},
		attempt{"hand ownership on", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Target)}), forbidden},
		attempt{"a program", "createServiceAccount", s.here(Vars{"name": "Program"}), forbidden},
		attempt{"a token of a program", "createServiceAccountToken", s.on(world.ServiceAccount, Vars{"name": "token"}), forbidden},
		attempt{"end a program's token", "revokeApiToken", Vars{"apiTokenId": s.a.TokenID}, notFound},
	)
	for _, of := range []world.Kind{world.Owner, world.TargetAdmin, world.Target} {
		s.try(who,
			attempt{"a name", "editContact", s.on(of, Vars{"lastName": "Mine"}), forbidden},
			attempt{"a phone", "editContact", s.on(of, Vars{"phone": "+1 555 0100"}), forbidden},
			attempt{"an address", "editContact", s.on(of, Vars{"email": "mine@world.example"}), forbidden},
			attempt{"remove", "removeContact", s.on(of), forbidden},
			attempt{"deactivate", "deactivateContact", s.on(of), forbidden},
			attempt{"reactivate", "reactivateContact", s.on(of), forbidden},
			attempt{"leave for them", "leaveAccount", s.on(of), forbidden},
			attempt{"grant", "grantPermission", s.on(of, Vars{"permission": "BILLING"}), forbidden},
			attempt{"revoke", "revokePermission", s.on(of, Vars{"permission": "BILLING"}), forbidden},
			attempt{"grant ADMIN", "grantAdminPermission", s.on(of), forbidden},
			attempt{"revoke ADMIN", "revokeAdminPermission", s.on(of), forbidden},
			attempt{"a type", "setAccountType", s.on(of, Vars{"accountType": "ACCOUNT_CONTACT"}), forbidden},
		)
	}
	row := s.a.Name + ",Row,row@world.example,"
	s.tryImport(who, "single permissions", row+",BILLING", "FAILED", request)
	s.tryImport(who, "a role and more", row+"BILLING_ONLY,ADMIN", "FAILED", request)
	s.tryImport(who, "an owner", row+"ACCOUNT_OWNER,", "FAILED", request)
	s.tryImport(who, "no role", row+",", "FAILED", request)
	s.tryImport(who, "without a request", row+"BILLING_ONLY,", badInput, nil)
	s.must(who, "addContact", role(request, Vars{"standardRole": "BILLING_ONLY"}))
	if c := s.added("new.contact@world.example"); c.Permissions != domain.PermissionsOf(domain.Billing) {
		s.Errorf("staff gave %s", c.Permissions)
	}
}
