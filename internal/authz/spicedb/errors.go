package spicedb

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// UnavailableError says that SpiceDB gave no answer: a deadline passed, the caller went away, or the connection failed.
// Of a write it leaves open whether it took place; repeating it is safe. Err wraps context.DeadlineExceeded or
// context.Canceled where one of these is the cause.
type UnavailableError struct {
	Op  string // what was tried, for example "check"
	Err error
}

func (e *UnavailableError) Error() string {
	return "spicedb: " + e.Op + ": no answer: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Unavailable reports that trying again later may help.
func (e *UnavailableError) Unavailable() bool { return true }

// ErrClosed is returned by a client after Close.
var ErrClosed = errors.New("spicedb: the client is closed")

// translate makes an error of a call ours: nothing above this package sees a gRPC status.
func translate(ctx context.Context, op string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return &UnavailableError{op, fmt.Errorf("%w: %w", cause, err)}
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return &UnavailableError{op, fmt.Errorf("%w: %w", context.DeadlineExceeded, err)}
	case codes.Unauthenticated, codes.PermissionDenied:
		return fmt.Errorf("spicedb: %s: the server at spicedb-endpoint does not take spicedb-key: %w", op, err)
	case codes.Unavailable, codes.Canceled, codes.Aborted, codes.ResourceExhausted,
		codes.Internal, codes.Unknown: // so it says that its own database is away
		return &UnavailableError{op, err}
	}
	return fmt.Errorf("spicedb: %s: %w", op, err)
}
