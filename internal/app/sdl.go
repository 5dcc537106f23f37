package app

import (
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// SDL returns the API's schema as callers read it: with the directives of the policy, and without those that only steer the
// code generator (@goField, @goModel).
func SDL() string {
	schema := *parsedSchema()
	schema.Directives = maps.Clone(schema.Directives)
	maps.DeleteFunc(schema.Directives, func(name string, _ *ast.DirectiveDefinition) bool { return forGenerator(name) })
	schema.Types = maps.Clone(schema.Types)
	for name, def := range schema.Types {
		shown := *def
		shown.Directives = shownDirectives(def.Directives)
		shown.Fields = nil
		for _, f := range def.Fields {
			field := *f
			field.Directives = shownDirectives(f.Directives)
			shown.Fields = append(shown.Fields, &field)
		}
		schema.Types[name] = &shown
	}
	var b strings.Builder
	formatter.NewFormatter(&b, formatter.WithIndent("  ")).FormatSchema(&schema)
	return strings.ReplaceAll(b.String(), "\n}\n", "\n}\n\n")
}

func forGenerator(directive string) bool { return strings.HasPrefix(directive, "go") }

func shownDirectives(list ast.DirectiveList) ast.DirectiveList {
	return slices.DeleteFunc(slices.Clone(list), func(d *ast.Directive) bool { return forGenerator(d.Name) })
}
