package matrix

import (
	"testing"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// grantRows is who may grant and revoke which permission: the owner and Admins any, a contact manager what they hold; never
// on the own contact, never on the owner's.
func grantRows() []row {
	var rows []row
	for _, p := range permissions {
		r := giveRow(world.Target, p)
		rows = append(rows, r)
	}
	return append(rows,
		giveRow(world.TargetAdmin, domain.Billing),
		giveRow(world.TargetAdmin, domain.Support),
		giveRow(world.TargetManager, domain.Billing),
		giveRow(world.TargetBilling, domain.ContactManagement),
		giveRow(world.TargetBilling, domain.LicenseManagement),
		giveRow(world.ServiceAccount, domain.Billing),
		giveRow(world.ServiceAccount, domain.CaseManagement),
		giveRow(world.NoLogin, domain.RenewContracts),
		row{on: world.Owner, give: "BILLING", may: nobody},
		row{on: world.Owner, give: "CONTACT_MANAGEMENT", may: nobody},
		row{on: self, give: "BILLING", may: nobody},
		row{on: self, give: "CONTACT_MANAGEMENT", may: nobody},
		row{on: self, give: "UPGRADE_CONTRACTS", may: nobody},
		row{on: elsewhere, give: "BILLING", may: otherSide},
	)
}

// grantable is what needs to be held on the contact beyond grant_permission.
var grantable = map[domain.Permission]string{
	domain.ContactManagement: "grant_contact_management",
	domain.CaseManagement:    "grant_case_management",
	domain.Support:           "grant_support",
	domain.Billing:           "grant_billing",
	domain.RenewContracts:    "grant_renew_contracts",
	domain.UpgradeContracts:  "grant_upgrade_contracts",
	domain.LicenseManagement: "grant_license_management",
}

func giveRow(on Kind, p domain.Permission) row {
	r := row{on: on, give: p.String(), may: kinds(owner, admins)}
	notTheirs := because("not_yours_to_give", grantable[p])
	switch p {
	case domain.ContactManagement:
		r.may = kinds(r.may, managers)
	case domain.Billing:
		r.may = kinds(r.may, only(world.BillingManager))
		r.but = []exception{{only(world.ContactManagement), notTheirs}}
	default:
		r.but = []exception{{managers, notTheirs}}
	}
	return r
}

func given(c *cell) domain.Permission {
	p, ok := domain.ParsePermission(c.row.give)
	if !ok {
		panic("no permission " + c.row.give)
	}
	return p
}

// before brings the target into the state without, or with, the permission of the row.
func before(holds bool) func(c *cell) {
	return func(c *cell) {
		c.account().Change(c, c.target(), func(t *domain.Contact) {
			if t.Permissions = t.Permissions.Without(given(c)); holds {
				t.Permissions = t.Permissions.With(given(c))
			}
		})
	}
}

func holdsIt(c *cell) bool { return c.contact().Permissions.Has(given(c)) }

func permissionInput(c *cell) world.Vars { return onContact(c, world.Vars{"permission": c.row.give}) }

// adminRows is who may make whom an Admin, and end it.
var adminRows = []row{
	{on: world.Target, give: "ADMIN", may: kinds(owner, admins)},
	{on: world.TargetBilling, give: "ADMIN", may: kinds(owner, admins)},
	{on: world.TargetManager, give: "ADMIN", may: kinds(owner, admins)},
	{on: world.TargetAdmin, give: "ADMIN", may: kinds(owner, admins)},
	{on: world.ServiceAccount, give: "ADMIN", may: kinds(owner, admins)},
	{on: world.Owner, give: "ADMIN", may: nobody},
	{on: self, give: "ADMIN", may: nobody},
	{on: elsewhere, give: "ADMIN", may: otherSide},
}

var permissionOperations = []operation{
	{
		name: "grantPermission", law: "grant_permission", needs: "grant_permission", can: "Contact.grantPermission",
		rows: grantRows(), input: permissionInput, arrange: before(false), happened: holdsIt,
	},
	{
		name: "revokePermission", law: "grant_permission", needs: "grant_permission", can: "Contact.grantPermission",
		rows: grantRows(), input: permissionInput, arrange: before(true),
		happened: func(c *cell) bool { return !holdsIt(c) },
	},
	{
		name: "grantAdminPermission", law: "manage_admin_permission", needs: "manage_admin_permission", can: "Contact.manageAdminPermission",
		rows: adminRows, input: contactOnly, arrange: before(false), happened: holdsIt,
	},
	{
		name: "revokeAdminPermission", law: "manage_admin_permission", needs: "manage_admin_permission", can: "Contact.manageAdminPermission",
		rows: adminRows, input: contactOnly, arrange: before(true),
		happened: func(c *cell) bool { return !holdsIt(c) },
	},
}

// A contact manager who holds one further permission grants and revokes exactly that one and CONTACT_MANAGEMENT.
func permissionsManagersGiveWhatTheyHold(t *testing.T, r run) {
	w := r.w
	a := w.Account(t, world.ContactManagement, world.Target)
	manager := a.As(t, world.ContactManagement)
	for i, held := range permissions {
		if r.sample != nil && i%sampled != r.sample.set {
			continue
		}
		a.Change(t, world.ContactManagement, func(c *domain.Contact) {
			c.Permissions = domain.PermissionsOf(domain.ContactManagement, held)
		})
		for _, p := range permissions {
			may := p == held || p == domain.ContactManagement
			for _, name := range []string{"grantPermission", "revokePermission"} {
				on := name == "grantPermission"
				a.Change(t, world.Target, func(c *domain.Contact) {
					if c.Permissions = 0; !on {
						c.Permissions = domain.PermissionsOf(p)
					}
				})
				op := operation{name: name}
				res := w.Do(t, manager, op.document(), world.Vars{"input": world.Vars{"contactId": a.Contact(world.Target), "permission": p.String()}})
				after, _ := a.Row(t, world.Target)
				if may && (len(res.Errors) > 0 || after.Permissions.Has(p) != on) {
					t.Errorf("%s %s with %s: %s", name, p, held, res.Body)
				}
				if !may && (res.Code() != "FORBIDDEN" || res.Errors[0].Text("required") != grantable[p] || after.Permissions.Has(p) == on) {
					t.Errorf("%s %s with %s: %s", name, p, held, res.Body)
				}
			}
		}
	}
}

// ADMIN goes by mutations of its own: the input of grantPermission has no word for it.
func permissionsAdminIsNotGrantedLikeTheOthers(t *testing.T, r run) {
	w := r.w
	a := w.Account(t, world.Target)
	for _, name := range []string{"grantPermission", "revokePermission"} {
		op := operation{name: name}
		res := w.Do(t, a.As(t, world.Owner), op.document(), world.Vars{"input": world.Vars{"contactId": a.Contact(world.Target), "permission": "ADMIN"}})
		if res.Code() != "BAD_USER_INPUT" || res.Get(name) != nil {
			t.Errorf("%s: %s", name, res.Body)
		}
	}
}
