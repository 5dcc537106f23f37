package authz

import (
	"context"
	"math/bits"
	"reflect"
	"unsafe"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// selPlan is what a selection needs of each object of one type: the bits of its fields, and the children to load ahead.
type selPlan struct {
	bits uint64
	kids []*kid
}

// kid is a child field that is loaded for all objects of a level at once.
type kid struct {
	name   string // "Type.field"
	field  graphql.CollectedField
	loader Loader
	guard  uint64 // what the parent must answer yes to before its child is loaded
	sels   []ast.SelectionSet
	width  int // how many fields stand below each object, children that are loaded apart not counted
}

type planKey struct {
	sel *ast.Selection
	n   int
	typ string
}

// level is a step of the plan: objects of one position in the query, with the selections that stand below it.
type level struct {
	objs []Object
	sels []ast.SelectionSet
}

// plan asks for everything that the selection below the objects needs, level by level: one question for the objects, one
// for all children of all of them, and so on. What is known already is not asked again.
func (e *Engine) plan(ctx context.Context, objs []Object, sels ...ast.SelectionSet) error {
	oc, req := graphql.GetOperationContext(ctx), requestOf(ctx)
	now := []level{{objs, sels}}
	asks := asking{}
	for _, o := range objs {
		n := o.guarded()
		asks.need(n, e.needs(oc, req, n.typ, sels))
	}
	if _, err := e.ask(ctx, asks); err != nil {
		return err
	}
	for len(now) > 0 {
		next, err := e.descend(ctx, oc, req, now)
		if err != nil {
			return err
		}
		now = next
	}
	return nil
}

// descend loads the children of a level and asks about all of them at once. It returns them as the next level.
func (e *Engine) descend(ctx context.Context, oc *graphql.OperationContext, req *request, now []level) ([]level, error) {
	var loads []*load
	for _, l := range now {
		loads = append(loads, e.loads(ctx, oc, req, l)...)
	}
	return e.fetch(ctx, oc, req, loads)
}

// needs returns the bits that the selections ask of an object of this type.
func (e *Engine) needs(oc *graphql.OperationContext, req *request, typ string, sels []ast.SelectionSet) uint64 {
	b := e.viewBit(typ)
	for _, sel := range sels {
		b |= e.compile(oc, req, sel, typ).bits
	}
	return b
}

// Visible reports whether an object exists for the caller, by the answers that are known. One of a type that the policy
// does not know exists for nobody.
func (e *Engine) Visible(o Object) bool {
	n := o.guarded()
	t := e.policy.types[n.typ]
	return t != nil && n.can(t.view)
}

// shows reports whether an object exists for the caller and answers yes to the named permissions too.
func (e *Engine) shows(o Object, permissions []string) bool {
	n := o.guarded()
	for _, p := range permissions {
		if !n.can(e.policy.bits[n.ref.Type][p]) {
			return false
		}
	}
	return e.Visible(o)
}

func (e *Engine) viewBit(typ string) uint64 {
	if t := e.policy.types[typ]; t != nil {
		return t.view
	}
	return 0
}

// compile works out what a selection needs of an object of the type, once per request.
func (e *Engine) compile(oc *graphql.OperationContext, req *request, sel ast.SelectionSet, typ string) *selPlan {
	if len(sel) == 0 {
		return &selPlan{}
	}
	key := planKey{unsafe.SliceData(sel), len(sel), typ}
	req.mu.Lock()
	p := req.plans[key]
	req.mu.Unlock()
	if p != nil {
		return p
	}
	p = e.build(oc, req, sel, typ)
	req.mu.Lock()
	defer req.mu.Unlock()
	if have := req.plans[key]; have != nil {
		return have
	}
	req.plans[key] = p
	return p
}

func (e *Engine) build(oc *graphql.OperationContext, req *request, sel ast.SelectionSet, typ string) *selPlan {
	p := &selPlan{}
	t := e.policy.types[typ]
	if t == nil {
		return p
	}
	p.bits = t.view
	for _, f := range graphql.CollectFields(oc, sel, t.satisfies) {
		fp := t.fields[f.Name]
		if fp == nil { // __typename
			continue
		}
		p.bits |= fp.bit
		switch elem := e.policy.types[fp.elem]; {
		case elem == nil:
		case elem.access == accessAnswers:
			for _, a := range graphql.CollectFields(oc, f.Selections, elem.satisfies) {
				if ap := elem.fields[a.Name]; ap != nil {
					p.bits |= ap.bit
				}
			}
		case fp.part:
			p.bits |= e.compile(oc, req, f.Selections, fp.elem).bits
		}
		if name := typ + "." + f.Name; e.loaders[name] != nil {
			p.kids = append(p.kids, &kid{
				name: name, field: f, loader: e.loaders[name], guard: t.view | fp.bit, sels: e.below(oc, f), width: e.weigh(oc, f.Selections),
			})
		}
	}
	return p
}

// weigh counts the fields of a selection, without what stands below children that are loaded apart. The front door bounds
// how many fields a document has, fragments written out.
func (e *Engine) weigh(oc *graphql.OperationContext, sel ast.SelectionSet) (n int) {
	for _, f := range graphql.CollectFields(oc, sel, nil) {
		n++
		if f.ObjectDefinition == nil || e.loaders[f.ObjectDefinition.Name+"."+f.Name] == nil {
			n += e.weigh(oc, f.Selections)
		}
	}
	return n
}

// below returns the selections that stand on the objects of a field: its own, or for a connection those of edges.node.
func (e *Engine) below(oc *graphql.OperationContext, f graphql.CollectedField) []ast.SelectionSet {
	typ := f.Definition.Type.Name()
	t := e.policy.types[typ]
	if t == nil || t.access != accessContainer {
		return []ast.SelectionSet{f.Selections}
	}
	var out []ast.SelectionSet
	for _, edges := range graphql.CollectFields(oc, f.Selections, t.satisfies) {
		if edges.Name != "edges" {
			continue
		}
		edge := e.policy.types[edges.Definition.Type.Name()]
		for _, node := range graphql.CollectFields(oc, edges.Selections, edge.satisfies) {
			if node.Name == "node" {
				out = append(out, node.Selections)
			}
		}
	}
	return out
}

// planned reports whether everything below an object is known, so that there is nothing to ask.
func (e *Engine) planned(oc *graphql.OperationContext, req *request, n *Node, sel ast.SelectionSet) bool {
	p := e.compile(oc, req, sel, n.typ)
	if p.bits&^n.known.Load() != 0 {
		return false
	}
	for _, k := range p.kids {
		if _, have := n.slot(k.field.Field); !have && n.can(k.guard) {
			return false
		}
	}
	return true
}

// asking collects the bits to ask about, once for each object of SpiceDB however often it stands in the answer.
type asking struct {
	refs  map[Ref]*want
	order []Ref
}

type want struct {
	bits uint64
	dst  []*answers
}

func (a *asking) need(n *Node, b uint64) {
	b &^= n.known.Load()
	if b == 0 {
		return
	}
	if a.refs == nil {
		a.refs = map[Ref]*want{}
	}
	w := a.refs[n.ref]
	if w == nil {
		w = &want{}
		a.refs[n.ref] = w
		a.order = append(a.order, n.ref)
	}
	w.bits |= b
	w.dst = append(w.dst, n.answers)
}

// ask puts one wave to the checker for all that was collected and hands the answers to the objects.
func (e *Engine) ask(ctx context.Context, a asking) (Vector, error) {
	if len(a.order) == 0 {
		return Vector{}, nil
	}
	asks := make([]Ask, len(a.order))
	n := 0
	for i, ref := range a.order {
		asks[i] = Ask{ref, a.refs[ref].bits}
		n += bits.OnesCount64(asks[i].Bits)
	}
	e.asked.Add(int64(n))
	if err := requestOf(ctx).work(n); err != nil {
		return Vector{}, err
	}
	got, err := e.look(ctx, ActorFrom(ctx), asks)
	if err != nil {
		return Vector{}, err
	}
	for i, ref := range a.order {
		w := a.refs[ref]
		for _, dst := range w.dst {
			dst.allowed.Or(got.Allowed[i])
			dst.known.Or(w.bits)
		}
	}
	return got.At, nil
}

// objectsOf returns the guarded objects that a resolver's result holds: one, or those of a list.
func objectsOf(res any) []Object {
	if o, ok := res.(Object); ok {
		if reflect.ValueOf(o).IsNil() {
			return nil
		}
		return []Object{o}
	}
	v := reflect.ValueOf(res)
	if v.Kind() != reflect.Slice {
		return nil
	}
	var out []Object
	for i := range v.Len() {
		if o, ok := v.Index(i).Interface().(Object); ok && !reflect.ValueOf(o).IsNil() {
			out = append(out, o)
		}
	}
	return out
}
