package escalation

import (
	"testing"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// tryManager is a contact manager against the owner, Admins and contacts that hold more.
func tryManager(s scene) {
	t := s.T
	for _, who := range []world.Kind{world.ContactManagement, world.BillingManager} {
		for _, k := range []world.Kind{world.Owner, world.TargetAdmin, world.NoLogin, world.Deactivated, world.ServiceAccount} {
			t.Run(string(who)+"/"+string(k), func(t *testing.T) {
				scene{t, s.w, s.a}.takeOver(who, k)
			})
		}
	}
	t.Run("CONTACT_MANAGEMENT/TARGET_BILLING", func(t *testing.T) {
		scene{t, s.w, s.a}.takeOver(world.ContactManagement, world.TargetBilling)
	})
	t.Run("on the owner", func(t *testing.T) {
		s := s.fresh(t)
		s.a.Change(t, world.Owner, func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.PrimaryBusinessContact) })
		s.try(s.as(world.BillingManager), s.againstOwner()...)
		s.try(s.as(world.BillingManager), attempt{"the owner's phone", "editContact", s.on(world.Owner, Vars{"phone": "+1 555 0100"}), forbidden})
	})
	t.Run("permissions", func(t *testing.T) { s.fresh(t).managerGrants() })
	t.Run("beyond contacts", func(t *testing.T) { s.fresh(t).managerBeyondContacts() })
	t.Run("new contacts", func(t *testing.T) { s.fresh(t).managerAdds() })
	t.Run("import", func(t *testing.T) { s.fresh(t).managerImports() })
}

// takeOver tries what would make somebody else's rights the caller's, or end them.
func (s scene) takeOver(who, of world.Kind) {
	email := Vars{"email": "mine@world.example"}
	s.try(s.as(who),
		attempt{"another address", "editContact", s.on(of, email), forbidden},
		attempt{"another address, by key", "editContact", s.on(of, email, Vars{"idempotencyKey": "k"}), forbidden},
		attempt{"their own address", "editContact", s.on(of, Vars{"email": s.as(who).Email}), forbidden},
		attempt{"a new invitation", "resendInvitation", s.on(of), forbidden},
		attempt{"a new invitation as if staff", "resendInvitation", s.on(of, request), forbidden},
		attempt{"deactivate", "deactivateContact", s.on(of), forbidden},
		attempt{"reactivate", "reactivateContact", s.on(of), forbidden},
		attempt{"remove", "removeContact", s.on(of), forbidden},
		attempt{"leave for them", "leaveAccount", s.on(of), forbidden},
		attempt{"their messages", "editContact", s.on(of, Vars{"messageOptOuts": []string{"INVOICE"}}), forbidden},
		attempt{"revoke ADMIN", "revokeAdminPermission", s.on(of), forbidden},
		attempt{"grant ADMIN", "grantAdminPermission", s.on(of), forbidden},
	)
}

// againstOwner is what nobody but the owner may do to the owner's contact.
func (s scene) againstOwner() []attempt {
	return []attempt{
		{"the owner's name", "editContact", s.on(world.Owner, Vars{"lastName": "Mine"}), forbidden},
		{"the owner's name with the phone", "editContact", s.on(world.Owner, Vars{"phone": "+1 555 0100", "lastName": "Mine"}), forbidden},
		{"the owner's address", "editContact", s.on(world.Owner, Vars{"email": "mine@world.example"}), forbidden},
		{"the owner's messages", "editContact", s.on(world.Owner, Vars{"messageOptOuts": []string{}}), forbidden},
		{"the owner's invitation", "resendInvitation", s.on(world.Owner), forbidden},
		{"deactivate the owner", "deactivateContact", s.on(world.Owner), forbidden},
		{"reactivate the owner", "reactivateContact", s.on(world.Owner), forbidden},
		{"remove the owner", "removeContact", s.on(world.Owner), forbidden},
		{"leave for the owner", "leaveAccount", s.on(world.Owner), forbidden},
		{"grant to the owner", "grantPermission", s.on(world.Owner, Vars{"permission": "BILLING"}), forbidden},
		{"revoke from the owner", "revokePermission", s.on(world.Owner, Vars{"permission": "BILLING"}), forbidden},
		{"ADMIN for the owner", "grantAdminPermission", s.on(world.Owner), forbidden},
		{"no ADMIN for the owner", "revokeAdminPermission", s.on(world.Owner), forbidden},
		{"a type for the owner", "setAccountType", s.on(world.Owner, Vars{"accountType": "ACCOUNT_CONTACT"}), forbidden},
		{"the owner's type", "clearAccountType", s.on(world.Owner, Vars{"accountType": "PRIMARY_BUSINESS_CONTACT"}), forbidden},
		{"the owner's primary type", "setAccountType", s.on(world.Target, Vars{"accountType": "PRIMARY_BUSINESS_CONTACT"}), forbidden},
		{"hand ownership on", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Target)}), forbidden},
		{"hand ownership to themself", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Admin)}), forbidden},
		{"reassign ownership", "reassignOwnership", s.here(request, Vars{"toContactId": s.a.Contact(world.Admin)}), forbidden},
	}
}

