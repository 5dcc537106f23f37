package spicedb_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/authzed/spicedb/pkg/schemadsl/compiler"

	"steward"
	"steward/internal/relation"
)

func TestSchema_is_mirrored_in_Go(t *testing.T) {
	compiled, err := compiler.Compile(compiler.InputSchema{Source: "schema.zed", SchemaString: steward.SchemaZed}, compiler.AllowUnprefixedObjectType())
	if err != nil {
		t.Fatal(err)
	}
	if len(compiled.CaveatDefinitions) > 0 {
		t.Error("a caveat makes answers conditional, and a conditional answer never allows")
	}
	var got []relation.Definition
	for _, o := range compiled.ObjectDefinitions {
		d := relation.Definition{Type: o.GetName()}
		for _, r := range o.GetRelation() {
			if r.GetUsersetRewrite() == nil {
				d.Relations = append(d.Relations, r.GetName())
			} else {
				d.Permissions = append(d.Permissions, r.GetName())
			}
		}
		got = append(got, d)
	}
	want := relation.Definitions()
	if len(got) != len(want) {
		t.Fatalf("schema.zed has %d definitions, package relation %d", len(got), len(want))
	}
	for i, d := range got {
		if d.Type != want[i].Type || !slices.Equal(d.Relations, want[i].Relations) || !slices.Equal(d.Permissions, want[i].Permissions) {
			t.Errorf("schema.zed:\n%q\npackage relation:\n%q", d, want[i])
		}
		for _, name := range slices.Concat([]string{d.Type}, d.Relations, d.Permissions) {
			if len(name) < 3 || len(name) > 64 {
				t.Errorf("%s: the name %q has %d characters; 3 to 64 are allowed", d.Type, name, len(name))
			}
		}
	}
}

var (
	comment    = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	permission = regexp.MustCompile(`(?m)^\s*permission\s+(\w+)\s*=\s*(.+)$`)
)

func TestSchema_mixed_operators_stand_in_parentheses(t *testing.T) {
	found := permission.FindAllStringSubmatch(comment.ReplaceAllString(steward.SchemaZed, ""), -1)
	all := 0
	for _, d := range relation.Definitions() {
		all += len(d.Permissions)
	}
	if len(found) != all {
		t.Errorf("read %d permissions, schema.zed has %d: a permission must stand on one line", len(found), all)
	}
	for _, m := range found {
		if err := plainOperators(m[2]); err != nil {
			t.Errorf("permission %s = %s: %v", m[1], m[2], err)
		}
	}
	for expr, ok := range map[string]bool{
		"a + b + c": true, "a & b & c": true, "a - b": true, "a->b + c->d": true, "(a + b) & c": true, "a - (b + (c & d))": true,
		"a + b & c": false, "a - b + c": false, "a + b - c": false, "(a + b & c) - d": false, "a - b - c": false, "(a) & b + (c)": false,
		"(a": false, "a)": false, "a - (b": false,
	} {
		if err := plainOperators(expr); (err == nil) != ok {
			t.Errorf("%s: got %v", expr, err)
		}
	}
}

// plainOperators refuses an expression that mixes operators between the same parentheses, or excludes twice.
func plainOperators(expr string) error {
	seen := []string{""} // the operators of each open pair of parentheses
	for _, r := range strings.ReplaceAll(expr, "->", ".") {
		top := len(seen) - 1
		switch r {
		case '(':
			seen = append(seen, "")
		case ')':
			if top == 0 {
				return fmt.Errorf("a parenthesis too many")
			}
			seen = seen[:top]
		case '+', '&', '-':
			if seen[top] != "" && (r == '-' || seen[top] != string(r)) {
				return fmt.Errorf("%q and %q need parentheses", seen[top], string(r))
			}
			seen[top] = string(r)
		}
	}
	if len(seen) != 1 {
		return fmt.Errorf("a parenthesis is missing")
	}
	return nil
}
