package resolvers

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers/node"
)

const internalMessage = "Something went wrong here. Tell the operator the request id."

// PresentError returns the one presenter of errors: it turns whatever a resolver, a directive or the executor answers into
// what a caller may read, a message and `extensions.code`. The cause goes to the log alone.
func PresentError(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		var given *gqlerror.Error
		if errors.As(err, &given) && isOfDocument(given) {
			message, _, _ := strings.Cut(given.Message, " Did you mean ")
			return presented(ctx, given, message, map[string]any{"code": string(domain.CodeBadUserInput)})
		}
		if e, ok := errors.AsType[*domain.Error](err); ok {
			if e.Err != nil || e.Code == domain.CodeInternal {
				log.ErrorContext(ctx, "field failed", "code", e.Code, "path", graphql.GetPath(ctx).String(), "error", err)
			}
			return presented(ctx, given, e.Message, extensions(e))
		}
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, store.ErrBusy) || errors.Is(err, store.ErrUnavailable) {
			log.WarnContext(ctx, "field unavailable", "code", domain.CodeUnavailable, "path", graphql.GetPath(ctx).String(), "error", err)
			late := domain.Unavailable("server", err)
			return presented(ctx, given, late.Message, extensions(late))
		}
		log.ErrorContext(ctx, "field failed", "code", domain.CodeInternal, "path", graphql.GetPath(ctx).String(), "error", err)
		return presented(ctx, given, internalMessage, map[string]any{"code": string(domain.CodeInternal)})
	}
}

// isOfDocument reports whether an error says that the document was refused, by the parser or by the validation.
func isOfDocument(err *gqlerror.Error) bool {
	code, _ := err.Extensions["code"].(string)
	return code == errcode.ParseFailed || code == errcode.ValidationFailed
}

// extensions returns what a program can read of an error.
func extensions(e *domain.Error) map[string]any {
	out := map[string]any{"code": string(e.Code)}
	for key, v := range map[string]string{"field": e.Field, "required": e.Required, "reason": e.Reason} {
		if v != "" {
			out[key] = v
		}
	}
	if e.Change != "" {
		out["change"] = domain.GlobalID(node.TypeChange, e.Change)
	}
	return out
}

// presented keeps where an error stands and nothing else of it.
func presented(ctx context.Context, given *gqlerror.Error, message string, extensions map[string]any) *gqlerror.Error {
	out := &gqlerror.Error{Message: message, Path: graphql.GetPath(ctx), Extensions: extensions}
	if given != nil {
		out.Locations = given.Locations
		if given.Path != nil {
			out.Path = given.Path
		}
	}
	return out
}
