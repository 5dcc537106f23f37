package relation

import (
	"strings"

	"steward/internal/domain"
)

// TenantOf returns the account that a relationship belongs to, as far as its text says: an account's and a permission
// set's ids do, a contact's does not. What belongs to no account, such as the platform, has none.
func TenantOf(r Relationship) (account domain.AccountID, ok bool) {
	p, err := Parse(r)
	if err != nil {
		return "", false
	}
	for _, o := range []struct{ typ, id string }{{p.Type, p.ID}, {p.SubjectType, p.SubjectID}} {
		switch o.typ {
		case TypeAccount:
			return domain.AccountID(o.id), true
		case TypePermissionSet:
			id, _, _ := strings.Cut(o.id, "/")
			return domain.AccountID(id), true
		}
	}
	return "", false
}

// HolderOf returns the person whom an object belongs to that belongs to no account: a job, or a token of a person's own.
func HolderOf(r Relationship) (domain.Person, bool) {
	p, err := Parse(r)
	if err != nil || !(p.Type == TypeJob && p.Relation == RelCreator || p.Type == TypeAPIToken && p.Relation == RelHolder) {
		return domain.Person{}, false
	}
	return domain.Person{Kind: domain.PersonKind(p.SubjectType), ID: p.SubjectID}, true
}

// OfPlatform reports whether a relationship says who is who at the provider: every answer depends on it.
func OfPlatform(r Relationship) bool {
	p, err := Parse(r)
	return err == nil && p.Type == TypePlatform
}
