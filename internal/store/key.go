package store

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// NameKey returns the form in which names are compared and sorted: Unicode case folded and composed (NFC), outer spaces
// cut and inner ones collapsed. Two accounts may not have names with the same key. For example, "  ACME\t GmbH" and
// "Acme gmbh" both give "acme gmbh".
func NameKey(name string) string {
	return norm.NFC.String(cases.Fold().String(strings.Join(strings.Fields(withoutNUL(name)), " ")))
}

// EmailKey returns the form in which e-mail addresses are compared: composed (NFC), lower-case, outer spaces cut.
func EmailKey(email string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSpace(withoutNUL(email))))
}

// withoutNUL drops the one character that no database engine takes in text, so that a search for it finds nothing instead of failing.
func withoutNUL(s string) string { return strings.ReplaceAll(s, "\x00", "") }

// sortKey sorts by last name, then by first name. The separator sorts below every character of a name.
func sortKey(first, last string) string { return NameKey(last) + "\x1f" + NameKey(first) }
