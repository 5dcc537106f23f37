package domain

import (
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The longest values that fields take, in characters.
const (
	MaxName        = 100
	MaxAccountName = 200
	MaxEmail       = 254
	MaxPhone       = 40
	MaxWebsite     = 200
	MaxAddress     = 500
	MaxReason      = 500
)

// CheckText refuses a text that is shorter than least or longer than most characters once the space around it is gone,
// that is not UTF-8, or that holds control characters.
func CheckText(field, s string, least, most int) error {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	switch {
	case !utf8.ValidString(s):
		return Invalid(field, "This is not valid UTF-8 text.")
	case strings.ContainsFunc(s, invisible):
		return Invalid(field, "Control characters and invisible ones are not allowed here: take them out.")
	case n < least && least == 1:
		return Invalid(field, "This must not be empty.")
	case n < least || n > most:
		return Invalid(field, fmt.Sprintf("This must have %d to %d characters; it has %d.", least, most, n))
	}
	return nil
}

// invisible reports whether a character shows nothing, or turns around what is shown. Joiners are letters of some scripts.
func invisible(r rune) bool {
	switch r {
	case '\n', '\t', '\r', '\u200C', '\u200D':
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// CheckLine is CheckText for a text of one line.
func CheckLine(field, s string, least, most int) error {
	if strings.ContainsAny(s, "\r\n") {
		return Invalid(field, "This must be a single line.")
	}
	return CheckText(field, s, least, most)
}

// CheckEmail refuses what is not one plain address, for example "ada@example.org".
func CheckEmail(field, s string) error {
	if err := CheckLine(field, s, 3, MaxEmail); err != nil {
		return err
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || a.Name != "" || !strings.Contains(s[strings.LastIndexByte(s, '@')+1:], ".") {
		return Invalid(field, "This is not an e-mail address such as ada@example.org.")
	}
	return nil
}

// CheckPhone refuses what people do not write for a phone number; empty is fine.
func CheckPhone(field, s string) error {
	if err := CheckLine(field, s, 0, MaxPhone); err != nil {
		return err
	}
	digits := 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune(" +-./()x#", r):
			return Invalid(field, "A phone number has digits, spaces and + - . / ( ) only, for example +1 555 0100.")
		}
	}
	if s != "" && digits < 3 {
		return Invalid(field, "A phone number has at least three digits, for example +1 555 0100.")
	}
	return nil
}

// CheckWebsite refuses what is not an http or https address; empty is fine.
func CheckWebsite(field, s string) error {
	if s == "" {
		return nil
	}
	if err := CheckLine(field, s, 1, MaxWebsite); err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return Invalid(field, "This is not a web address such as https://example.org.")
	}
	return nil
}

// MessageKinds are the messages that a contact can opt out of.
var MessageKinds = []string{"INVOICE", "BILLING_NOTICE", "RENEWAL_REMINDER", "LOGIN_DETAILS", "SERVICE_ALERT", "PRODUCT_UPDATE", "ACCOUNT_NEWS", "CASE_COMMENT"}
