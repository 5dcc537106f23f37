package matrix

import (
	"slices"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// onContact is the input of mutations that take a contact, and more.
func onContact(c *cell, more world.Vars) world.Vars {
	in := world.Vars{"contactId": c.object()}
	for k, v := range more {
		in[k] = v
	}
	return in
}

func contactOnly(c *cell) world.Vars { return onContact(c, nil) }

// everybody manages a contact that holds nothing beyond what each of them holds.
var everybody = kinds(owner, admins, managers)

// removable is who may remove, deactivate and reactivate whom: never the own contact, never the owner's, and a contact manager
// only who holds nothing beyond what the manager holds.
var removable = []row{
	{on: world.Target, may: everybody},
	{on: world.TargetBilling, may: kinds(owner, admins, only(world.BillingManager))},
	{on: world.TargetManager, may: everybody},
	{on: world.TargetAdmin, may: kinds(owner, admins)},
	{on: world.ServiceAccount, may: kinds(owner, admins)},
	{on: world.NoLogin, may: kinds(owner, admins)},
	{on: world.Owner, may: nobody},
	{on: self, may: nobody},
	{on: elsewhere, may: otherSide},
}

var contactOperations = []operation{
	{
		name: "removeContact", law: "remove_contact", needs: "remove_contact", can: "Contact.removeContact",
		rows: removable, input: contactOnly, happened: (*cell).gone,
	},
	{
		name: "deactivateContact", law: "remove_contact", needs: "remove_contact", can: "Contact.removeContact",
		rows: removable, input: contactOnly,
		happened: func(c *cell) bool { return c.contact().State == domain.ContactDeactivated },
	},
	{
		name: "reactivateContact", law: "remove_contact", needs: "remove_contact", can: "Contact.removeContact",
		rows: removable, input: contactOnly,
		arrange: func(c *cell) {
			c.account().Change(c, c.target(), func(t *domain.Contact) { t.State = domain.ContactDeactivated })
		},
		happened: func(c *cell) bool { return c.contact().State == domain.ContactActive },
	},
	{
		name: "leaveAccount", law: "leave_account", needs: "leave_account", can: "Contact.leaveAccount",
		rows: []row{
			{on: self, may: kinds(admins, managers, plain)},
			{on: world.Target, may: nobody},
			{on: world.TargetAdmin, may: nobody},
			{on: world.ServiceAccount, may: nobody},
			{on: world.Owner, may: nobody},
			{on: elsewhere, may: nobody},
		},
		input: contactOnly, happened: (*cell).gone,
	},
	{
		name: "editContact", part: "name", law: "edit_contact_name", needs: "edit_contact", can: "Contact.editContact",
		rows: []row{
			{on: world.Target, may: everybody},
			{on: world.TargetBilling, may: everybody},
			{on: world.TargetManager, may: everybody},
			{on: world.TargetAdmin, may: everybody},
			{on: world.ServiceAccount, may: everybody},
			{on: world.NoLogin, may: everybody},
			{on: world.Owner, but: []exception{{admins, lacks("edit_contact_name")}}},
			{on: self, may: kinds(owner, admins, managers, plain)},
			{on: elsewhere, may: otherSide},
		},
		input:    func(c *cell) world.Vars { return onContact(c, world.Vars{"firstName": "Renamed"}) },
		happened: func(c *cell) bool { return c.contact().FirstName == "Renamed" },
	},
	{
		name: "editContact", part: "phone", law: "edit_contact_phone", needs: "edit_contact", can: "Contact.editContact",
		rows: []row{
			{on: world.Target, may: everybody},
			{on: world.TargetBilling, may: everybody},
			{on: world.TargetManager, may: everybody},
			{on: world.TargetAdmin, may: everybody},
			{on: world.ServiceAccount, may: everybody},
			{on: world.Owner, may: admins},
			{on: self, may: kinds(owner, admins, managers, plain)},
			{on: elsewhere, may: otherSide},
		},
		input:    func(c *cell) world.Vars { return onContact(c, world.Vars{"phone": "+1 555 0100"}) },
		happened: func(c *cell) bool { return c.contact().Phone == "+1 555 0100" },
	},
	{
		// The address of a contact with a login counts once it is confirmed; that of one without counts at once, and is invited.
		name: "editContact", part: "email", law: "edit_contact_email", needs: "edit_contact", can: "Contact.editContact",
		rows: []row{
			{on: world.Target, may: everybody},
			{on: world.TargetBilling, may: kinds(owner, admins, only(world.BillingManager)), but: []exception{
				{only(world.ContactManagement), lacks("edit_contact_email")},
			}},
			{on: world.TargetManager, may: everybody},
			{on: world.TargetAdmin, may: kinds(owner, admins), but: []exception{{managers, lacks("edit_contact_email")}}},
			{on: world.NoLogin, may: kinds(owner, admins), but: []exception{{managers, lacks("edit_contact_email")}}},
			{on: world.ServiceAccount, but: []exception{
				{kinds(owner, admins), mend("CONFLICT")}, {managers, lacks("edit_contact_email")},
			}},
			{on: world.Owner, but: []exception{{admins, lacks("edit_contact_email")}}},
			{on: self, may: kinds(owner, only(world.Admin, world.AccountAdministrator), managers, plain), but: []exception{
				{only(world.ServiceAccount), mend("CONFLICT")},
			}},
			{on: elsewhere, may: otherSide},
		},
		input: func(c *cell) world.Vars { return onContact(c, world.Vars{"email": "new@world.example"}) },
		happened: func(c *cell) bool {
			t := c.contact()
			return t.Email == "new@world.example" && t.Person.IsZero() || t.PendingEmail == "new@world.example"
		},
	},
	{
		name: "editContact", part: "messageOptOuts", law: "edit_message_choices", needs: "edit_contact", can: "Contact.editContact",
		rows: []row{
			{on: self, may: kinds(owner, admins, managers, plain)},
			{on: world.Target, but: []exception{{everybody, lacks("edit_message_choices")}}},
			{on: world.TargetAdmin, but: []exception{{everybody, lacks("edit_message_choices")}}},
			{on: world.ServiceAccount, but: []exception{{everybody, lacks("edit_message_choices")}}},
			{on: world.Owner, but: []exception{{admins, lacks("edit_message_choices")}}},
			{on: elsewhere, but: []exception{{otherSide, lacks("edit_message_choices")}}},
		},
		input:    func(c *cell) world.Vars { return onContact(c, world.Vars{"messageOptOuts": []string{"INVOICE"}}) },
		happened: func(c *cell) bool { return slices.Equal(c.contact().OptOuts, []string{"INVOICE"}) },
	},
	{
		name: "setAccountType", law: "set_account_type", needs: "set_account_type", can: "Contact.setAccountType",
		rows: accountTypeRows,
		input: func(c *cell) world.Vars {
			return onContact(c, world.Vars{"accountType": c.row.give})
		},
		happened: func(c *cell) bool { return c.contact().Types.Has(accountType(c.row.give)) },
	},
	{
		name: "setAccountType", part: "held by the owner", law: "set_account_type", needs: "set_account_type",
		rows: []row{
			{on: world.Target, may: owner, but: []exception{{kinds(admins, managers), because("held_by_the_owner", "set_account_type")}}},
		},
		arrange: func(c *cell) {
			c.a.Change(c, world.Owner, func(t *domain.Contact) { t.Types = domain.AccountTypesOf(domain.PrimaryBillingContact) })
		},
		input: func(c *cell) world.Vars { return onContact(c, world.Vars{"accountType": "PRIMARY_BILLING_CONTACT"}) },
		happened: func(c *cell) bool {
			was, _ := c.a.Row(c, world.Owner)
			return c.contact().Types.Has(domain.PrimaryBillingContact) && was.Types == 0
		},
	},
	{
		name: "setAccountType", part: "held by another", law: "set_account_type", needs: "set_account_type",
		rows:  []row{{on: world.Target, may: everybody}},
		extra: only(world.TargetAdmin),
		arrange: func(c *cell) {
			c.a.Change(c, world.TargetAdmin, func(t *domain.Contact) { t.Types = domain.AccountTypesOf(domain.PrimaryRenewalContact) })
		},
		input: func(c *cell) world.Vars { return onContact(c, world.Vars{"accountType": "PRIMARY_RENEWAL_CONTACT"}) },
		happened: func(c *cell) bool {
			was, _ := c.a.Row(c, world.TargetAdmin)
			return c.contact().Types.Has(domain.PrimaryRenewalContact) && was.Types == 0
		},
	},
	{
		name: "clearAccountType", law: "set_account_type", needs: "set_account_type", can: "Contact.setAccountType",
		rows: accountTypeRows,
		arrange: func(c *cell) {
			c.account().Change(c, c.target(), func(t *domain.Contact) { t.Types = domain.AccountTypesOf(accountType(c.row.give)) })
		},
		input:    func(c *cell) world.Vars { return onContact(c, world.Vars{"accountType": c.row.give}) },
		happened: func(c *cell) bool { return !c.contact().Types.Has(accountType(c.row.give)) },
	},
}

// accountTypeRows is who may set which types of whom: on the owner's contact the owner only.
var accountTypeRows = []row{
	{on: world.Target, give: "ACCOUNT_CONTACT", may: everybody},
	{on: world.Target, give: "PRIMARY_BUSINESS_CONTACT", may: everybody},
	{on: world.TargetBilling, give: "PRIMARY_BILLING_CONTACT", may: everybody},
	{on: world.TargetManager, give: "PRIMARY_RENEWAL_CONTACT", may: everybody},
	{on: world.TargetAdmin, give: "PRIMARY_TECHNICAL_CONTACT", may: everybody},
	{on: world.ServiceAccount, give: "SUPPORT_CONTACT", may: everybody},
	{on: world.Owner, give: "ACCOUNT_CONTACT", may: nobody},
	{on: self, give: "ACCOUNT_CONTACT", may: everybody},
	{on: elsewhere, give: "ACCOUNT_CONTACT", may: otherSide},
}

func accountType(name string) domain.AccountType {
	t, ok := domain.ParseAccountType(name)
	if !ok {
		panic("no account type " + name)
	}
	return t
}
