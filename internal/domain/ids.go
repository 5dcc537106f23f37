// Package domain holds Steward's nouns: what an account or a contact is, which values are valid, and the errors that
// callers see. It imports the standard library only and knows neither SQL nor GraphQL nor SpiceDB.
package domain

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strings"
)

// Each noun has an id type of its own, so that the compiler refuses a contact's id where an account's is asked.
// An id is 26 random characters (128 bits): it tells nothing of age or order, and an invented one is never a known one.
type (
	UserID           string
	ServiceAccountID string
	AccountID        string
	ContactID        string
	LinkID           string
	APITokenID       string
	AuditID          string
	ChangeID         string
	JobID            string
	MailID           string
)

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a fresh random id of the given type, for example NewID[AccountID]().
func NewID[T ~string]() T {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the process rather than return weak randomness
	return T(idEncoding.EncodeToString(b[:]))
}

// ValidID reports whether s has the form of an id that NewID gives out.
func ValidID(s string) bool {
	b, err := idEncoding.DecodeString(s)
	return err == nil && len(b) == 16
}

// GlobalID returns the opaque id under which the API knows an object: the GraphQL type and the id, encoded.
func GlobalID[T ~string](typ string, id T) string {
	return base64.RawURLEncoding.EncodeToString([]byte(typ + ":" + string(id)))
}

// ParseGlobalID takes a global id apart. It reports false for anything that GlobalID cannot have made.
func ParseGlobalID(s string) (typ, id string, ok bool) {
	if len(s) > 128 {
		return "", "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return "", "", false
	}
	typ, id, ok = strings.Cut(string(b), ":")
	// Besides NewID's ids there are those of API tokens, whose 16 characters stand in the token's text.
	return typ, id, ok && (ValidID(id) || len(id) == 16 && strings.Trim(id, "234567abcdefghijklmnopqrstuvwxyz") == "")
}
