// Package identity says who is calling: a person by an OIDC token, a person or a program by an API token.
// It holds no rights and stores nothing; whoever asks links what it answers to a user.
//
//	text, ok, err := identity.Bearer(r)       // nothing, one token, or a refusal
//	if identity.IsAPIToken(text) { ... }      // ParseAPIToken, then a look into the store
//	claims, err := verifiers.Verify(ctx, text)
package identity

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// MaxTokenBytes is the longest bearer token that is looked at. A longer one is refused before it is parsed.
const MaxTokenBytes = 8 << 10

const (
	logIssuer     = "issuer"
	logDocument   = "document"
	logError      = "error"
	logRetryAfter = "retry_after"
)

// Claims is what a verified OIDC token says of a person. A login is linked by Issuer and Subject only, never by
// Email: an address can be given to someone else, and a provider may let people type one in.
type Claims struct {
	Issuer        string // exactly as configured, e.g. "https://login.example.com"
	Subject       string // the person's id at that issuer, 1 to 255 bytes, never reused
	Email         string // as the provider has it, may be empty
	EmailVerified bool   // the provider has seen the person open a mail sent to Email
	Name          string // for display, may be empty
}

// ErrInvalidToken is matched (errors.Is) by every refusal of what the caller sent as proof of who it is.
var ErrInvalidToken = errors.New("the token is not valid")

// InvalidTokenError refuses a token or an Authorization header. Error is safe to show to the caller; the cause, which
// Unwrap and the log have, is not: it may quote parts of the token's header or name what the server expects.
type InvalidTokenError struct {
	text  string
	cause error
}

func (e *InvalidTokenError) Error() string { return e.text }

// Unwrap gives ErrInvalidToken and the cause.
func (e *InvalidTokenError) Unwrap() []error { return []error{ErrInvalidToken, e.cause} }

// LogValue shows the cause, which Error hides.
func (e *InvalidTokenError) LogValue() slog.Value {
	return slog.StringValue(e.text + ": " + e.cause.Error())
}

func invalid(cause error) error {
	return &InvalidTokenError{text: ErrInvalidToken.Error(), cause: cause}
}

func invalidf(format string, args ...any) error { return invalid(fmt.Errorf(format, args...)) }

// UnavailableError says that the token could not be judged, because the provider did not give what judging needs.
// It says nothing about the token; the caller may try again after RetryAfter.
type UnavailableError struct {
	Issuer     string
	RetryAfter time.Duration // the provider is not asked again before; 0 if it may be asked at once
	Err        error         // for the log
}

// Error is safe to show to the caller.
func (e *UnavailableError) Error() string { return "the sign-in provider is unavailable" }

// Unwrap gives the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Unavailable is true. Callers look for the method, so that they need not import this package.
func (e *UnavailableError) Unavailable() bool { return true }

// LogValue shows the issuer and the cause, which Error hides.
func (e *UnavailableError) LogValue() slog.Value {
	return slog.GroupValue(slog.String(logIssuer, e.Issuer), slog.String(logError, e.Err.Error()), slog.Duration(logRetryAfter, e.RetryAfter))
}

// Bearer gives the token of the request's Authorization header. Without that header it answers "", false and no error:
// the caller is anonymous. A header that is there but is not one usable bearer token is an ErrInvalidToken, never an
// anonymous caller, so that a typing error does not pass for a public request. The query string and the body are not
// looked at: what stands there ends up in logs and histories.
func Bearer(r *http.Request) (string, bool, error) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", false, invalidf("%d Authorization headers", len(headers))
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, invalidf("the Authorization header has another scheme than Bearer")
	}
	token = strings.Trim(token, " ")
	if len(token) > MaxTokenBytes {
		return "", false, invalidf("the token has %d bytes, more than %d", len(token), MaxTokenBytes)
	}
	if !isBearerText(token) {
		return "", false, invalidf("the bearer token is empty or has characters that none can have")
	}
	return token, true, nil
}

// isBearerText tells whether s is a b64token of RFC 6750: letters, digits and -._~+/ with = at the end only.
func isBearerText(s string) bool {
	s = strings.TrimRight(s, "=")
	for _, c := range []byte(s) {
		if !isAlphanumeric(c) && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