func (s scene) managerGrants() {
	m := s.as(world.ContactManagement)
	for _, p := range []string{"CASE_MANAGEMENT", "SUPPORT", "BILLING", "RENEW_CONTRACTS", "UPGRADE_CONTRACTS", "LICENSE_MANAGEMENT"} {
		s.try(m,
			attempt{"grant " + p, "grantPermission", s.on(world.Target, Vars{"permission": p}), forbidden},
			attempt{"revoke " + p, "revokePermission", s.on(world.TargetBilling, Vars{"permission": p}), forbidden},
		)
	}
	for _, p := range []string{"CONTACT_MANAGEMENT", "BILLING"} {
		s.try(m,
			attempt{"grant themself " + p, "grantPermission", s.on(world.ContactManagement, Vars{"permission": p}), forbidden},
			attempt{"revoke their own " + p, "revokePermission", s.on(world.ContactManagement, Vars{"permission": p}), forbidden},
		)
	}
	s.try(m,
		attempt{"ADMIN as a plain permission", "grantPermission", s.on(world.Target, Vars{"permission": "ADMIN"}), badInput},
		attempt{"ADMIN", "grantAdminPermission", s.on(world.Target), forbidden},
		attempt{"ADMIN for themself", "grantAdminPermission", s.on(world.ContactManagement), forbidden},
		attempt{"remove themself", "removeContact", s.on(world.ContactManagement), forbidden},
		attempt{"deactivate themself", "deactivateContact", s.on(world.ContactManagement), forbidden},
		attempt{"reactivate themself", "reactivateContact", s.on(world.ContactManagement), forbidden},
	)
	// What they hold is theirs to give: the refusals above are not for want of anything else.
	s.must(m, "grantPermission", s.on(world.Target, Vars{"permission": "CONTACT_MANAGEMENT"}))
	s.must(s.as(world.BillingManager), "grantPermission", s.on(world.Target, Vars{"permission": "BILLING"}))
	// Now the target holds more than the manager, who could remove it a moment ago.
	s.try(m, attempt{"remove who holds more by now", "removeContact", s.on(world.Target), forbidden})
}

func (s scene) managerBeyondContacts() {
	s.try(s.as(world.BillingManager),
		attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), forbidden},
		attempt{"a program", "createServiceAccount", s.here(Vars{"name": "Program"}), forbidden},
		attempt{"a program with ADMIN", "createServiceAccount", s.here(Vars{"name": "Program", "permissions": []string{"ADMIN"}}), forbidden},
		attempt{"a token of a program", "createServiceAccountToken", s.on(world.ServiceAccount, Vars{"name": "token"}), forbidden},
		attempt{"a token of themself as a program", "createServiceAccountToken", s.on(world.BillingManager, Vars{"name": "token"}), forbidden},
		attempt{"end a program's token", "revokeApiToken", Vars{"apiTokenId": s.a.TokenID}, notFound},
		attempt{"an account", "createAccount", merge(request, Vars{"name": "Mine", "owner": Vars{"firstName": "M", "lastName": "N", "email": "mine@world.example"}}), forbidden},
	)
	res := s.w.Do(s, s.as(world.BillingManager), `query($id: ID!) { node(id: $id) { ... on Account { auditLog { totalCount } } } }`, Vars{"id": s.a.ID})
	if res.Get("node.auditLog") != nil || res.Code() != forbidden {
		s.Errorf("the audit log: %s", res.Body)
	}
	res = s.w.Do(s, s.as(world.BillingManager), `query($id: ID!) { node(id: $id) { ... on Contact { apiTokens { id } } } }`, Vars{"id": s.a.Contact(world.ServiceAccount)})
	if res.Get("node.apiTokens") != nil || res.Code() != forbidden {
		s.Errorf("a program's tokens: %s", res.Body)
	}
}

