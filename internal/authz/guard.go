package authz

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"steward/internal/domain"
)

// CanDirective is @can on a field: it answers from the bits that the planner has put into the object. What @can says of
// a type or a mutation is enforced by InterceptField, on the concrete object; gqlgen runs it here too, and it passes.
func (e *Engine) CanDirective(ctx context.Context, obj any, next graphql.Resolver, permission string, _ *string) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	fp := e.fieldOf(fc)
	if fp == nil {
		return nil, domain.Forbidden(permission, "no_policy")
	}
	o, ok := obj.(Object)
	if fp.access != accessCan || fp.permission != permission || !ok {
		return next(ctx)
	}
	n := o.guarded()
	if err := e.know(ctx, n, fp.bit); err != nil {
		return nil, err
	}
	if n.can(fp.bit) {
		return next(ctx)
	}
	requestOf(ctx).refuse(fc, permission, e.reason(ActorFrom(ctx), Question{n.ref, permission}))
	return nil, nil
}

// AnswerDirective is @answer on a field of a viewerCan type: the caller's own permission on the object.
func (e *Engine) AnswerDirective(ctx context.Context, obj any, _ graphql.Resolver, _ string) (any, error) {
	fp := e.fieldOf(graphql.GetFieldContext(ctx))
	o, ok := obj.(Object)
	if fp == nil || !ok {
		return false, nil
	}
	n := o.guarded()
	if err := e.know(ctx, n, fp.bit); err != nil {
		return nil, err
	}
	return n.can(fp.bit), nil
}

// SignedInDirective is @signedIn on a field.
func (e *Engine) SignedInDirective(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	actor := ActorFrom(ctx)
	if actor.Anonymous() {
		return nil, domain.Unauthenticated()
	}
	fc := graphql.GetFieldContext(ctx)
	if fp := e.fieldOf(fc); fc.Object == e.policy.schema.Mutation.Name && fp != nil && fp.access == accessSignedIn && !actor.Scope.Full() {
		err := domain.Forbidden(fc.Field.Name, "token_scope")
		err.Message = "A token that is narrowed by a scope cannot do this. Use one without a scope, or sign in."
		return nil, err
	}
	return next(ctx)
}

func (e *Engine) fieldOf(fc *graphql.FieldContext) *fieldPolicy {
	if t := e.policy.types[fc.Object]; t != nil {
		return t.fields[fc.Field.Name]
	}
	return nil
}

// know makes sure that the bits are known. The planner has seen to it; where it has not, the question is asked now, and counted.
func (e *Engine) know(ctx context.Context, n *Node, b uint64) error {
	if b&^n.known.Load() == 0 {
		return nil
	}
	e.unplanned.Add(1)
	asks := asking{}
	asks.need(n, b)
	_, err := e.ask(ctx, asks)
	return err
}

// Planned returns the child of an object that was loaded ahead for the field that is being resolved. A child that no
// plan foresaw is loaded now, for this object alone, and counted.
func Planned[T any](ctx context.Context, e *Engine, obj Object) (T, error) {
	var zero T
	fc := graphql.GetFieldContext(ctx)
	n := obj.guarded()
	s, ok := n.slot(fc.Field.Field)
	if !ok {
		e.unplanned.Add(1)
		oc, req := graphql.GetOperationContext(ctx), requestOf(ctx)
		name := n.typ + "." + fc.Field.Name
		loader := e.loaders[name]
		if loader == nil {
			return zero, domain.Unavailable("planner", nil)
		}
		k := &kid{name: name, field: fc.Field, loader: loader, sels: e.below(oc, fc.Field)}
		if _, err := e.fetch(ctx, oc, req, []*load{e.start(ctx, oc, k, obj)}); err != nil {
			return zero, err
		}
		s, _ = n.slot(fc.Field.Field)
	}
	if s.err != nil {
		return zero, s.err
	}
	v, _ := s.value.(T)
	return v, nil
}

// Extension plugs the engine into gqlgen.
type Extension struct{ *Engine }

// ExtensionName names the extension in gqlgen's statistics.
func (Extension) ExtensionName() string { return "Authorization" }

// Validate refuses a schema other than the one that the policy was compiled from.
func (x Extension) Validate(schema graphql.ExecutableSchema) error {
	if schema.Schema() != x.policy.schema {
		return errors.New("the policy was compiled from another schema than the one that is served")
	}
	return nil
}

// InterceptOperation gives each operation its own state.
func (x Extension) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	graphql.GetOperationContext(ctx).Stats.SetExtension(statsKey, newRequest())
	return next(ctx)
}

// InterceptResponse adds the refusals to the answer, and has written down what staff saw before it leaves.
func (x Extension) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	resp := next(ctx)
	if resp == nil || !graphql.HasOperationContext(ctx) {
		return resp
	}
	req := requestOf(ctx)
	if req == nil {
		return resp
	}
	if viewed := req.takeViewed(); len(viewed) > 0 {
		if err := x.viewed(ctx, ActorFrom(ctx), clip(graphql.GetOperationContext(ctx).Operation.Name), viewed); err != nil {
			x.log.ErrorContext(ctx, "answer withheld: staff view not recorded", "error", err)
			withheld := domain.Unavailable("audit log", err)
			return &graphql.Response{Errors: gqlerror.List{{
				Message: withheld.Message, Extensions: map[string]any{"code": string(withheld.Code)},
			}}}
		}
	}
	resp.Errors = append(resp.Errors, req.errors()...)
	return resp
}

