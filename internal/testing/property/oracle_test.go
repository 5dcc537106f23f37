package property_test

import (
	"strings"

	"steward/internal/domain"
	"steward/internal/testing/property/parts"
)

// rows is everything that rights follow from, as the database has it.
type rows struct {
	off      map[string]bool                       // users who are disabled
	staff    map[string]map[domain.StaffRole]bool  // by user
	accounts []domain.AccountID                    // in the order in which they were made
	contacts []domain.Contact                      // in the order in which they were made
	byID     map[domain.ContactID]domain.Contact   // the same
	tokens   map[domain.APITokenID]domain.APIToken // of whatever state
	tokenIDs []domain.APITokenID                   // in the order in which they were made
	links    map[string]link                       // by the hash of the secret
}

// link is a mailed link.
type link struct {
	domain.Link
	contact domain.Contact
}

// readRows reads the tables as they are, past the store.
func readRows(p *parts.Parts) rows {
	r := rows{
		off: map[string]bool{}, staff: map[string]map[domain.StaffRole]bool{}, byID: map[domain.ContactID]domain.Contact{},
		tokens: map[domain.APITokenID]domain.APIToken{}, links: map[string]link{},
	}
	text := func(v any) string { s, _ := v.(string); return s }
	number := func(v any) int64 { n, _ := v.(int64); return n }
	p.Query("SELECT id, disabled FROM users", func(v []any) { r.off[text(v[0])] = number(v[1]) == 1 })
	p.Query("SELECT user_id, role FROM staff", func(v []any) {
		if r.staff[text(v[0])] == nil {
			r.staff[text(v[0])] = map[domain.StaffRole]bool{}
		}
		r.staff[text(v[0])][domain.StaffRole(text(v[1]))] = true
	})
	p.Query("SELECT id FROM accounts ORDER BY rowid", func(v []any) { r.accounts = append(r.accounts, domain.AccountID(text(v[0]))) })
	person := func(user, program any) domain.Person {
		switch {
		case user != nil:
			return domain.Person{Kind: domain.PersonUser, ID: text(user)}
		case program != nil:
			return domain.Person{Kind: domain.PersonServiceAccount, ID: text(program)}
		}
		return domain.Person{}
	}
	p.Query("SELECT id, account_id, email, pending_email, types, permissions, owner, state, user_id, service_account_id FROM contacts ORDER BY rowid", func(v []any) {
		c := domain.Contact{
			ID: domain.ContactID(text(v[0])), AccountID: domain.AccountID(text(v[1])), Email: text(v[2]), PendingEmail: text(v[3]),
			Types: domain.AccountTypeSet(number(v[4])), Permissions: domain.PermissionSet(number(v[5])), Owner: number(v[6]) == 1,
			State: domain.ContactState(text(v[7])), Person: person(v[8], v[9]),
		}
		r.contacts = append(r.contacts, c)
		r.byID[c.ID] = c
	})
	p.Query("SELECT id, user_id, service_account_id, contact_id FROM api_tokens ORDER BY rowid", func(v []any) {
		r.tokenIDs = append(r.tokenIDs, domain.APITokenID(text(v[0])))
		r.tokens[domain.APITokenID(text(v[0]))] = domain.APIToken{Person: person(v[1], v[2]), ContactID: domain.ContactID(text(v[3]))}
	})
	now := p.Clock.Now().UnixMilli()
	p.Query("SELECT hash, kind, contact_id, email FROM links WHERE used_at IS NULL AND voided_at IS NULL AND expires_at > ?", func(v []any) {
		hash, _ := v[0].([]byte)
		id := domain.ContactID(text(v[2]))
		r.links[string(hash)] = link{domain.Link{Kind: domain.LinkKind(text(v[1])), ContactID: id, Email: text(v[3])}, r.byID[id]}
	}, now)
	return r
}

// person is somebody who asks; all that the law says of them is worked out from rows.
type person struct {
	rows
	domain.Person
}

func (r rows) of(p domain.Person) person { return person{r, p} }

// counts reports whether a contact's rights count: an enabled person stands behind it, and it is active.
func (r rows) counts(c domain.Contact) bool {
	return c.State == "ACTIVE" && c.Person.ID != "" && !(c.Person.Kind == domain.PersonUser && r.off[c.Person.ID])
}

// is reports whether the person stands behind the contact, and the contact counts.
func (p person) is(c domain.Contact) bool { return c.Person == p.Person && p.counts(c) }

// place returns the person's contact on an account.
func (p person) place(account domain.AccountID) (domain.Contact, bool) {
	for _, c := range p.contacts {
		if c.AccountID == account && p.is(c) {
			return c, true
		}
	}
	return domain.Contact{}, false
}

