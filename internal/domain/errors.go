package domain

import "errors"

// Code is the machine-readable kind of an error, the same in `extensions.code` and in `userErrors.code`.
type Code string

// The codes of the API. There are no others.
const (
	CodeUnauthenticated Code = "UNAUTHENTICATED"
	CodeForbidden       Code = "FORBIDDEN"
	CodeNotFound        Code = "NOT_FOUND"
	CodeBadUserInput    Code = "BAD_USER_INPUT"
	CodeConflict        Code = "CONFLICT"
	CodeAuthzPending    Code = "AUTHZ_PENDING"
	CodeRateLimited     Code = "RATE_LIMITED"
	CodeUnavailable     Code = "UNAVAILABLE"
	CodeInternal        Code = "INTERNAL"
)

// Error is a failure with two texts: Message is safe to show to the caller, Err is the cause and goes to the log only.
type Error struct {
	Code    Code
	Message string // a whole sentence: what is wrong and how to mend it
	Field   string // the input field to mend, for example "email"; empty when it is none
	// Required and Reason explain a FORBIDDEN: the permission that was missing and why it was not held.
	Required, Reason string
	// Change is the entry that goes on in the background when Code is AUTHZ_PENDING.
	Change ChangeID
	Err    error
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Pending reports that a change was written and is still on its way.
func (e *Error) Pending() bool { return e.Code == CodeAuthzPending }

// CodeOf returns the code of the first *Error in err's chain, INTERNAL for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Invalid returns a BAD_USER_INPUT that names the field and the mend.
func Invalid(field, message string) *Error {
	return &Error{Code: CodeBadUserInput, Field: field, Message: message}
}

// Conflict returns a CONFLICT: the input is well formed, but the present state forbids it.
func Conflict(field, message string) *Error {
	return &Error{Code: CodeConflict, Field: field, Message: message}
}

// NotFound returns a NOT_FOUND. Its text is the same for a hidden object and for an id that was never given out.
func NotFound() *Error {
	return &Error{Code: CodeNotFound, Message: "There is no such object, or you may not see it."}
}

// Forbidden returns a FORBIDDEN for an operation on an object that the caller may see.
func Forbidden(permission, reason string) *Error {
	return &Error{Code: CodeForbidden, Message: "You may see this object, but this needs the permission " + permission + " on it.", Required: permission, Reason: reason}
}

// Unauthenticated returns an UNAUTHENTICATED.
func Unauthenticated() *Error {
	return &Error{Code: CodeUnauthenticated, Message: "Sign in first: send a bearer token in the Authorization header."}
}

// Unavailable returns an UNAVAILABLE: a part that is needed to decide does not answer. The caller may try again.
func Unavailable(part string, err error) *Error {
	return &Error{Code: CodeUnavailable, Message: "The " + part + " does not answer at present: try again in a moment.", Err: err}
}
