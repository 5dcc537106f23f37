package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	internalMessage = "something went wrong on our side: the request id leads us to it"
	// maxMessage bounds a message in bytes: validation quotes the document, and a document can hold long literals.
	maxMessage = 500
	// maxErrors is how many errors an answer tells, refusals by right not counted.
	maxErrors = 10
)

var (
	errPanic   = errors.New("a resolver panicked")
	errRequest = errors.New("the document was refused")
)

// deadlineError is the cause of a context whose operation took too long.
type deadlineError struct{ after time.Duration }

func (e *deadlineError) Error() string {
	return fmt.Sprintf("the operation took longer than %s and was stopped: ask for less in one request", e.after)
}

// presenter makes of every error what a caller may read: a known code, a request id, no stack and no driver's text.
type presenter struct {
	app graphql.ErrorPresenterFunc
	log *slog.Logger
}

func (p *presenter) present(ctx context.Context, err error) *gqlerror.Error {
	if err == nil {
		return nil
	}
	late, isLate := errors.AsType[*deadlineError](context.Cause(ctx))
	if ctx.Err() != nil && isContextError(err) && !isPending(err) {
		if isLate {
			return finish(ctx, err, codeUnavailable, late.Error(), late)
		}
		return finish(ctx, err, codeUnavailable, "the caller has left", nil)
	}
	if errors.Is(err, errPanic) {
		return finish(ctx, err, codeInternal, internalMessage, errPanic)
	}
	if ge, ok := errors.AsType[*gqlerror.Error](err); ok && isDocumentError(ge) {
		return finish(ctx, ge, codeBadUserInput, clip(withoutSuggestion(ge.Message)), nil)
	}
	out := graphql.DefaultErrorPresenter(ctx, err)
	if p.app != nil {
		if out = p.app(ctx, err); out == nil {
			return nil
		}
	}
	code, _ := out.Extensions["code"].(string)
	switch {
	case knownCode(code) && code != codeInternal:
		return finish(ctx, out, code, out.Message, nil)
	case isLate: // a driver's own word for a context that ended
		return finish(ctx, out, codeUnavailable, late.Error(), late)
	case isArgumentError(ctx):
		return finish(ctx, out, codeBadUserInput, clip(argumentMessage(err)), nil)
	case code == codeInternal && p.app != nil:
		return finish(ctx, out, codeInternal, internalMessage, nil)
	}
	p.log.ErrorContext(ctx, "error masked", "path", out.Path.String(), "error", err)
	return finish(ctx, out, codeInternal, internalMessage, nil)
}

// isPending reports whether an error says that something was written and is still on its way: that must not be told as if
// it had been stopped.
func isPending(err error) bool {
	var p interface{ Pending() bool }
	return errors.As(err, &p) && p.Pending()
}

// recovered logs what a resolver panicked with. gqlgen presents the error that it returns.
func (p *presenter) recovered(ctx context.Context, value any) error {
	p.log.ErrorContext(ctx, "resolver panicked", "path", graphql.GetPath(ctx).String(),
		"panic", value, "stack", string(debug.Stack()))
	return errPanic
}

// finish returns a copy of err with a code, a message and the request id: one error value can be returned by several
// fields at once, so it is never written to. A masked error loses what its extensions held.
func finish(ctx context.Context, err error, code, message string, cause error) *gqlerror.Error {
	out := &gqlerror.Error{Message: message, Err: cause, Extensions: map[string]any{}}
	if ge, ok := errors.AsType[*gqlerror.Error](err); ok {
		out.Path, out.Locations, out.Rule = ge.Path, ge.Locations, ge.Rule
		if code != codeInternal {
			maps.Copy(out.Extensions, ge.Extensions)
		}
	}
	if out.Path == nil {
		out.Path = graphql.GetPath(ctx)
	}
	out.Extensions["code"] = code
	out.Extensions["requestId"] = RequestID(ctx)
	return out
}

func isContextError(err error) bool {
	if _, ok := errors.AsType[*deadlineError](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// isDocumentError tells parse and validation errors, ours and the executor's, from those of resolvers.
func isDocumentError(err *gqlerror.Error) bool {
	code, _ := err.Extensions["code"].(string)
	return errors.Is(err, errRequest) || code == errcode.ParseFailed || code == errcode.ValidationFailed
}

// isArgumentError reports whether ctx is that of a field whose arguments could not be read, such as a date that is
// none. gqlgen presents such an error before the field has any arguments, and before its resolver runs.
func isArgumentError(ctx context.Context) bool {
	fc := graphql.GetFieldContext(ctx)
	return fc != nil && fc.Args == nil && fc.Field.Field != nil && fc.Field.Definition != nil &&
		len(fc.Field.Definition.Arguments) > 0
}

func argumentMessage(err error) string {
	if ge, ok := errors.AsType[*gqlerror.Error](err); ok {
		return ge.Message
	}
	return err.Error()
}

// withoutSuggestion cuts the names of what a caller did not ask for. The rules in use make no suggestions; this holds
// for those that the executor adds by itself.
func withoutSuggestion(message string) string {
	before, _, _ := strings.Cut(message, " Did you mean ")
	return before
}

func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage
	for cut > 0 && !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}

// trimErrors keeps all refusals by right (there is one per type and field), one error of the deadline, and ten others.
// It returns how many it left off.
func trimErrors(errs gqlerror.List) (kept gqlerror.List, left int) {
	late, others := 0, 0
	for _, e := range errs {
		code, _ := e.Extensions["code"].(string)
		_, isLate := errors.AsType[*deadlineError](e.Err)
		switch {
		case code == codeForbidden:
		case isLate:
			if late++; late > 1 {
				continue // one cause, not one error per field
			}
		default:
			if others++; others > maxErrors {
				left++
				continue
			}
		}
		kept = append(kept, e)
	}
	return kept, left
}
