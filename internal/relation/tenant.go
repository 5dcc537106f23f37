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

// Global reports whether a relationship is one of an object that belongs to no account: its answers are kept under the
// global scope alone.
func Global(r Relationship) bool {
	p, err := Parse(r)
	return err == nil && (p.Type == TypePlatform || p.Type == TypeJob || p.Type == TypeAPIToken && p.Relation == RelHolder)
}
