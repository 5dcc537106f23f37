package property_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
)

// operations draws the input of each operation, and says by the law who may do it.
var operations = map[string]func(m *machine, r rows) step{
	"create account":       createAccount,
	"edit account":         editAccount,
	"transfer ownership":   transferOwnership,
	"reassign ownership":   reassignOwnership,
	"add contact":          addContact,
	"add contact by role":  addContactByRole,
	"resend invitation":    resendInvitation,
	"accept invitation":    acceptInvitation,
	"accept invitation 2":  acceptInvitation, // twice as often
	"confirm e-mail":       confirmEmail,
	"edit contact":         editContact,
	"change e-mail":        changeEmail,
	"deactivate contact":   onContact(relation.RemoveContact, (*service.Service).DeactivateContact, anyContact),
	"reactivate contact":   onContact(relation.RemoveContact, (*service.Service).ReactivateContact, deactivated),
	"remove contact":       onContact(relation.RemoveContact, (*service.Service).RemoveContact, anyContact),
	"leave account":        onContact(relation.LeaveAccount, (*service.Service).LeaveAccount, anyContact),
	"grant permission":     setPermission((*service.Service).GrantPermission),
	"revoke permission":    revokePermission,
	"grant admin":          onContact(relation.ManageAdminPermission, (*service.Service).GrantAdminPermission, anyContact),
	"revoke admin":         onContact(relation.ManageAdminPermission, (*service.Service).RevokeAdminPermission, isAdmin),
	"set account type":     setAccountType,
	"clear account type":   clearAccountType,
	"add service account":  createServiceAccount,
	"add token of program": createProgramToken,
	"add token":            createToken,
	"revoke token":         revokeToken,
	"import":               importContacts,
	"staff role":           staffRole,
	"disable user":         disableUser,
	"time passes":          timePasses,
}

func (m *machine) account(r rows) domain.AccountID {
	return rapid.SampledFrom(r.accounts).Draw(m.T, "account")
}

func (m *machine) contact(r rows) domain.Contact {
	return rapid.SampledFrom(r.contacts).Draw(m.T, "contact")
}

// contactThat mostly draws a contact with which the operation makes sense.
func (m *machine) contactThat(r rows, fits func(domain.Contact) bool) domain.Contact {
	var some []domain.Contact
	for _, c := range r.contacts {
		if fits(c) {
			some = append(some, c)
		}
	}
	if len(some) == 0 || m.flip("any", 20) {
		return m.contact(r)
	}
	return rapid.SampledFrom(some).Draw(m.T, "contact")
}

func anyContact(domain.Contact) bool     { return true }
func deactivated(c domain.Contact) bool  { return c.State == domain.ContactDeactivated }
func isAdmin(c domain.Contact) bool      { return c.Permissions.Has(domain.Admin) }
func withoutLogin(c domain.Contact) bool { return c.Person.IsZero() }
func isProgram(c domain.Contact) bool    { return c.Person.Kind == domain.PersonServiceAccount }
func holdsSomething(c domain.Contact) bool {
	return c.Permissions.Without(domain.Admin) != 0 && !c.Owner
}
func ofSomeType(c domain.Contact) bool   { return c.Types != 0 }
func couldBeOwner(c domain.Contact) bool { return c.Person.Kind == domain.PersonUser && !c.Owner }

func (m *machine) permission() domain.Permission {
	return rapid.SampledFrom(domain.AllPermissions.List()).Draw(m.T, "permission")
}

func (m *machine) permissions() []domain.Permission {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(domain.AllPermissions.List()), 0, 3, rapid.ID[domain.Permission]).Draw(m.T, "permissions")
}

func (m *machine) accountType() domain.AccountType {
	return rapid.SampledFrom([]domain.AccountType{
		domain.PrimaryBusinessContact, domain.PrimaryBillingContact, domain.PrimaryRenewalContact, domain.PrimaryTechnicalContact, domain.AccountContact, domain.SupportContact,
	}).Draw(m.T, "account type")
}

// email draws an address: mostly a new one, now and then one that is taken.
func (m *machine) email(r rows) string {
	if m.flip("taken", 15) {
		if c := m.contact(r); c.Email != "" {
			return strings.ToUpper(c.Email)
		}
	}
	return fmt.Sprintf("new.%d@people.example", m.steps)
}

