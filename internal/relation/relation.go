// Package relation says which relationships a row means. Its functions are pure: the same row always means the same
// relationships, so a change of rights is the difference between what a row meant before and what it means after, and
// a store of relationships can be filled, compared and repaired from the rows at any time.
package relation

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"steward/internal/domain"
)

// Relationship is one relationship in its text form, for example "account:A#owner@contact:C#person". It is an alias, so
// that an outbox entry, which holds text, needs no conversion.
type Relationship = string

// Update writes or deletes one relationship. Both can be repeated: a second time changes nothing.
type Update struct {
	Delete       bool
	Relationship Relationship
}

// Parts are the pieces of a relationship. SubjectRelation is empty for a subject that is an object itself.
type Parts struct {
	Type, ID, Relation                      string
	SubjectType, SubjectID, SubjectRelation string
}

// String returns the text form.
func (p Parts) String() Relationship {
	s := p.Type + ":" + p.ID + "#" + p.Relation + "@" + p.SubjectType + ":" + p.SubjectID
	if p.SubjectRelation != "" {
		s += "#" + p.SubjectRelation
	}
	return s
}

// SyntaxError is a text that is no relationship.
type SyntaxError struct{ Text string }

func (e *SyntaxError) Error() string { return fmt.Sprintf("not a relationship: %q", e.Text) }

// A wildcard ("user:*") is no relationship here: none follows from a row.
var form = regexp.MustCompile(`^([a-z][a-z0-9_]{1,62}[a-z0-9]):([a-zA-Z0-9/_|\-=+]+)#([a-z][a-z0-9_]{1,62}[a-z0-9])` +
	`@([a-z][a-z0-9_]{1,62}[a-z0-9]):([a-zA-Z0-9/_|\-=+]+)(?:#([a-z][a-z0-9_]{1,62}[a-z0-9]))?$`)

// Parse takes a relationship apart. A text that is none gives a *SyntaxError; an id cannot smuggle in another one.
func Parse(r Relationship) (Parts, error) {
	m := form.FindStringSubmatch(r)
	if m == nil {
		return Parts{}, &SyntaxError{r}
	}
	return Parts{m[1], m[2], m[3], m[4], m[5], m[6]}, nil
}

// permissionRelations names, for each permission of a contact, the relation of an account that holds it and the relation
// of a permission set that lacks it. There is none for a set without contact management: whoever asks to manage a contact
// holds that permission or more.
var permissionRelations = map[domain.Permission]struct{ holds, lacks string }{
	domain.Admin:             {RelAdmin, RelWithoutAdmin},
	domain.ContactManagement: {RelContactManagement, ""},
	domain.CaseManagement:    {RelCaseManagement, RelWithoutCaseManagement},
	domain.Support:           {RelSupport, RelWithoutSupport},
	domain.Billing:           {RelBilling, RelWithoutBilling},
	domain.RenewContracts:    {RelRenewContracts, RelWithoutRenewContracts},
	domain.UpgradeContracts:  {RelUpgradeContracts, RelWithoutUpgradeContracts},
	domain.LicenseManagement: {RelLicenseManagement, RelWithoutLicenseManagement},
}

func object(typ, id, rel, subjectType, subjectID string) Relationship {
	return Parts{typ, id, rel, subjectType, subjectID, ""}.String()
}

// OfAccount returns what an account's row means: its platform, through which staff reach it.
func OfAccount(id domain.AccountID) []Relationship {
	return []Relationship{object(TypeAccount, string(id), RelPlatform, TypePlatform, PlatformID)}
}

// OfContact returns what a contact's row means. Its rights name the contact and never the person: they are there while
// nobody stands behind it, and end all at once with the one relationship that links the person, which is there only
// while the contact is effective. The facts of its permission set are not part of it, see OfPermissionSet.
func OfContact(c domain.Contact) []Relationship {
	id, account := string(c.ID), string(c.AccountID)
	right := func(rel string) Relationship {
		return Parts{TypeAccount, account, rel, TypeContact, id, RelPerson}.String()
	}
	out := []Relationship{object(TypeContact, id, RelAccount, TypeAccount, account), right(RelContact)}
	for _, p := range c.Permissions.List() {
		out = append(out, right(permissionRelations[p].holds))
	}
	if c.Owner {
		out = append(out, right(RelOwner))
	} else {
		out = append(out, object(TypeContact, id, RelPermissionSet, TypePermissionSet, PermissionSetID(c.AccountID, c.Permissions)))
	}
	if c.Effective() {
		out = append(out, object(TypeContact, id, RelPerson, string(c.Person.Kind), c.Person.ID))
	}
	return out
}