func (s scene) managerAdds() {
	m := s.as(world.BillingManager)
	s.a.Change(s, world.Owner, func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.PrimaryBillingContact) })
	s.try(m,
		attempt{"ADMIN", "addContact", s.here(newContact(Vars{"permissions": []string{"ADMIN"}})), forbidden},
		attempt{"ADMIN among others", "addContact", s.here(newContact(Vars{"permissions": []string{"BILLING", "ADMIN"}})), forbidden},
		attempt{"what they lack", "addContact", s.here(newContact(Vars{"permissions": []string{"SUPPORT"}})), forbidden},
		attempt{"the role of an Admin", "addContact", s.here(newContact(Vars{"standardRole": "ACCOUNT_ADMINISTRATOR"})), forbidden},
		attempt{"the role of an Admin as if staff", "addContact", s.here(newContact(merge(request, Vars{"standardRole": "ACCOUNT_ADMINISTRATOR"}))), forbidden},
		attempt{"the role of the owner", "addContact", s.here(newContact(Vars{"standardRole": "ACCOUNT_OWNER"})), badInput},
		attempt{"a role and more", "addContact", s.here(newContact(Vars{"standardRole": "BILLING_ONLY", "permissions": []string{"BILLING"}})), badInput},
		attempt{"their own address", "addContact", s.here(newContact(Vars{"email": m.Email})), conflict},
		attempt{"the owner's type", "addContact", s.here(newContact(Vars{"accountTypes": []string{"PRIMARY_BILLING_CONTACT"}})), conflict},
		attempt{"an account that does not exist", "addContact", newContact(Vars{"accountId": domain.GlobalID("Account", domain.NewID[domain.AccountID]())}), notFound},
		attempt{"another account", "addContact", newContact(Vars{"accountId": s.w.Other(s).ID}), notFound},
	)
	// A contact that they may add, and an invitation that they take themself.
	s.must(m, "addContact", s.here(newContact(Vars{"permissions": []string{"BILLING"}})))
	secret := s.w.Secret(s, "new.contact@world.example", "invitation")
	s.try(m, attempt{"be two contacts", "acceptInvitation", Vars{"token": secret}, conflict})
}

func (s scene) managerImports() {
	m, other := s.as(world.BillingManager), s.w.Other(s)
	theirs := other.Rows(s)
	row := func(company, rest string) string { return company + ",Row,row@world.example," + rest }
	s.tryImport(m, "ADMIN", row(s.a.Name, ",ADMIN"), "FAILED", nil)
	s.tryImport(m, "ADMIN among others", row(s.a.Name, ",BILLING; ADMIN"), "FAILED", nil)
	s.tryImport(m, "the role of an Admin", row(s.a.Name, "ACCOUNT_ADMINISTRATOR,"), "FAILED", nil)
	s.tryImport(m, "the owner", row(s.a.Name, "ACCOUNT_OWNER,"), "FAILED", nil)
	s.tryImport(m, "what they lack", row(s.a.Name, ",SUPPORT"), "FAILED", nil)
	s.tryImport(m, "what they lack as if staff", row(s.a.Name, "SUPPORT_ONLY,"), "FAILED", request)
	s.tryImport(m, "another company", row(other.Name, ",BILLING"), "FAILED", nil)
	s.tryImport(m, "a company that does not exist", row("Nobody Ltd", ",BILLING"), "FAILED", nil)
	s.tryImport(m, "one good row, and a bad one", row(s.a.Name, ",BILLING")+"\n"+s.a.Name+",Two,two@world.example,,ADMIN", "FAILED", nil)
	s.tryImport(m, "themself, with more", s.a.Name+",Me,"+m.Email+",ACCOUNT_ADMINISTRATOR,", "DONE", nil) // who is there is left alone
	s.tryImport(m, "the owner's address, with less", s.a.Name+",Owner,"+s.as(world.Owner).Email+",BILLING_ONLY,", "DONE", nil)
	s.tryImport(s.as(world.Billing), "no right to add", row(s.a.Name, ","), "FAILED", nil)
	s.tryImport(s.as(world.Billing), "no right to add, by a role", row(s.a.Name, "BILLING_ONLY,"), "FAILED", nil)
	s.tryImport(s.as(world.Billing), "no right to add, as if staff", row(s.a.Name, "BILLING_ONLY,"), "FAILED", request)
	s.tryImport(s.as(world.Stranger), "a stranger", row(s.a.Name, ","), forbidden, nil)
	if got := s.upload(m, map[string]string{"accounts": "Company\nMine Ltd\n", "contacts": "Mine Ltd,Me,me@mine.example,ACCOUNT_OWNER,"}, nil); got != forbidden {
		s.Errorf("a company of their own: got %s", got)
	}
	if other.Rows(s) != theirs {
		s.Error("another account was changed")
	}
	if got := s.upload(m, map[string]string{"contacts": row(s.a.Name, ",BILLING")}, nil); got != "DONE" {
		s.Errorf("what is theirs to give: got %s", got)
	}
}