func (m *machine) request() *service.StaffRequest {
	if m.flip("recorded", 90) {
		return staffRequest
	}
	return nil
}

func createAccount(m *machine, _ rows) step {
	in := service.CreateAccount{Name: fmt.Sprint("Company ", m.steps), Owner: service.NewOwner{LastName: "Owner", Email: fmt.Sprintf("owner.%d@people.example", m.steps)}, StaffRequest: m.request()}
	return step{
		lawful: func(_ rows, p person) bool { return p.worksAs(domain.StaffAccounting) },
		run: func(a domain.Actor, key string) (change.Result, error) {
			in.IdempotencyKey = key
			return m.Service.CreateAccount(bg, a, in)
		},
	}
}

func editAccount(m *machine, r rows) step {
	id, phone := m.account(r), fmt.Sprint("+1 555 ", 1000+m.steps%3)
	return step{
		account: id,
		lawful:  func(_ rows, p person) bool { return p.onAccount(id, "edit_account") },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.EditAccount(bg, a, id, service.EditAccount{Phone: &phone, IdempotencyKey: key})
		},
	}
}

func transferOwnership(m *machine, r rows) step {
	to := m.contactThat(r, couldBeOwner)
	id := to.AccountID
	if m.flip("elsewhere", 10) {
		id = m.account(r)
	}
	return step{
		account: id, target: to.ID,
		lawful: func(_ rows, p person) bool { return p.onAccount(id, "transfer_ownership") },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.TransferOwnership(bg, a, id, service.TransferOwnership{To: to.ID, IdempotencyKey: key})
		},
	}
}

func reassignOwnership(m *machine, r rows) step {
	to, request := m.contactThat(r, couldBeOwner), m.request()
	id := to.AccountID
	if m.flip("elsewhere", 10) {
		id = m.account(r)
	}
	return step{
		account: id, target: to.ID,
		// Nobody raises their own permissions: an accountant who is a contact too cannot make themself the owner.
		lawful: func(_ rows, p person) bool { return p.onAccount(id, "reassign_ownership") && p.Person != to.Person },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.ReassignOwnership(bg, a, id, service.TransferOwnership{To: to.ID, StaffRequest: request, IdempotencyKey: key})
		},
	}
}

func addContact(m *machine, r rows) step {
	id := m.account(r)
	in := service.AddContact{LastName: "Added", Email: m.email(r), Permissions: m.permissions(), StaffRequest: m.request()}
	if m.flip("typed", 30) {
		in.Types = []domain.AccountType{m.accountType()}
	}
	return m.adding(id, in)
}

func addContactByRole(m *machine, r rows) step {
	return m.adding(m.account(r), service.AddContact{
		LastName: "Added", Email: m.email(r), Role: rapid.SampledFrom(domain.StandardRoles).Draw(m.T, "role"), StaffRequest: m.request(),
	})
}

func (m *machine) adding(id domain.AccountID, in service.AddContact) step {
	set := domain.PermissionsOf(in.Permissions...) | in.Role.Permissions()
	return step{
		account: id,
		lawful: func(_ rows, p person) bool {
			if !p.manages(id) {
				return p.isStaff() // who must give a standard role, on a recorded request: input to mend
			}
			return p.mayGiveAll(id, set)
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			in.IdempotencyKey = key
			return m.Service.AddContact(bg, a, id, in)
		},
	}
}

func (p person) mayGiveAll(a domain.AccountID, set domain.PermissionSet) bool {
	for _, permission := range set.List() {
		if !p.mayGive(a, permission.String()) {
			return false
		}
	}
	return true
}

func resendInvitation(m *machine, r rows) step {
	s := onContact(relation.ResendInvitation, (*service.Service).ResendInvitation, withoutLogin)(m, r)
	request, id := m.request(), s.target
	s.run = func(a domain.Actor, key string) (change.Result, error) {
		return m.Service.ResendInvitation(bg, a, id, service.ContactChange{StaffRequest: request, IdempotencyKey: key})
	}
	return s
}