// PermissionSetID returns the id of a combination of permissions on an account, for example "A/14" for BILLING and CASE_MANAGEMENT.
func PermissionSetID(account domain.AccountID, set domain.PermissionSet) string {
	return string(account) + "/" + strconv.FormatUint(uint64(set), 16)
}

// OfPermissionSet returns the facts of a combination of permissions on an account: what it lacks. They follow from its id
// alone and never cease to be true, so a change of rights writes those of the new set and deletes none.
func OfPermissionSet(account domain.AccountID, set domain.PermissionSet) []Relationship {
	id := PermissionSetID(account, set)
	out := []Relationship{object(TypePermissionSet, id, RelAccount, TypeAccount, string(account))}
	for _, p := range (domain.AllPermissions &^ set).List() {
		if rel := permissionRelations[p].lacks; rel != "" {
			out = append(out, object(TypePermissionSet, id, rel, TypeAccount, string(account)))
		}
	}
	return out
}

// OfStaff returns what it means that a user is among the provider's people.
func OfStaff(user domain.UserID, role domain.StaffRole) []Relationship {
	return []Relationship{object(TypePlatform, PlatformID, string(role), TypeUser, string(user))}
}

// OfAPIToken returns what a token's row means: a user holds it, or it belongs to the contact of a service account.
// Revoking a token ends its use, not its place in the holder's list.
func OfAPIToken(t domain.APIToken) []Relationship {
	switch {
	case t.Person.Kind == domain.PersonUser:
		return []Relationship{object(TypeAPIToken, string(t.ID), RelHolder, TypeUser, t.Person.ID)}
	case t.ContactID != "":
		return []Relationship{object(TypeAPIToken, string(t.ID), RelContact, TypeContact, string(t.ContactID))}
	}
	return nil
}

// OfJob returns what a job's row means: who made it.
func OfJob(j domain.Job) []Relationship {
	if j.Person.IsZero() {
		return nil
	}
	return []Relationship{object(TypeJob, string(j.ID), RelCreator, string(j.Person.Kind), j.Person.ID)}
}

// Diff returns what turns before into after: the deletions first, so that a change too large for one write takes rights
// away before it gives any. What both hold is left alone.
func Diff(before, after []Relationship) []Update {
	had, has := setOf(before), setOf(after)
	var out []Update
	for _, r := range before {
		if had[r] && !has[r] {
			out = append(out, Update{Delete: true, Relationship: r})
			delete(had, r)
		}
	}
	for _, r := range after {
		if has[r] && !had[r] {
			out = append(out, Update{Relationship: r})
			delete(has, r)
		}
	}
	return out
}

// Touch returns the updates that write all of rs.
func Touch(rs []Relationship) []Update { return Diff(nil, rs) }

// ContactChange returns the updates that a change of a contact's row means; before is nil for a new contact, after for one
// that is removed. It includes the facts of the permission set that the contact holds from now on.
func ContactChange(before, after *domain.Contact) []Update {
	var was, is []Relationship
	if before != nil {
		was = OfContact(*before)
	}
	if after == nil {
		return Diff(was, nil)
	}
	is = OfContact(*after)
	if !after.Owner {
		is = append(is, OfPermissionSet(after.AccountID, after.Permissions)...)
	}
	if before != nil && !before.Owner {
		kept := setOf(OfPermissionSet(before.AccountID, before.Permissions))
		is = without(is, kept)
	}
	return Diff(was, is)
}

// lasting reports whether r is a fact of a permission set that is true whether or not a contact holds the set.
func lasting(r Relationship) bool {
	p, err := Parse(r)
	if err != nil || p.Type != TypePermissionSet {
		return false
	}
	account, mask, ok := strings.Cut(p.ID, "/")
	if !ok {
		return false
	}
	m, err := strconv.ParseUint(mask, 16, 16)
	if err != nil || domain.PermissionSet(m)&^domain.AllPermissions != 0 {
		return false
	}
	return setOf(OfPermissionSet(domain.AccountID(account), domain.PermissionSet(m)))[r]
}

func setOf(rs []Relationship) map[Relationship]bool {
	out := make(map[Relationship]bool, len(rs))
	for _, r := range rs {
		out[r] = true
	}
	return out
}

func without(rs []Relationship, drop map[Relationship]bool) []Relationship {
	out := rs[:0]
	for _, r := range rs {
		if !drop[r] {
			out = append(out, r)
		}
	}
	return out
}
