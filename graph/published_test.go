package graph_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/app"
)

var publish = flag.Bool("publish", false, "publish the present SDL: run it after an addition, never to get a break through")

// published is the SDL that integrators build against. The present one may add to it and may deprecate; it breaks nothing.
const published = "published.graphql"

func TestPublished(t *testing.T) {
	now := app.SDL()
	b, err := os.ReadFile(published)
	if err != nil && !*publish {
		t.Fatal(err)
	}
	for _, breaking := range breaks(load(t, string(b)), load(t, now)) {
		t.Errorf("breaks what integrators use: %s (deprecate it instead)", breaking)
	}
	if *publish && !t.Failed() {
		if err := os.WriteFile(published, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if now != string(b) {
		t.Error("the SDL has additions that are not published: go test ./graph -publish")
	}
}

// TestDescriptions holds that an integrator reads of every field what it is, and of every guarded one what comes back
// when it is refused.
func TestDescriptions(t *testing.T) {
	schema := load(t, app.SDL())
	for name, def := range schema.Types {
		if def.BuiltIn || (def.Kind != ast.Object && def.Kind != ast.Interface) {
			continue
		}
		for _, f := range def.Fields {
			can := f.Directives.ForName("can")
			switch {
			case strings.HasPrefix(f.Name, "__"):
			case f.Description == "":
				t.Errorf("%s.%s has no description", name, f.Name)
			case can != nil && !strings.Contains(f.Description, "efused"):
				t.Errorf("%s.%s does not say what comes back when refused", name, f.Name)
			case can != nil && !strings.Contains(f.Description, can.Arguments.ForName("permission").Value.Raw) && !strings.Contains(f.Description, "Needs"):
				t.Errorf("%s.%s does not say what it needs", name, f.Name)
			}
		}
	}
}

func TestBreaks(t *testing.T) {
	const old = `
		type Query { a(x: Int, y: Int = 1): String b: [E!]! c(i: I): N }
		enum E { P Q } input I { m: Int n: Int! } interface N { id: ID! } type T implements N { id: ID! } union U = T | Query`
	for name, c := range map[string]struct {
		sdl  string
		want int
	}{
		"the same": {old, 0},
		"additions": {`type Query { a(x: Int, y: Int = 1, z: Int): String! b: [E!]! c(i: I): N d: Int }
			enum E { P Q R } input I { m: Int n: Int o: Int p: Int! = 1 } interface N { id: ID! } type T implements N { id: ID! z: Int } union U = T | Query`, 0},
		"a field gone":                   {`type Query { a(x: Int, y: Int = 1): String b: [E!]! } enum E { P Q } input I { m: Int n: Int! } interface N { id: ID! } type T implements N { id: ID! } union U = T | Query`, 1},
		"a type gone":                    {`type Query { a(x: Int, y: Int = 1): String b: [E!]! c(i: I): N } enum E { P Q } input I { m: Int n: Int! } interface N { id: ID! } union U = Query`, 2},
		"answers that turn nullable":     {`type Query { a(x: Int, y: Int = 1): String b: [E] c(i: I): N } enum E { P Q } input I { m: Int n: Int! } interface N { id: ID! } type T implements N { id: ID! } union U = T | Query`, 1},
		"an argument gone, one required": {`type Query { a(y: Int = 1, z: Int!): String b: [E!]! c(i: I): N } enum E { P Q } input I { m: Int n: Int! } interface N { id: ID! } type T implements N { id: ID! } union U = T | Query`, 2},
		"input stricter":                 {`type Query { a(x: Int, y: Int = 1): String b: [E!]! c(i: I): N } enum E { P Q } input I { m: Int! n: Int! o: Int! } interface N { id: ID! } type T implements N { id: ID! } union U = T | Query`, 2},
		"an enum value gone":             {`type Query { a(x: Int, y: Int = 1): String b: [E!]! c(i: I): N } enum E { P } input I { m: Int n: Int! } interface N { id: ID! } type T implements N { id: ID! } union U = T | Query`, 1},
		"an interface gone":              {`type Query { a(x: Int, y: Int = 1): String b: [E!]! c(i: I): N } enum E { P Q } input I { m: Int n: Int! } interface N { id: ID! } type T { id: ID! } union U = T | Query`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := breaks(load(t, old), load(t, c.sdl)); len(got) != c.want {
				t.Errorf("%d breaks, want %d: %v", len(got), c.want, got)
			}
		})
	}
}

func load(t *testing.T, sdl string) *ast.Schema {
	t.Helper()
	if sdl == "" {
		return &ast.Schema{}
	}
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema", Input: sdl})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// breaks names what a client of the old schema could use and cannot use of the present one.
func breaks(old, now *ast.Schema) (out []string) {
	for name, was := range old.Types {
		is := now.Types[name]
		switch {
		case was.BuiltIn:
		case is == nil || is.Kind != was.Kind:
			out = append(out, "type "+name+" is gone")
		case was.Kind == ast.InputObject:
			out = append(out, inputBreaks(was, is)...)
		default:
			out = append(out, outputBreaks(was, is)...)
		}
	}
	slices.Sort(out)
	return out
}

func outputBreaks(was, is *ast.Definition) (out []string) {
	for _, f := range was.Fields {
		at := was.Name + "." + f.Name
		g := is.Fields.ForName(f.Name)
		if g == nil {
			out = append(out, at+" is gone")
			continue
		}
		if !covers(f.Type, g.Type) {
			out = append(out, fmt.Sprintf("%s was %s and is %s", at, f.Type, g.Type))
		}
		for _, a := range f.Arguments {
			if b := g.Arguments.ForName(a.Name); b == nil {
				out = append(out, at+"("+a.Name+") is gone")
			} else if !covers(b.Type, a.Type) {
				out = append(out, fmt.Sprintf("%s(%s) took %s and takes %s", at, a.Name, a.Type, b.Type))
			}
		}
		for _, b := range g.Arguments {
			if f.Arguments.ForName(b.Name) == nil && b.Type.NonNull && b.DefaultValue == nil {
				out = append(out, at+"("+b.Name+") is new and required")
			}
		}
	}
	for _, v := range was.EnumValues {
		if is.EnumValues.ForName(v.Name) == nil {
			out = append(out, was.Name+"."+v.Name+" is gone")
		}
	}
	for _, name := range append(slices.Clone(was.Interfaces), was.Types...) {
		if !slices.Contains(is.Interfaces, name) && !slices.Contains(is.Types, name) {
			out = append(out, was.Name+" and "+name+" have parted")
		}
	}
	return out
}

func inputBreaks(was, is *ast.Definition) (out []string) {
	for _, f := range was.Fields {
		if g := is.Fields.ForName(f.Name); g == nil {
			out = append(out, was.Name+"."+f.Name+" is gone")
		} else if !covers(g.Type, f.Type) && !(g.DefaultValue != nil && covers(g.Type, ast.NonNullNamedType(f.Type.Name(), nil))) {
			out = append(out, fmt.Sprintf("%s.%s took %s and takes %s", was.Name, f.Name, f.Type, g.Type))
		}
	}
	for _, g := range is.Fields {
		if was.Fields.ForName(g.Name) == nil && g.Type.NonNull && g.DefaultValue == nil {
			out = append(out, was.Name+"."+g.Name+" is new and required")
		}
	}
	return out
}

// covers reports whether every value of type narrow is one of type wide.
func covers(wide, narrow *ast.Type) bool {
	if wide.NonNull && !narrow.NonNull {
		return false
	}
	if wide.Elem != nil || narrow.Elem != nil {
		return wide.Elem != nil && narrow.Elem != nil && covers(wide.Elem, narrow.Elem)
	}
	return wide.NamedType == narrow.NamedType
}
