package authz

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Policy is what the SDL says of who may see and do what, compiled once at start-up. It is complete or it does not exist:
// NewPolicy refuses a schema in which any field has no policy.
type Policy struct {
	schema *ast.Schema
	types  map[string]*typePolicy
	perms  map[string][]string          // definition -> permissions that the SDL names; the index is the bit
	bits   map[string]map[string]uint64 // definition -> permission -> bit
	ops    map[string]string            // permission that only an input field names -> its mutation's permission
}

type access int

const (
	accessInherit   access = iota // as open as the object that holds it
	accessPublic                  // open to everybody
	accessSignedIn                // open to every signed-in caller
	accessCan                     // asks SpiceDB
	accessContainer               // a connection, an edge, a payload: as open as what it holds
	accessAnswers                 // a viewerCan type
)

type typePolicy struct {
	name      string
	access    access
	def       string // the definition in schema.zed, for accessCan and accessAnswers
	view      uint64 // the bit without which an object of this type does not exist
	satisfies []string
	fields    map[string]*fieldPolicy
}

type fieldPolicy struct {
	access     access
	permission string
	of         string
	bit        uint64            // on the object that holds the field, when `of` is its own definition
	input      map[string]string // of a mutation: input field -> the permission that giving it needs
	idField    string            // of a mutation: the input field that names the object
	elem       string            // the composite type that the field leads to (through a connection), or ""
	part       bool              // elem is a part of this object: same definition, same answers
}

// Definitions tells which permissions each definition of schema.zed has, for NewPolicy to hold the SDL against.
type Definitions map[string][]string

