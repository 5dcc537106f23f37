package importer

import (
	"fmt"

	"steward/internal/domain"
)

// group is what the contacts file says of one account, by rows of parser.contacts; -1 stands for none.
type group struct {
	owner     int
	primaries [4]int // by the primary account type
	// A row of this account could not be understood: it may be the owner, or have the address that is looked for. What
	// follows from such a row alone is not reported.
	roleUnclear, emailUnclear bool
}

func (p *parser) group(key string) *group {
	g := p.groups[key]
	if g == nil {
		if p.groups == nil {
			p.groups = map[string]*group{}
		}
		g = &group{owner: -1, primaries: [4]int{-1, -1, -1, -1}}
		p.groups[key] = g
	}
	return g
}

// contactProblem reports a problem of a contact that shows only beside other rows.
func (p *parser) contactProblem(i int, f field, message, mend string) {
	p.contacts[i].bad = true
	p.problems.add(FileContacts, p.contacts[i].Line, p.contactHeader[f], message, mend)
}

func (p *parser) accountProblem(i int, f field, message, mend string) {
	p.accounts[i].bad = true
	p.problems.add(FileAccounts, p.accounts[i].Line, p.accountHeader[f], message, mend)
}

// place is an address within an account.
type place struct{ account, email string }

// checkContacts finds what two contacts of one account may not have in common.
func (p *parser) checkContacts() {
	p.addresses = map[place]int{}
	for i, c := range p.contacts {
		g := p.group(c.key)
		if c.Email != "" {
			at := place{c.key, emailKey(c.Email)}
			if first, twice := p.addresses[at]; twice {
				p.contactProblem(i, fieldEmail, fmt.Sprintf("%s is a contact of %s on line %d already, and again on line %d.", quote(c.Email), quote(c.Account), p.contacts[first].Line, c.Line),
					"Remove one of the two lines; permissions and account types of one contact stand in one line.")
				g.roleUnclear = g.roleUnclear || c.Owner
				continue // it would be its own rival for ownership and primary types
			}
			p.addresses[at] = i
		}
		if c.Owner {
			p.claimOwner(g, i)
		}
		for _, t := range c.Types.List() {
			p.claimPrimary(g, i, t)
		}
	}
}

// checkOwnerColumn makes owners of those whom the accounts file names.
func (p *parser) checkOwnerColumn() {
	for i, a := range p.accounts {
		g := p.group(a.key)
		g.roleUnclear = g.roleUnclear || a.ownerUnclear
		if a.OwnerEmail == "" {
			continue
		}
		owner, found := p.addresses[place{a.key, emailKey(a.OwnerEmail)}]
		switch {
		case !found:
			if !g.emailUnclear && !p.addressUnread {
				p.accountProblem(i, fieldOwner, fmt.Sprintf("No contact of %s has the e-mail address %s.", quote(a.Name), quote(a.OwnerEmail)),
					"Add the owner to the contacts file, or name one of the account's contacts there.")
			}
			g.roleUnclear = true // that the account has no owner is said by this
		case g.owner >= 0 && g.owner != owner:
			p.accountProblem(i, fieldOwner, fmt.Sprintf("%s is named as the owner, but %s has the role ACCOUNT_OWNER on line %d of the contacts file.", quote(a.OwnerEmail), quote(p.contacts[g.owner].Email), p.contacts[g.owner].Line),
				"Name one owner only.")
		default:
			g.owner = owner
			p.contacts[owner].Owner = true
		}
	}
}

func (p *parser) claimOwner(g *group, i int) {
	if g.owner < 0 {
		g.owner = i
		return
	}
	first := p.contacts[g.owner]
	p.contactProblem(i, fieldRole, fmt.Sprintf("%s has two owners: %s on line %d and %s on line %d.", quote(first.Account), quote(first.Email), first.Line, quote(p.contacts[i].Email), p.contacts[i].Line),
		"Give one of the two another role; an account has exactly one owner.")
}

func (p *parser) claimPrimary(g *group, i int, t domain.AccountType) {
	if !t.Primary() {
		return
	}
	if g.primaries[t] < 0 {
		g.primaries[t] = i
		return
	}
	first := p.contacts[g.primaries[t]]
	p.contactProblem(i, fieldTypes, fmt.Sprintf("%s has two contacts of the type %s: %s on line %d and %s on line %d.", quote(first.Account), t, quote(first.Email), first.Line, quote(p.contacts[i].Email), p.contacts[i].Line),
		"Leave the type with one of the two.")
}

// checkAccounts finds companies that are there twice or have no owner, and notes the owners' addresses.
func (p *parser) checkAccounts() {
	seen := map[string]int{}
	for i, a := range p.accounts {
		if first, twice := seen[a.key]; twice {
			p.accountProblem(i, fieldCompany, fmt.Sprintf("%s is there twice, on line %d and on line %d; case and spacing make no difference.", quote(a.Name), p.accounts[first].Line, a.Line), "Remove or rename one of them.")
			continue
		}
		seen[a.key] = i
		switch g := p.group(a.key); {
		case g.owner >= 0:
			p.accounts[i].OwnerEmail = p.contacts[g.owner].Email
		case !g.roleUnclear && !p.ownerUnread:
			p.accountProblem(i, fieldCompany, quote(a.Name)+" has no owner.", `Give one of its contacts the role "Account owner", or write the e-mail address of one into a column "Owner" of the accounts file.`)
		}
	}
}
