package authz

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"steward/internal/domain"
)

// PlatformType and PlatformID name the one object that the provider is.
const (
	PlatformType = "platform"
	PlatformID   = "steward"
)

// request is what the engine keeps for one GraphQL operation.
type request struct {
	mu       sync.Mutex
	plans    map[planKey]*selPlan
	refusals map[refusalKey]*refusal
	order    []refusalKey
	viewed   map[domain.AccountID]map[string]bool // what staff looked at
	objects  int                                  // that were loaded so far
	worked   int                                  // fields and questions, see maxWork
}

// maxObjects is how many objects one operation may load. Lists within lists multiply: a short query could ask for millions.
const maxObjects = 50_000

// errTooManyObjects ends an operation as a whole.
var errTooManyObjects = domain.Invalid("", "This operation leads to more than 50,000 objects: ask for smaller pages, or for less at a time.")

// maxWork is how many fields one operation may answer and questions it may ask, below the objects that it loads. A page of
// 100 objects with 50 fields each is 5,000.
const maxWork = 300_000

// errTooMuchWork ends an operation as a whole.
var errTooMuchWork = domain.Invalid("", "This operation asks for more than 300,000 fields in all: ask for smaller pages, or for fewer fields.")

// work counts what an operation asks and answers, and ends it when it is too much.
func (r *request) work(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.worked += n; r.worked > maxWork {
		return errTooMuchWork
	}
	return nil
}

// spend counts objects that an operation has loaded, and ends it when they are too many.
func spend(ctx context.Context, objects int) error {
	r := requestOf(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.objects += objects; r.objects > maxObjects {
		return errTooManyObjects
	}
	return nil
}

// unspend takes back objects that a load had read which begins again.
func (r *request) unspend(objects int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.objects -= objects
}

type refusalKey struct{ typ, field string }

type refusal struct {
	permission, reason string
	path               ast.Path
	count              int
}

const statsKey = "steward_authz"

func newRequest() *request {
	return &request{plans: map[planKey]*selPlan{}, refusals: map[refusalKey]*refusal{}}
}

func requestOf(ctx context.Context) *request {
	r, _ := graphql.GetOperationContext(ctx).Stats.GetExtension(statsKey).(*request)
	return r
}

// refuse notes that a field was refused. The answer tells it once per type and field.
func (r *request) refuse(fc *graphql.FieldContext, permission, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := refusalKey{fc.Object, fc.Field.Name}
	if have := r.refusals[k]; have != nil {
		have.count++
		if path := fc.Path(); slices.CompareFunc(path, have.path, comparePaths) < 0 {
			have.path = path // fields are resolved side by side: the first of the answer is named, whoever came first
		}
		return
	}
	r.refusals[k] = &refusal{permission: permission, reason: reason, path: fc.Path(), count: 1}
	r.order = append(r.order, k)
}

// comparePaths orders two steps of a path: list places by number, all else by name.
func comparePaths(a, b ast.PathElement) int {
	i, isIndex := a.(ast.PathIndex)
	j, alsoIndex := b.(ast.PathIndex)
	if isIndex && alsoIndex {
		return cmp.Compare(i, j)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// errors returns one FORBIDDEN for each type and field that was refused.
func (r *request) errors() gqlerror.List {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.order, func(a, b refusalKey) int {
		return cmp.Or(strings.Compare(a.typ, b.typ), strings.Compare(a.field, b.field))
	})
	var out gqlerror.List
	for _, k := range r.order {
		f := r.refusals[k]
		out = append(out, &gqlerror.Error{
			Message: "You may not see " + k.typ + "." + k.field + " here: it needs the permission " + f.permission + ".",
			Path:    f.path,
			Extensions: map[string]any{
				"code": string(domain.CodeForbidden), "required": f.permission, "reason": f.reason,
				"type": k.typ, "field": k.field, "count": f.count,
			},
		})
	}
	return out
}

// noteViews notes what a caller of the provider's staff is shown of accounts. Others leave no trace by reading.
func (e *Engine) noteViews(ctx context.Context, req *request, objs []Object) {
	if len(ActorFrom(ctx).Staff) == 0 {
		return
	}
	for _, o := range objs {
		n := o.guarded()
		if n.ref.Tenant == "" || !e.Visible(o) {
			continue
		}
		var seen []string
		for i, p := range e.policy.perms[n.ref.Type] {
			if strings.HasPrefix(p, "view_") && n.can(1<<i) {
				seen = append(seen, p)
			}
		}
		req.saw(n.ref.Tenant, seen)
	}
}

// saw notes what staff saw of an account, for the audit log.
func (r *request) saw(account domain.AccountID, permissions []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.viewed == nil {
		r.viewed = map[domain.AccountID]map[string]bool{}
	}
	if r.viewed[account] == nil {
		r.viewed[account] = map[string]bool{}
	}
	for _, p := range permissions {
		r.viewed[account][p] = true
	}
}

func (r *request) takeViewed() map[domain.AccountID][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[domain.AccountID][]string, len(r.viewed))
	for account, perms := range r.viewed {
		out[account] = slices.Sorted(maps.Keys(perms))
	}
	r.viewed = nil
	return out
}