// mailed draws a secret that was mailed, of an open link if there is one, and now and then any or none.
func (m *machine) mailed(r rows, kind string, of domain.LinkKind) (string, link) {
	var open, all []string
	hashes := map[string]string{}
	m.Query("SELECT text FROM mails ORDER BY rowid", func(v []any) {
		if secret, ok := secretIn(v[0].(string), kind); ok {
			hashes[secret] = hashOf(secret)
			all = append(all, secret)
			if l, ok := r.links[hashes[secret]]; ok && l.Kind == of {
				open = append(open, secret)
			}
		}
	})
	if len(open) > 0 && m.flip("open", 85) {
		all = open
	}
	secret := rapid.SampledFrom(append(all, "never mailed")).Draw(m.T, "secret")
	return secret, r.links[hashes[secret]]
}

func acceptInvitation(m *machine, r rows) step {
	secret, l := m.mailed(r, "invitation", domain.LinkInvitation)
	return step{
		target: l.ContactID, accepts: true,
		lawful: func(r rows, p person) bool {
			_, twice := r.contactOf(l.contact.AccountID, p.Person)
			return p.Kind == domain.PersonUser && l.Kind == domain.LinkInvitation && l.contact.Person.IsZero() &&
				l.contact.State == domain.ContactActive && l.Email == l.contact.Email && !twice
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.AcceptInvitation(bg, a, secret, key)
		},
	}
}

// contactOf finds the contact of a person on an account, whether or not it counts.
func (r rows) contactOf(a domain.AccountID, p domain.Person) (domain.Contact, bool) {
	for _, c := range r.contacts {
		if c.AccountID == a && c.Person == p {
			return c, true
		}
	}
	return domain.Contact{}, false
}

func confirmEmail(m *machine, r rows) step {
	secret, l := m.mailed(r, "confirm", domain.LinkConfirmEmail)
	return step{
		target: l.ContactID,
		lawful: func(r rows, p person) bool {
			return l.Kind == domain.LinkConfirmEmail && p.is(l.contact) && l.Email == l.contact.PendingEmail
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.ConfirmEmail(bg, a, secret, key)
		},
	}
}

func editContact(m *machine, r rows) step {
	c := m.contact(r)
	in := service.EditContact{}
	var needs []string
	value := fmt.Sprint("Edited ", m.steps%3)
	phone := fmt.Sprint("+1 555 ", 2000+m.steps%3)
	if m.flip("name", 50) {
		in.LastName, needs = &value, append(needs, "edit_contact_name")
	}
	if m.flip("phone", 50) {
		in.Phone, needs = &phone, append(needs, "edit_contact_phone")
	}
	if m.flip("messages", 20) {
		in.OptOuts, needs = &[]string{"INVOICE"}, append(needs, "edit_message_choices")
	}
	return m.editing(c, in, append(needs, "edit_contact"))
}

func changeEmail(m *machine, r rows) step {
	email := m.email(r)
	return m.editing(m.contact(r), service.EditContact{Email: &email}, []string{"edit_contact", "edit_contact_email"})
}

func (m *machine) editing(c domain.Contact, in service.EditContact, needs []string) step {
	return step{
		account: c.AccountID, target: c.ID,
		lawful: func(_ rows, p person) bool {
			for _, permission := range needs {
				if !p.onContact(c, permission) {
					return false
				}
			}
			return true
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			in.IdempotencyKey = key
			return m.Service.EditContact(bg, a, c.ID, in)
		},
	}
}

type contactOperation = func(*service.Service, ctx, domain.Actor, domain.ContactID, service.ContactChange) (change.Result, error)

// onContact is the operation that needs one permission on a contact.
func onContact(permission string, do contactOperation, fits func(domain.Contact) bool) func(*machine, rows) step {
	return func(m *machine, r rows) step {
		c := m.contactThat(r, fits)
		id := c.ID
		if m.flip("unknown", 3) {
			id = domain.NewID[domain.ContactID]()
		}
		return step{
			account: c.AccountID, target: id,
			lawful: func(_ rows, p person) bool { return id == c.ID && p.onContact(c, permission) },
			run: func(a domain.Actor, key string) (change.Result, error) {
				return do(m.Service, bg, a, id, service.ContactChange{Reason: "why", IdempotencyKey: key})
			},
		}
	}
}