// clip keeps what a caller named their operation from filling the audit log.
func clip(name string) string { return name[:min(len(name), 100)] }

// InterceptField enforces the policy of mutations before they run, and of types on every object that a field returned.
func (x Extension) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	if fc.Object == x.policy.schema.Mutation.Name {
		if err := x.mayMutate(ctx, fc); err != nil {
			return nil, err
		}
	}
	res, err := next(ctx)
	if err != nil || res == nil || len(fc.Field.Selections) == 0 {
		return res, err
	}
	return x.show(ctx, fc, res)
}

// show plans what stands below the objects of a result, and takes out those that do not exist for the caller.
func (e *Engine) show(ctx context.Context, fc *graphql.FieldContext, res any) (any, error) {
	objs := objectsOf(res)
	if len(objs) == 0 {
		if t := e.policy.types[fc.Field.Definition.Type.Name()]; t != nil && (t.access == accessCan || t.access == accessAnswers) && holdsAny(res) {
			return nil, fmt.Errorf("%s.%s answers %T, which is guarded and carries no answers: embed authz.Node", fc.Object, fc.Field.Name, res)
		}
		return res, nil
	}
	oc, req := graphql.GetOperationContext(ctx), requestOf(ctx)
	for _, o := range objs {
		if !e.planned(oc, req, o.guarded(), fc.Field.Selections) {
			if err := e.plan(ctx, objs, fc.Field.Selections); err != nil {
				return nil, err
			}
			break
		}
	}
	e.noteViews(ctx, req, objs)
	if o, ok := res.(Object); ok {
		if !e.Visible(o) {
			return nil, nil
		}
		return res, nil
	}
	return e.visible(res), nil
}

// holdsAny reports whether a result is neither nil nor a list of nothing.
func holdsAny(res any) bool {
	v := reflect.ValueOf(res)
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			if holdsAny(v.Index(i).Interface()) {
				return true
			}
		}
		return false
	case reflect.Pointer:
		return !v.IsNil()
	}
	return v.IsValid()
}

// visible returns a copy of a list with nil in place of what the caller may not see.
func (e *Engine) visible(list any) any {
	v := reflect.ValueOf(list)
	out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	for i := range v.Len() {
		o, ok := v.Index(i).Interface().(Object)
		if ok && !reflect.ValueOf(o).IsNil() && !e.Visible(o) {
			continue
		}
		out.Index(i).Set(v.Index(i))
	}
	return out.Interface()
}

// mayMutate asks, before a mutation runs, whether its object exists for the caller and whether they hold what the
// mutation, and each input field that was given, needs. The service asks again under the tenant's lock.
func (e *Engine) mayMutate(ctx context.Context, fc *graphql.FieldContext) error {
	fp := e.fieldOf(fc)
	if fp == nil {
		return domain.Forbidden(fc.Field.Name, "no_policy")
	}
	if fp.access != accessCan {
		return nil // @signedIn and @public speak for themselves
	}
	actor := ActorFrom(ctx)
	if actor.Anonymous() {
		return domain.Unauthenticated()
	}
	input, _ := fc.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)["input"].(map[string]any)
	if key, _ := input["idempotencyKey"].(string); key != "" {
		// A repetition answers as the first call did, also when that call removed the object or gave the right away. The
		// service, under the lock, looks whether it is one, and asks for the permission if it is not.
		if repeats, err := e.repeats(ctx, actor, key); err != nil || repeats {
			return err
		}
	}
	ref, err := e.target(ctx, fp, input)
	if err != nil {
		return err
	}
	qs := []Question{{ref, fp.permission}}
	for _, field := range slices.Sorted(maps.Keys(fp.input)) {
		q := Question{ref, fp.input[field]}
		if v, given := input[field]; given && v != nil && !slices.Contains(qs, q) {
			qs = append(qs, q)
		}
	}
	return e.Require(ctx, actor, qs...)
}

func (e *Engine) target(ctx context.Context, fp *fieldPolicy, input map[string]any) (Ref, error) {
	if fp.idField == "" {
		return Ref{Type: PlatformType, ID: PlatformID}, nil
	}
	global, _ := input[fp.idField].(string)
	typ, id, ok := domain.ParseGlobalID(global)
	if !ok || snake(typ) != fp.of {
		return Ref{}, domain.NotFound()
	}
	return e.locate(ctx, Ref{Type: fp.of, ID: id})
}

// Require answers nil when the actor holds every permission asked about, NOT_FOUND when an object does not exist for
// them, and FORBIDDEN with the first permission that they lack. Services call it under the tenant's lock.
func (e *Engine) Require(ctx context.Context, actor domain.Actor, qs ...Question) error {
	if actor.Anonymous() {
		return domain.Unauthenticated()
	}
	all := make([]Question, 0, 2*len(qs))
	for _, q := range qs {
		all = append(all, q)
		if view := e.policy.View(q.Ref.Type); view != "" {
			all = append(all, Question{q.Ref, view})
		} else {
			all = append(all, q)
		}
	}
	got, err := e.Can(ctx, actor, all...)
	if err != nil {
		return err
	}
	for i, q := range qs {
		if !got[2*i+1] && q.Ref.Type != PlatformType {
			return domain.NotFound()
		}
	}
	for i, q := range qs {
		if !got[2*i] {
			return domain.Forbidden(q.Permission, e.reason(actor, q))
		}
	}
	return nil
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationInterceptor
	graphql.ResponseInterceptor
	graphql.FieldInterceptor
} = Extension{}