// tryAdmin is an Admin against the owner and themself. The owner's phone is all that is theirs.
func tryAdmin(s scene) {
	t := s.T
	s.a.Change(t, world.Owner, func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.PrimaryBusinessContact) })
	admin := s.as(world.Admin)
	s.try(admin, s.againstOwner()...)
	s.try(admin,
		attempt{"grant themself", "grantPermission", s.on(world.Admin, Vars{"permission": "BILLING"}), forbidden},
		attempt{"revoke from themself", "revokePermission", s.on(world.Admin, Vars{"permission": "BILLING"}), forbidden},
		attempt{"their own ADMIN", "revokeAdminPermission", s.on(world.Admin), forbidden},
		attempt{"ADMIN for themself", "grantAdminPermission", s.on(world.Admin), forbidden},
		attempt{"remove themself", "removeContact", s.on(world.Admin), forbidden},
		attempt{"leave for another Admin", "leaveAccount", s.on(world.TargetAdmin), forbidden},
		attempt{"add an owner", "addContact", s.here(newContact(Vars{"standardRole": "ACCOUNT_OWNER"})), badInput},
		attempt{"a person's token as a program's", "createServiceAccountToken", s.on(world.Owner, Vars{"name": "token"}), conflict},
		attempt{"another account", "editAccount", Vars{"accountId": s.w.Other(s).ID, "name": "Mine"}, notFound},
	)
	s.tryImport(admin, "a second owner", s.a.Name+",Row,row@world.example,ACCOUNT_OWNER,", "FAILED", nil)
	s.must(admin, "editContact", s.on(world.Owner, Vars{"phone": "+1 555 0100"}))
	s.must(s.as(world.Owner), "clearAccountType", s.on(world.Owner, Vars{"accountType": "PRIMARY_BUSINESS_CONTACT"}))

	t.Run("by a program", func(t *testing.T) {
		s := s.fresh(t)
		s.a.Change(t, world.Owner, func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.PrimaryBusinessContact) })
		s.try(s.as(world.ServiceAccount), s.againstOwner()...)
		s.try(s.as(world.ServiceAccount),
			attempt{"its own ADMIN", "revokeAdminPermission", s.on(world.ServiceAccount), forbidden},
			attempt{"accept an invitation", "acceptInvitation", Vars{"token": s.a.Invitation}, forbidden},
			attempt{"a token of a person", "createApiToken", Vars{"name": "token"}, forbidden},
			attempt{"become the owner", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.ServiceAccount)}), forbidden},
		)
		s.try(s.as(world.Owner), attempt{"make a program the owner", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.ServiceAccount)}), conflict})
	})
}

// tryFormerOwner holds that ownership, once handed on, leaves nothing behind.
func tryFormerOwner(s scene) {
	t := s.T
	owner, back := s.as(world.Owner), s.here(Vars{"toContactId": s.a.Contact(world.Owner)})
	handOn := s.here(Vars{"toContactId": s.a.Contact(world.Target), "idempotencyKey": "hand on"})
	s.try(owner,
		attempt{"leave", "leaveAccount", s.on(world.Owner), forbidden},
		attempt{"remove themself", "removeContact", s.on(world.Owner), forbidden},
		attempt{"hand on to nobody's contact", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.NoLogin)}), conflict},
		attempt{"hand on to who is deactivated", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Deactivated)}), conflict},
		attempt{"hand on to who is disabled", "transferOwnership", s.here(Vars{"toContactId": s.a.Contact(world.Disabled)}), conflict},
		attempt{"hand on to another account's", "transferOwnership", s.here(Vars{"toContactId": s.w.Other(t).Contact(world.Target)}), badInput},
	)
	s.must(owner, "transferOwnership", handOn)
	s.try(owner,
		attempt{"take it back", "transferOwnership", back, forbidden},
		attempt{"take it back by the old key", "transferOwnership", merge(back, Vars{"idempotencyKey": "hand on"}), conflict},
		attempt{"the account's name", "editAccount", s.here(Vars{"name": "Mine"}), forbidden},
		attempt{"ADMIN for themself", "grantAdminPermission", s.on(world.Owner), forbidden},
		attempt{"grant", "grantPermission", s.on(world.TargetBilling, Vars{"permission": "SUPPORT"}), forbidden},
		attempt{"remove the new owner", "removeContact", s.on(world.Target), forbidden},
		attempt{"add a contact", "addContact", s.here(newContact(nil)), forbidden},
		attempt{"the same again", "transferOwnership", handOn, ""}, // answers as it did, and does nothing
	)
	s.try(s.as(world.NarrowedToken), attempt{"by the token that they made as the owner", "transferOwnership", back, forbidden})
	s.must(s.as(world.Target), "transferOwnership", back)
}
