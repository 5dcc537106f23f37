package matrix

import (
	"context"
	"errors"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

func onAccount(c *cell, more world.Vars) world.Vars {
	in := world.Vars{"accountId": c.object()}
	for k, v := range more {
		in[k] = v
	}
	return in
}

var staffRequest = world.Vars{"reference": "T-1", "reason": "The customer asked for it."}

func (c *cell) accountRow() (a domain.Account) {
	c.w.View(c, func(ctx context.Context, tx *store.Tx) (err error) {
		a, err = tx.Account(ctx, c.account().Key)
		return err
	})
	return a
}

func (c *cell) owner() (o domain.Contact) {
	c.w.View(c, func(ctx context.Context, tx *store.Tx) (err error) {
		o, err = tx.Owner(ctx, c.account().Key)
		return err
	})
	return o
}

// added is the contact that a cell has added, by its e-mail address or its name.
func (c *cell) added(is func(domain.Contact) bool) (found domain.Contact, ok bool) {
	c.w.View(c, func(ctx context.Context, tx *store.Tx) error {
		contacts, err := tx.ContactsOfAccount(ctx, c.account().Key)
		for _, contact := range contacts {
			if is(contact) {
				found, ok = contact, true
			}
		}
		return err
	})
	return found, ok
}

// heirs is whom ownership can go to: an active contact of the account with a user behind it.
func heirs(may []Kind) []row {
	refused := func(code string) []exception { return []exception{{may, mend(code)}} }
	return []row{
		{on: here, give: "TARGET", may: may},
		{on: here, give: "TARGET_ADMIN", may: may},
		{on: here, give: "OWNER", but: refused("CONFLICT")},
		{on: here, give: "NO_LOGIN", but: refused("CONFLICT")},
		{on: here, give: "DEACTIVATED", but: refused("CONFLICT")},
		{on: here, give: "DISABLED", but: refused("CONFLICT")},
		{on: here, give: "SERVICE_ACCOUNT", but: refused("CONFLICT")},
		{on: here, give: "elsewhere", but: refused("BAD_USER_INPUT")},
	}
}

func heir(c *cell) string {
	switch {
	case c.row.on == there:
		return c.o.Contact(world.Target)
	case c.row.give == "elsewhere":
		return c.o.Contact(world.Target)
	}
	return c.a.Contact(Kind(c.row.give))
}

func handedOn(c *cell) bool {
	o := c.owner()
	return domain.GlobalID("Contact", o.ID) == heir(c)
}

var accountOperations = []operation{
	{
		name: "editAccount", law: "edit_account", needs: "edit_account", can: "Account.editAccount",
		rows: []row{
			{on: here, may: kinds(owner, admins)},
			{on: there, may: otherSide},
		},
		input:    func(c *cell) world.Vars { return onAccount(c, world.Vars{"website": "https://example.org"}) },
		happened: func(c *cell) bool { return c.accountRow().Website == "https://example.org" },
	},
	{
		name: "transferOwnership", law: "transfer_ownership", needs: "transfer_ownership", can: "Account.transferOwnership",
		rows:     append(heirs(owner), row{on: there, may: only(world.OtherOwner)}),
		extra:    only(world.Target, world.TargetAdmin),
		input:    func(c *cell) world.Vars { return onAccount(c, world.Vars{"toContactId": heir(c)}) },
		happened: handedOn,
	},
	{
		name: "reassignOwnership", law: "reassign_ownership", needs: "reassign_ownership", can: "Account.reassignOwnership",
		rows:  append(heirs(only(world.Accounting)), row{on: there, may: only(world.Accounting)}),
		extra: only(world.Target, world.TargetAdmin),
		input: func(c *cell) world.Vars {
			return onAccount(c, world.Vars{"toContactId": heir(c), "staffRequest": staffRequest})
		},
		happened: handedOn,
	},
	{
		name: "createAccount", law: "create_account", needs: "create_account", can: "Platform.createAccount",
		rows: []row{{on: platform, may: only(world.Accounting)}},
		input: func(c *cell) world.Vars {
			return world.Vars{
				"name": "New Customer", "staffRequest": staffRequest,
				"owner": world.Vars{"firstName": "New", "lastName": "Owner", "email": "new.owner@world.example"},
			}
		},
		happened: func(c *cell) (there bool) {
			c.w.View(c, func(ctx context.Context, tx *store.Tx) error {
				a, err := tx.AccountByName(ctx, "New Customer")
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				if err != nil {
					return err
				}
				owner, err := tx.Owner(ctx, a.ID)
				there = owner.Email == "new.owner@world.example" && owner.Person.IsZero()
				return err
			})
			return there
		},
	},
	{
		name: "addContact", law: "add_contact", needs: "add_contact", can: "Account.addContact",
		rows: addRows(), input: newContact, happened: wasAdded,
	},
	{
		name: "addContact", part: "without a recorded request", law: "add_contact", needs: "add_contact", can: "Account.addContact",
		rows: []row{{on: here, give: "BILLING_ONLY", may: kinds(owner, admins, only(world.BillingManager)), but: []exception{
			{only(world.ContactManagement), because("not_yours_to_give", "delegate_billing")},
			{staff, mend("BAD_USER_INPUT")},
		}}},
		input: func(c *cell) world.Vars {
			in := newContact(c)
			delete(in, "staffRequest")
			return in
		},
		happened: wasAdded,
	},
	{
		name: "createServiceAccount", law: "manage_service_accounts", needs: "manage_service_accounts", can: "Account.manageServiceAccounts",
		rows: []row{
			{on: here, may: kinds(owner, admins)},
			{on: here, give: "ADMIN", may: kinds(owner, admins)},
			{on: here, give: "CONTACT_MANAGEMENT", may: kinds(owner, admins)},
			{on: here, give: "BILLING", may: kinds(owner, admins)},
			{on: there, give: "SUPPORT", may: otherSide},
		},
		input: func(c *cell) world.Vars {
			in := onAccount(c, world.Vars{"name": "New Program"})
			if c.row.give != "" {
				in["permissions"] = []string{c.row.give}
			}
			return in
		},
		happened: func(c *cell) bool {
			got, ok := c.added(func(x domain.Contact) bool { return x.LastName == "New Program" })
			var want domain.PermissionSet
			if c.row.give != "" {
				want = domain.PermissionsOf(given(c))
			}
			return ok && got.Person.Kind == domain.PersonServiceAccount && got.Permissions == want
		},
	},
}

// standardRoles is what each role that can be given stands for.
var standardRoles = map[string]domain.PermissionSet{
	"ACCOUNT_ADMINISTRATOR": domain.PermissionsOf(domain.Admin),
	"BILLING_ONLY":          domain.PermissionsOf(domain.Billing),
	"SUPPORT_ONLY":          domain.PermissionsOf(domain.Support, domain.CaseManagement),
	"BILLING_AND_SUPPORT":   domain.PermissionsOf(domain.Billing, domain.Support, domain.CaseManagement),
}

// addRows is who may add a contact with what: the owner and Admins anything, a contact manager what they hold, staff a
// standard role.
func addRows() []row {
	full := kinds(owner, admins)
	withBilling := only(world.BillingManager)
	notTheirs := func(p string) outcome { return because("not_yours_to_give", "delegate_"+p) }
	staffMend := exception{staff, mend("BAD_USER_INPUT")}
	single := func(give, lacking string) row {
		return row{on: here, give: give, may: full, but: []exception{{managers, notTheirs(lacking)}, staffMend}}
	}
	return []row{
		{on: here, give: "ACCOUNT_ADMINISTRATOR", may: kinds(full, staff), but: []exception{{managers, notTheirs("admin")}}},
		{on: here, give: "BILLING_ONLY", may: kinds(full, staff, withBilling), but: []exception{{only(world.ContactManagement), notTheirs("billing")}}},
		{on: here, give: "SUPPORT_ONLY", may: kinds(full, staff), but: []exception{{managers, notTheirs("case_management")}}},
		{on: here, give: "BILLING_AND_SUPPORT", may: kinds(full, staff), but: []exception{{managers, notTheirs("case_management")}}},
		{on: here, give: "", may: kinds(full, managers), but: []exception{staffMend}},
		{on: here, give: "CONTACT_MANAGEMENT", may: kinds(full, managers), but: []exception{staffMend}},
		{on: here, give: "BILLING", may: kinds(full, withBilling), but: []exception{{only(world.ContactManagement), notTheirs("billing")}, staffMend}},
		single("ADMIN", "admin"),
		single("CASE_MANAGEMENT", "case_management"),
		single("SUPPORT", "support"),
		single("RENEW_CONTRACTS", "renew_contracts"),
		single("UPGRADE_CONTRACTS", "upgrade_contracts"),
		single("LICENSE_MANAGEMENT", "license_management"),
		{on: there, give: "BILLING_ONLY", may: kinds(otherSide, staff)},
	}
}

func newContact(c *cell) world.Vars {
	in := onAccount(c, world.Vars{"firstName": "New", "lastName": "Contact", "email": "new@world.example", "staffRequest": staffRequest})
	if _, role := standardRoles[c.row.give]; role {
		in["standardRole"] = c.row.give
	} else if c.row.give != "" {
		in["permissions"] = []string{c.row.give}
	}
	return in
}

func wasAdded(c *cell) bool {
	got, ok := c.added(func(x domain.Contact) bool { return x.Email == "new@world.example" })
	want, role := standardRoles[c.row.give]
	if !role && c.row.give != "" {
		want = domain.PermissionsOf(given(c))
	}
	return ok && got.Permissions == want && got.Person.IsZero() && !got.Owner && c.w.Secret(c, "new@world.example", "invitation") != ""
}