func (p person) worksAs(role domain.StaffRole) bool {
	return p.Kind == domain.PersonUser && !p.off[p.ID] && p.staff[p.ID][role]
}

func (p person) isStaff() bool {
	return p.worksAs(domain.StaffSupport) || p.worksAs(domain.StaffAccounting)
}

// holds reports whether the person was granted one of the permissions on the account, or "OWNER".
func (p person) holds(account domain.AccountID, names ...string) bool {
	c, ok := p.place(account)
	if !ok {
		return false
	}
	for _, name := range names {
		if name == "OWNER" && c.Owner {
			return true
		}
		if set, known := domain.ParsePermission(name); known && c.Permissions.Has(set) {
			return true
		}
	}
	return false
}

func (p person) administers(account domain.AccountID) bool { return p.holds(account, "OWNER", "ADMIN") }

func (p person) manages(account domain.AccountID) bool {
	return p.holds(account, "OWNER", "ADMIN", "CONTACT_MANAGEMENT")
}

// mayGive reports whether the person may hand a permission on: a contact manager what they hold, and ADMIN never.
func (p person) mayGive(account domain.AccountID, permission string) bool {
	if p.administers(account) {
		return true
	}
	return permission != "ADMIN" && p.holds(account, "CONTACT_MANAGEMENT") && p.holds(account, permission)
}

// managesFully reports whether the person may take everything from a contact: whoever lacks a permission that it holds may not.
func (p person) managesFully(c domain.Contact) bool {
	if c.Owner || !p.manages(c.AccountID) {
		return false
	}
	if p.administers(c.AccountID) {
		return true
	}
	for _, held := range c.Permissions.List() {
		if !p.holds(c.AccountID, held.String()) {
			return false
		}
	}
	return true
}

// onAccount answers a permission of an account as the law does. Its lines follow the law's, not the model's.
func (p person) onAccount(a domain.AccountID, permission string) bool {
	_, contact := p.place(a)
	if give, ok := strings.CutPrefix(permission, "delegate_"); ok {
		return p.mayGive(a, strings.ToUpper(give))
	}
	switch permission {
	case "view_account", "view_contacts":
		return contact || p.isStaff()
	case "edit_account", "manage_service_accounts", "view_audit_log", "administer":
		return p.administers(a)
	case "view_contact_details", "add_contact":
		return p.manages(a) || p.isStaff()
	case "add_contact_freely", "manage_contacts":
		return p.manages(a)
	case "resend_invitation":
		return p.isStaff()
	case "transfer_ownership":
		return p.holds(a, "OWNER")
	case "reassign_ownership":
		return p.worksAs(domain.StaffAccounting)
	}
	panic("the law knows no permission " + permission + " on an account")
}

// onContact answers a permission of a contact as the law does.
func (p person) onContact(c domain.Contact, permission string) bool {
	a, self := c.AccountID, p.is(c)
	managed := p.manages(a) && !c.Owner
	switch permission {
	case "view_contacts":
		return p.onAccount(a, "view_contacts")
	case "view_contact_details":
		return self || p.onAccount(a, "view_contact_details")
	case "edit_contact", "edit_contact_phone":
		return self || managed || p.holds(a, "ADMIN")
	case "edit_contact_name":
		return self || managed
	case "edit_contact_email":
		return self || p.managesFully(c)
	case "edit_message_choices":
		return self
	case "resend_invitation":
		return p.managesFully(c) || p.isStaff()
	case "remove_contact":
		return p.managesFully(c) && !self
	case "leave_account":
		return self && !c.Owner
	case "grant_permission":
		return managed && !self
	case "manage_admin_permission":
		return p.administers(a) && !c.Owner && !self
	case "set_account_type":
		return managed || self && c.Owner
	case "manage_service_accounts":
		return p.administers(a)
	}
	if give, ok := strings.CutPrefix(permission, "grant_"); ok {
		return managed && !self && p.mayGive(a, strings.ToUpper(give))
	}
	panic("the law knows no permission " + permission + " on a contact")
}

// power is everything that the person may do by their own contacts, as "account/PERMISSION".
func (p person) power() map[string]bool {
	out := map[string]bool{}
	for _, c := range p.contacts {
		if !p.is(c) {
			continue
		}
		out[string(c.AccountID)+"/CONTACT"] = true
		if c.Owner {
			out[string(c.AccountID)+"/OWNER"] = true
		}
		for _, held := range domain.AllPermissions.List() {
			if c.Owner || c.Permissions.Has(domain.Admin) || c.Permissions.Has(held) {
				out[string(c.AccountID)+"/"+held.String()] = true
			}
		}
	}
	return out
}