type permissionOperation = func(*service.Service, ctx, domain.Actor, domain.ContactID, domain.Permission, service.ContactChange) (change.Result, error)

func setPermission(do permissionOperation) func(*machine, rows) step {
	return func(m *machine, r rows) step {
		return m.setting(m.contact(r), m.permission(), do)
	}
}

func (m *machine) setting(c domain.Contact, p domain.Permission, do permissionOperation) step {
	return step{
		account: c.AccountID, target: c.ID,
		lawful: func(_ rows, who person) bool {
			return who.onContact(c, "grant_permission") && p != domain.Admin && who.onContact(c, "grant_"+strings.ToLower(p.String()))
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			return do(m.Service, bg, a, c.ID, p, service.ContactChange{IdempotencyKey: key})
		},
	}
}

// revokePermission mostly takes what is there.
func revokePermission(m *machine, r rows) step {
	c, p := m.contactThat(r, holdsSomething), m.permission()
	if holdsSomething(c) {
		p = rapid.SampledFrom(c.Permissions.Without(domain.Admin).List()).Draw(m.T, "permission")
	}
	return m.setting(c, p, (*service.Service).RevokePermission)
}

func setAccountType(m *machine, r rows) step {
	c, t := m.contact(r), m.accountType()
	return step{
		account: c.AccountID, target: c.ID,
		lawful: func(r rows, p person) bool {
			if !p.onContact(c, "set_account_type") {
				return false
			}
			for _, other := range r.contacts {
				if other.AccountID == c.AccountID && other.ID != c.ID && t.Primary() && other.Types.Has(t) && !p.onContact(other, "set_account_type") {
					return false // the owner holds it, and it is not theirs to take
				}
			}
			return true
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.SetAccountType(bg, a, c.ID, t, service.ContactChange{IdempotencyKey: key})
		},
	}
}

func clearAccountType(m *machine, r rows) step {
	c, t := m.contactThat(r, ofSomeType), m.accountType()
	if ofSomeType(c) {
		t = c.Types.List()[0]
	}
	return step{
		account: c.AccountID, target: c.ID,
		lawful: func(_ rows, p person) bool { return p.onContact(c, "set_account_type") },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.ClearAccountType(bg, a, c.ID, t, service.ContactChange{IdempotencyKey: key})
		},
	}
}

func createServiceAccount(m *machine, r rows) step {
	id, set := m.account(r), m.permissions()
	return step{
		account: id,
		lawful: func(_ rows, p person) bool {
			return p.onAccount(id, "manage_service_accounts") && p.mayGiveAll(id, domain.PermissionsOf(set...))
		},
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.CreateServiceAccount(bg, a, id, service.CreateServiceAccount{Name: "Program", Permissions: set, IdempotencyKey: key})
		},
	}
}

func createProgramToken(m *machine, r rows) step {
	c := m.contactThat(r, isProgram)
	return step{
		account: c.AccountID, target: c.ID,
		lawful: func(_ rows, p person) bool { return p.onContact(c, "manage_service_accounts") },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.CreateServiceAccountToken(bg, a, c.ID, service.CreateToken{Name: "token", ExpiresInDays: 1, IdempotencyKey: key})
		},
	}
}

func createToken(m *machine, _ rows) step {
	return step{
		lawful: func(_ rows, p person) bool { return p.Kind == domain.PersonUser },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.CreateAPIToken(bg, a, service.CreateToken{Name: "token", ExpiresInDays: 1, IdempotencyKey: key})
		},
	}
}

func revokeToken(m *machine, r rows) step {
	id := domain.APITokenID("unknown")
	if len(r.tokenIDs) > 0 {
		id = rapid.SampledFrom(r.tokenIDs).Draw(m.T, "token")
	}
	t, known := r.tokens[id]
	return step{
		lawful: func(_ rows, p person) bool { return known && p.mayRevoke(t) },
		run: func(a domain.Actor, key string) (change.Result, error) {
			return m.Service.RevokeAPIToken(bg, a, id, service.ContactChange{IdempotencyKey: key})
		},
	}
}
