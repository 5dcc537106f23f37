package authz

import (
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Rows are resolved side by side, in any order. The refusal names the first of the answer all the same.
func TestRequest_refuse_names_the_first_path(t *testing.T) {
	r := newRequest()
	for _, i := range []int{10, 9, 2, 30} {
		row := &graphql.FieldContext{Index: &i}
		f := graphql.CollectedField{Field: &ast.Field{Name: "email", Alias: "email"}}
		r.refuse(&graphql.FieldContext{Parent: row, Object: "Contact", Field: f}, "view_contact_details", "permission_not_held")
	}
	errs := r.errors()
	if len(errs) != 1 || errs[0].Path.String() != "[2].email" || errs[0].Extensions["count"] != 4 {
		t.Errorf("%v %v", errs, errs[0].Extensions)
	}
}
