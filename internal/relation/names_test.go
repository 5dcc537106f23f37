package relation_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"steward/internal/relation"
)

// Each constant stands in Definitions, which package spicedb's tests compare with schema.zed, and each name has a constant.
func TestNames(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	consts := map[string][]string{}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			value, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			name, kind := v.Names[0].Name, "permission"
			switch {
			case name == "PlatformID":
				continue
			case strings.HasPrefix(name, "Type"):
				name, kind = name[4:], "type"
			case strings.HasPrefix(name, "Rel"):
				name, kind = name[3:], "relation"
			}
			if strings.ToLower(name) != strings.ReplaceAll(value, "_", "") {
				t.Errorf("the constant %s stands for %q", v.Names[0].Name, value)
			}
			consts[kind] = append(consts[kind], value)
		}
	}
	defined := map[string][]string{}
	for _, d := range relation.Definitions() {
		defined["type"] = append(defined["type"], d.Type)
		defined["relation"] = append(defined["relation"], d.Relations...)
		defined["permission"] = append(defined["permission"], d.Permissions...)
	}
	for _, kind := range []string{"type", "relation", "permission"} {
		slices.Sort(consts[kind])
		slices.Sort(defined[kind])
		if got, want := consts[kind], slices.Compact(defined[kind]); !slices.Equal(got, want) {
			t.Errorf("%ss: constants\n%v\nDefinitions\n%v", kind, got, want)
		}
	}
}
