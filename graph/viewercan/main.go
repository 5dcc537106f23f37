// Command viewercan writes viewercan.graphqls: for each object with a field viewerCan, a type with a boolean for every
// permission that @can asks on that object. Run it in the folder of the SDL.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

const (
	output = "viewercan.graphqls"
	suffix = "ViewerCan"
	goType = "steward/resolvers/node.ViewerCan"
)

func main() {
	sdl, err := generate(".")
	if err == nil {
		err = os.WriteFile(output, []byte(sdl), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "viewercan:", err)
		os.Exit(1)
	}
}

// generate returns what viewercan.graphqls must hold for the other SDL files in dir.
func generate(dir string) (string, error) {
	doc, err := parse(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Generated from the @can of the other files by `go generate ./graph`. DO NOT EDIT.\n")
	for _, name := range answerTypes(doc) {
		def := snake(strings.TrimSuffix(name, suffix))
		uses := usesOf(doc, def)
		if len(uses) == 0 {
			return "", fmt.Errorf("%s would be empty: no @can asks for a permission of %s", name, def)
		}
		fmt.Fprintf(&b, "\n\"What the caller may do with this %s.\"\n", words(def))
		fmt.Fprintf(&b, "type %s @goModel(model: %q) {\n", name, goType)
		for _, u := range uses {
			fmt.Fprintf(&b, "  \"True when the caller may use %s here. Never refused.\"\n", u.text())
			fmt.Fprintf(&b, "  %s: Boolean! @answer(permission: %q) @goField(name: \"Answer\")\n", camel(u.permission), u.permission)
		}
		b.WriteString("}\n")
	}
	return b.String(), nil
}

// parse reads the SDL files of dir but the one that is generated. They refer to it, so they are not a valid schema alone.
func parse(dir string) (*ast.SchemaDocument, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.graphqls"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var sources []*ast.Source
	for _, f := range files {
		if filepath.Base(f) == output {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		sources = append(sources, &ast.Source{Name: f, Input: string(text)})
	}
	return parser.ParseSchemas(sources...)
}

// answerTypes returns the names of the types to write, in the order of the alphabet.
func answerTypes(doc *ast.SchemaDocument) []string {
	var names []string
	for _, def := range slices.Concat(doc.Definitions, doc.Extensions) {
		for _, f := range def.Fields {
			if def.Kind == ast.Object && f.Name == "viewerCan" && strings.HasSuffix(f.Type.Name(), suffix) && !slices.Contains(names, f.Type.Name()) {
				names = append(names, f.Type.Name())
			}
		}
	}
	slices.Sort(names)
	return names
}

// use is a permission and what it is needed for: mutations, single fields of their inputs, and fields of the object.
type use struct {
	permission string
	mutations  []string
	fields     []string
}

func (u use) text() string {
	return list(slices.Concat(u.mutations, u.fields))
}

// usesOf returns the permissions of a definition that any @can names beyond that of the type itself, in the order in
// which the SDL names them: mutations first.
func usesOf(doc *ast.SchemaDocument, def string) []use {
	var uses []use
	at := func(permission string) *use {
		for i := range uses {
			if uses[i].permission == permission {
				return &uses[i]
			}
		}
		uses = append(uses, use{permission: permission})
		return &uses[len(uses)-1]
	}
	all := slices.Concat(doc.Definitions, doc.Extensions)
	for _, d := range all {
		for _, f := range d.Fields {
			permission, of := can(f.Directives)
			if d.Name != "Mutation" || permission == "" || of != def {
				continue
			}
			u := at(permission)
			u.mutations = append(u.mutations, "`"+f.Name+"`")
			for _, in := range inputFields(all, f) {
				if p, _ := can(in.Directives); p != "" {
					u := at(p)
					u.fields = append(u.fields, "`"+in.Name+"` of `"+f.Name+"`")
				}
			}
		}
	}
	for _, d := range all {
		permission, of := can(d.Directives)
		if d.Kind != ast.Object || permission == "" || (of != def && (of != "" || snake(d.Name) != def)) {
			continue
		}
		for _, f := range d.Fields {
			if p, _ := can(f.Directives); p != "" {
				u := at(p)
				u.fields = append(u.fields, "`"+f.Name+"`")
			}
		}
	}
	return uses
}

func inputFields(all ast.DefinitionList, mutation *ast.FieldDefinition) ast.FieldList {
	arg := mutation.Arguments.ForName("input")
	if arg == nil {
		return nil
	}
	if in := all.ForName(arg.Type.Name()); in != nil {
		return in.Fields
	}
	return nil
}

// can returns what @can says, or "" without one.
func can(ds ast.DirectiveList) (permission, of string) {
	d := ds.ForName("can")
	if d == nil {
		return "", ""
	}
	if a := d.Arguments.ForName("permission"); a != nil {
		permission = a.Value.Raw
	}
	if a := d.Arguments.ForName("of"); a != nil {
		of = a.Value.Raw
	}
	return permission, of
}

// list joins names as a sentence does: "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// words returns "API token" for "api_token".
func words(def string) string {
	return strings.ReplaceAll(strings.ReplaceAll(def, "_", " "), "api ", "API ")
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
