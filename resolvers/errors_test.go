package resolvers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers"
)

func TestPresentError(t *testing.T) {
	pending := &domain.Error{Code: domain.CodeAuthzPending, Message: "later", Change: "c", Err: errors.New("cause")}
	for name, tc := range map[string]struct {
		err        error
		message    string
		extensions map[string]any
		logged     string
	}{
		"of the domain": {domain.Invalid("email", "mend it"), "mend it", map[string]any{"code": "BAD_USER_INPUT", "field": "email"}, ""},
		"wrapped":       {fmt.Errorf("x: %w", domain.NotFound()), domain.NotFound().Message, map[string]any{"code": "NOT_FOUND"}, ""},
		"forbidden": {domain.Forbidden("edit_account", "token_scope"), domain.Forbidden("edit_account", "").Message,
			map[string]any{"code": "FORBIDDEN", "required": "edit_account", "reason": "token_scope"}, ""},
		"pending":     {pending, "later", map[string]any{"code": "AUTHZ_PENDING", "change": domain.GlobalID("Change", domain.ChangeID("c"))}, "cause"},
		"deadline":    {fmt.Errorf("query: %w", context.DeadlineExceeded), domain.Unavailable("server", nil).Message, map[string]any{"code": "UNAVAILABLE"}, "query"},
		"busy":        {fmt.Errorf("query: %w", store.ErrBusy), domain.Unavailable("server", nil).Message, map[string]any{"code": "UNAVAILABLE"}, "query"},
		"of a driver": {errors.New("no such table: accounts"), "Something went wrong here. Tell the operator the request id.", map[string]any{"code": "INTERNAL"}, "no such table"},
		"of the validation": {&gqlerror.Error{Message: `Cannot query field "nam" on type "Account". Did you mean "name"?`, Extensions: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}},
			`Cannot query field "nam" on type "Account".`, map[string]any{"code": "BAD_USER_INPUT"}, ""},
		"of the parser": {&gqlerror.Error{Message: `Expected Name`, Extensions: map[string]any{"code": "GRAPHQL_PARSE_FAILED"}}, `Expected Name`, map[string]any{"code": "BAD_USER_INPUT"}, ""},
		"extensions of others": {&gqlerror.Error{Message: "secret", Extensions: map[string]any{"stack": "secret"}},
			"Something went wrong here. Tell the operator the request id.", map[string]any{"code": "INTERNAL"}, "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			got := resolvers.PresentError(slog.New(slog.NewTextHandler(&log, nil)))(t.Context(), tc.err)
			if got.Message != tc.message || fmt.Sprint(got.Extensions) != fmt.Sprint(tc.extensions) {
				t.Errorf("got %q %v, want %q %v", got.Message, got.Extensions, tc.message, tc.extensions)
			}
			if tc.logged == "" && log.Len() > 0 || !strings.Contains(log.String(), tc.logged) {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}