// NewPolicy compiles the policy of a schema. It fails, naming the type and the field, for a field without a policy, a
// guarded field that is not nullable, a permission or definition that schema.zed does not have, and a mutation whose
// input does not name the object that is asked about.
func NewPolicy(schema *ast.Schema, defs Definitions) (*Policy, error) {
	p := &Policy{
		schema: schema, types: map[string]*typePolicy{}, perms: map[string][]string{},
		bits: map[string]map[string]uint64{}, ops: map[string]string{},
	}
	names := make([]string, 0, len(schema.Types))
	for name, def := range schema.Types {
		if def.Kind == ast.Object && !strings.HasPrefix(name, "__") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if err := p.addType(schema.Types[name], defs); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if err := p.addFields(schema.Types[name], defs); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Permissions returns the permissions of a definition that the SDL names, in the order of their bits.
func (p *Policy) Permissions(def string) []string { return slices.Clone(p.perms[def]) }

// AllPermissions is Permissions for every definition.
func (p *Policy) AllPermissions() map[string][]string { return maps.Clone(p.perms) }

// Operation returns the operation of the law that a permission belongs to: itself, or for a permission that only guards
// an input field, the permission of the mutation that takes it. A token's scope is written in operations.
func (p *Policy) Operation(permission string) string {
	if op, ok := p.ops[permission]; ok {
		return op
	}
	return permission
}

// View returns the permission without which an object of the definition does not exist for a caller, or "" when the SDL
// has no type for the definition.
func (p *Policy) View(def string) string {
	for _, t := range p.types {
		if t.access == accessCan && t.def == def && snake(t.name) == def {
			return p.perms[def][bits.TrailingZeros64(t.view)]
		}
	}
	return ""
}

// FilterNeeds returns the permissions that the given fields of a filter need on each object that they may find.
func (p *Policy) FilterNeeds(input string, given map[string]any) []string {
	def := p.schema.Types[input]
	if def == nil {
		return nil
	}
	var out []string
	for _, f := range def.Fields {
		if v, ok := given[f.Name]; !ok || v == nil {
			continue
		}
		if _, permission, _, err := directives(f.Directives); err == nil && permission != "" && !slices.Contains(out, permission) {
			out = append(out, permission)
		}
	}
	return out
}

// Knows reports whether the SDL names the permission for any definition.
func (p *Policy) Knows(permission string) bool {
	for _, perms := range p.perms {
		if slices.Contains(perms, permission) {
			return true
		}
	}
	return false
}

func (p *Policy) bit(def, permission string, defs Definitions) (uint64, error) {
	if b, ok := p.bits[def][permission]; ok {
		return b, nil
	}
	have, ok := defs[def]
	if !ok {
		return 0, fmt.Errorf("schema.zed has no definition %q", def)
	}
	if !slices.Contains(have, permission) {
		return 0, fmt.Errorf("schema.zed has no permission %q on %q", permission, def)
	}
	if p.bits[def] == nil {
		p.bits[def] = map[string]uint64{}
	}
	n := len(p.perms[def])
	if n == 64 {
		return 0, fmt.Errorf("the SDL names more than 64 permissions of %q", def)
	}
	p.bits[def][permission] = 1 << n
	p.perms[def] = append(p.perms[def], permission)
	return 1 << n, nil
}

func (p *Policy) addType(def *ast.Definition, defs Definitions) error {
	t := &typePolicy{name: def.Name, fields: map[string]*fieldPolicy{}, satisfies: satisfies(p.schema, def)}
	acc, permission, of, err := directives(def.Directives)
	if err != nil {
		return fmt.Errorf("type %s: %w", def.Name, err)
	}
	t.access = acc
	switch {
	case acc == accessCan:
		if t.def = of; of == "" {
			t.def = snake(def.Name)
		}
		if t.view, err = p.bit(t.def, permission, defs); err != nil {
			return fmt.Errorf("type %s: %w", def.Name, err)
		}
	case acc != accessInherit:
	case def == p.schema.Query || def == p.schema.Mutation || def == p.schema.Subscription:
	case strings.HasSuffix(def.Name, "ViewerCan"):
		t.access, t.def = accessAnswers, snake(strings.TrimSuffix(def.Name, "ViewerCan"))
	case strings.HasSuffix(def.Name, "Connection"), strings.HasSuffix(def.Name, "Edge"), strings.HasSuffix(def.Name, "Payload"):
		t.access = accessContainer
	default:
		return fmt.Errorf("type %s has no policy: put @can, @signedIn or @public on it", def.Name)
	}
	p.types[def.Name] = t
	return nil
}

func (p *Policy) addFields(def *ast.Definition, defs Definitions) error {
	t := p.types[def.Name]
	for _, f := range def.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		fp, err := p.fieldPolicy(def, t, f, defs)
		if err != nil {
			return fmt.Errorf("field %s.%s: %w", def.Name, f.Name, err)
		}
		t.fields[f.Name] = fp
	}
	return nil
}

func (p *Policy) fieldPolicy(def *ast.Definition, t *typePolicy, f *ast.FieldDefinition, defs Definitions) (*fieldPolicy, error) {
	acc, permission, of, err := directives(f.Directives)
	if err != nil {
		return nil, err
	}
	fp := &fieldPolicy{access: acc, permission: permission, of: of, elem: p.elem(f.Type.Name())}
	root := def == p.schema.Query || def == p.schema.Mutation || def == p.schema.Subscription
	switch {
	case def == p.schema.Mutation && acc == accessCan:
		return fp, p.mutation(fp, f, defs)
	case root && (acc == accessInherit || acc == accessCan):
		return nil, fmt.Errorf("a root field needs @signedIn or @public, and a mutation may have @can")
	case root:
		return fp, nil
	case t.access == accessAnswers:
		a := f.Directives.ForName("answer")
		if a == nil {
			return nil, fmt.Errorf("a viewerCan field needs @answer(permission)")
		}
		fp.access, fp.permission = accessAnswers, a.Arguments.ForName("permission").Value.Raw
		fp.bit, err = p.bit(t.def, fp.permission, defs)
		return fp, err
	case acc == accessCan:
		if t.access != accessCan || (of != "" && of != t.def) {
			return nil, fmt.Errorf("@can on a field asks about the object that holds it: its type needs @can of the same definition")
		}
		if f.Type.NonNull {
			return nil, fmt.Errorf("a guarded field is nullable: refused, it answers null")
		}
		if fp.bit, err = p.bit(t.def, permission, defs); err != nil {
			return nil, err
		}
	}
	if e := p.types[fp.elem]; e != nil && e.access == accessCan && t.access == accessCan && f.Type.Elem == nil && e.def == t.def && e.name != t.name {
		fp.part = true
	}
	return fp, nil
}

// mutation reads what a mutation with @can asks about: the definition `of`, the object that input.<of>Id names (none for
// the platform, there is one), and the permissions that single input fields need beyond.
func (p *Policy) mutation(fp *fieldPolicy, f *ast.FieldDefinition, defs Definitions) error {
	if fp.of == "" {
		return fmt.Errorf("@can on a mutation needs `of`, the definition that it asks about")
	}
	if f.Type.NonNull {
		return fmt.Errorf("a guarded mutation is nullable: refused, it answers null")
	}
	if _, err := p.bit(fp.of, fp.permission, defs); err != nil {
		return err
	}
	arg := f.Arguments.ForName("input")
	if arg == nil || len(f.Arguments) != 1 {
		return fmt.Errorf("a mutation takes one argument, `input`")
	}
	in := p.schema.Types[arg.Type.Name()]
	if fp.of != PlatformType {
		fp.idField = camel(fp.of) + "Id"
		if id := in.Fields.ForName(fp.idField); id == nil || !id.Type.NonNull || id.Type.Name() != "ID" {
			return fmt.Errorf("input %s needs `%s: ID!`, the object that is asked about", in.Name, fp.idField)
		}
	}
	fp.input = map[string]string{}
	for _, field := range in.Fields {
		_, permission, _, err := directives(field.Directives)
		if err != nil {
			return err
		}
		if permission == "" {
			continue
		}
		if _, err := p.bit(fp.of, permission, defs); err != nil {
			return fmt.Errorf("input field %s.%s: %w", in.Name, field.Name, err)
		}
		fp.input[field.Name] = permission
		p.ops[permission] = fp.permission
	}
	return nil
}

// elem returns the guarded or plain object type that a field's type leads to: of a connection, the type of its nodes.
func (p *Policy) elem(name string) string {
	def := p.schema.Types[name]
	if def == nil || def.Kind != ast.Object {
		return ""
	}
	if !strings.HasSuffix(name, "Connection") {
		return name
	}
	if edges := def.Fields.ForName("edges"); edges != nil {
		if edge := p.schema.Types[edges.Type.Name()]; edge != nil {
			if node := edge.Fields.ForName("node"); node != nil {
				return node.Type.Name()
			}
		}
	}
	return ""
}

func directives(ds ast.DirectiveList) (acc access, permission, of string, err error) {
	n := 0
	if ds.ForName("public") != nil {
		acc, n = accessPublic, n+1
	}
	if ds.ForName("signedIn") != nil {
		acc, n = accessSignedIn, n+1
	}
	if d := ds.ForName("can"); d != nil {
		acc, n = accessCan, n+1
		permission = d.Arguments.ForName("permission").Value.Raw
		if a := d.Arguments.ForName("of"); a != nil {
			of = a.Value.Raw
		}
	}
	if n > 1 {
		return 0, "", "", fmt.Errorf("more than one of @can, @signedIn and @public")
	}
	return acc, permission, of, nil
}

func satisfies(schema *ast.Schema, def *ast.Definition) []string {
	out := []string{def.Name}
	for _, i := range schema.GetImplements(def) {
		out = append(out, i.Name)
	}
	return out
}

// snake returns "api_token" for "ApiToken".
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// camel returns "apiToken" for "api_token".
func camel(s string) string {
	parts := strings.Split(s, "_")
	for i := range parts[1:] {
		parts[i+1] = strings.ToUpper(parts[i+1][:1]) + parts[i+1][1:]
	}
	return strings.Join(parts, "")
}
