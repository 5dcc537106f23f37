package resolvers

import (
	"steward/internal/domain"
	"steward/resolvers/node"
)

// idOf takes the global id of an object of that type apart. An id of another type, or none at all, is NOT_FOUND like one
// that was never given out.
func idOf[T ~string](typ, global string) (T, error) {
	have, id, ok := domain.ParseGlobalID(global)
	if !ok || have != typ {
		return "", domain.NotFound()
	}
	return T(id), nil
}

// text returns what was given, or "".
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func contactOf(global string) (domain.ContactID, error) {
	return idOf[domain.ContactID](node.TypeContact, global)
}

// ownership reads the account and the contact that is to own it.
func ownership(account, to string) (domain.AccountID, domain.ContactID, error) {
	a, err := idOf[domain.AccountID](node.TypeAccount, account)
	if err != nil {
		return "", "", err
	}
	c, err := contactOf(to)
	return a, c, err
}
