package escalation

import (
	"steward/internal/domain"
	"steward/internal/testing/world"
)

// named is every mutation that names an object, with an input that would do but for it.
var named = []struct {
	name, field, typ string
	input            Vars
}{
	{"editAccount", "accountId", "Account", Vars{"name": "Mine"}},
	{"transferOwnership", "accountId", "Account", Vars{"toContactId": "x"}},
	{"reassignOwnership", "accountId", "Account", merge(request, Vars{"toContactId": "x"})},
	{"addContact", "accountId", "Account", newContact(nil)},
	{"createServiceAccount", "accountId", "Account", Vars{"name": "Program"}},
	{"resendInvitation", "contactId", "Contact", request},
	{"editContact", "contactId", "Contact", Vars{"lastName": "Mine"}},
	{"deactivateContact", "contactId", "Contact", nil},
	{"reactivateContact", "contactId", "Contact", nil},
	{"removeContact", "contactId", "Contact", nil},
	{"leaveAccount", "contactId", "Contact", nil},
	{"grantPermission", "contactId", "Contact", Vars{"permission": "BILLING"}},
	{"revokePermission", "contactId", "Contact", Vars{"permission": "BILLING"}},
	{"grantAdminPermission", "contactId", "Contact", nil},
	{"revokeAdminPermission", "contactId", "Contact", nil},
	{"setAccountType", "contactId", "Contact", Vars{"accountType": "ACCOUNT_CONTACT"}},
	{"clearAccountType", "contactId", "Contact", Vars{"accountType": "ACCOUNT_CONTACT"}},
	{"createServiceAccountToken", "contactId", "Contact", Vars{"name": "token"}},
	{"revokeApiToken", "apiTokenId", "ApiToken", nil},
}

// tryIDs gives each mutation the ids of another account's objects, of objects of another type, and such as were never
// given out. All of them are answered alike, with an idempotency key and without.
func tryIDs(s scene) {
	t := s.T
	other := s.w.Other(t)
	ids := map[string]string{
		"another account":            other.ID,
		"another account's owner":    other.Contact(world.OtherOwner),
		"another account's contact":  other.Contact(world.Target),
		"another account's program":  other.Contact(world.ServiceAccount),
		"another account's token":    other.TokenID,
		"an account never given out": domain.GlobalID("Account", domain.NewID[domain.AccountID]()),
		"a contact never given out":  domain.GlobalID("Contact", domain.NewID[domain.ContactID]()),
		"a token never given out":    domain.GlobalID("ApiToken", domain.NewID[domain.APITokenID]()),
		"the account as a contact":   domain.GlobalID("Contact", s.a.Key),
		"a contact as an account":    domain.GlobalID("Account", s.a.Contacts[world.Target].ID),
		"a contact as a token":       domain.GlobalID("ApiToken", s.a.Contacts[world.Target].ID),
		"the platform":               domain.GlobalID("Platform", "steward"),
		"a user":                     domain.GlobalID("User", s.as(world.Owner).Is.ID),
		"a type that is none":        domain.GlobalID("Nothing", s.a.Key),
		"nothing":                    "",
		"no global id":               "x",
		"a plain id":                 string(s.a.Contacts[world.Target].ID),
		"a wildcard":                 domain.GlobalID("Contact", "*"),
		"an id with a relation":      domain.GlobalID("Account", string(s.a.Key)+"#owner"),
	}
	theirs := other.Rows(t)
	for _, m := range named {
		for what, id := range ids {
			for _, key := range []Vars{nil, {"idempotencyKey": "key " + m.name + what}} {
				s.try(s.as(world.Owner), attempt{m.name + ": " + what, m.name, merge(m.input, key, Vars{m.field: id}), notFound})
			}
		}
		own := map[string]string{"Account": s.a.ID, "Contact": s.a.Contact(world.Target), "ApiToken": s.a.TokenID}
		for typ, id := range own {
			if typ == m.typ {
				continue
			}
			for _, key := range []Vars{nil, {"idempotencyKey": "key " + m.name + typ}} {
				s.try(s.as(world.Owner), attempt{m.name + ": the own " + typ, m.name, merge(m.input, key, Vars{m.field: id}), notFound})
			}
		}
	}
	if other.Rows(t) != theirs {
		t.Error("another account was changed")
	}
	heir := func(what, id, code string) {
		s.try(s.as(world.Owner), attempt{what, "transferOwnership", s.here(Vars{"toContactId": id}), code})
	}
	heir("another account's contact as the heir", other.Contact(world.Target), badInput)
	heir("a contact never given out as the heir", ids["a contact never given out"], badInput)
	for _, id := range []string{other.ID, s.a.ID, s.a.TokenID, "x", ""} {
		heir("an heir that is no contact", id, notFound)
	}
}

// tryNodes asks for objects of others by their ids: what may not be seen does not exist.
func tryNodes(s scene) {
	t := s.T
	other := s.w.Other(t)
	res := s.must(s.as(world.Owner), "editAccount", s.here(Vars{"phone": "+1 555 0100"}))
	entry := res.Text("editAccount.auditId")
	mine, token := s.token(s.as(world.Owner), "createApiToken", nil)
	hidden := map[world.Kind][]string{
		world.Owner:      {other.ID, other.Contact(world.OtherOwner), other.Contact(world.ServiceAccount), other.TokenID},
		world.Contact:    {entry, s.a.TokenID, token},
		world.Admin:      {token},
		world.OtherOwner: {s.a.ID, s.a.Contact(world.Owner), s.a.TokenID, entry, token},
		world.Stranger:   {s.a.ID, s.a.Contact(world.Target), s.a.TokenID, entry, token, other.ID},
		world.Anonymous:  {s.a.ID, s.a.Contact(world.Target), s.a.TokenID, entry, token, other.ID},
	}
	for k, ids := range hidden {
		for _, id := range append(ids, domain.GlobalID("Contact", domain.NewID[domain.ContactID]()), "x") {
			if s.see(s.as(k), id) {
				t.Errorf("%s sees %s", k, id)
			}
		}
		res := s.w.Do(t, s.as(k), `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, Vars{"ids": ids})
		for _, node := range res.List("nodes") {
			if node != nil {
				t.Errorf("%s: %s", k, res.Body)
			}
		}
	}
	for _, id := range []string{s.a.ID, s.a.Contact(world.Target), s.a.TokenID, entry, token} {
		if !s.see(s.as(world.Owner), id) || !s.see(mine, id) {
			t.Errorf("the owner does not see %s", id)
		}
	}
}
