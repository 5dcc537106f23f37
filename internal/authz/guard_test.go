package authz

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

type thing struct{ Node }

// A guarded type whose Go value carries no answers, and a node of a type that the policy does not know, are shown to nobody.
func TestEngine_fails_closed(t *testing.T) {
	e := New(Options{Policy: &Policy{types: map[string]*typePolicy{"Thing": {name: "Thing", access: accessCan}, "Open": {name: "Open", access: accessPublic}}}})
	field := func(typ string) *graphql.FieldContext {
		return &graphql.FieldContext{Object: "Query", Field: graphql.CollectedField{Field: &ast.Field{Name: "f", Definition: &ast.FieldDefinition{Type: ast.NamedType(typ, nil)}}}}
	}
	type plain struct{}
	for name, tc := range map[string]struct {
		typ  string
		res  any
		fail bool
	}{
		"plain":                  {"Thing", &plain{}, true},
		"list of plain":          {"Thing", []*plain{nil, {}}, true},
		"nothing":                {"Thing", (*plain)(nil), false},
		"empty list":             {"Thing", []*plain{}, false},
		"list of nothing":        {"Thing", []*plain{nil}, false},
		"of a type that is open": {"Open", &plain{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.show(t.Context(), field(tc.typ), tc.res)
			if (err != nil) != tc.fail || (tc.fail && !strings.Contains(err.Error(), "Query.f")) {
				t.Errorf("got %v", err)
			}
		})
	}
	if unknown := (&thing{NewNode("Thin", Ref{})}); e.Visible(unknown) {
		t.Error("a node of an unknown type is visible")
	}
	if known := (&thing{NewNode("Thing", Ref{})}); !e.Visible(known) {
		t.Error("a node of a known type without a view permission is hidden")
	}
}
