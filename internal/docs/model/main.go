// Command model draws schema.zed as Mermaid diagrams into a Markdown file, between the two lines that mark the place.
//
//	go run ./internal/docs/model docs/model.md
package main

import (
	"fmt"
	"os"
	"strings"

	"steward"
)

// The lines between which the pictures stand.
const (
	begin = "<!-- drawn from schema.zed by `go generate ./internal/docs`; do not edit up to the next such line -->"
	end   = "<!-- end of what is drawn from schema.zed -->"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "model: name the Markdown file to draw into")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "model:", err)
		os.Exit(1)
	}
}

func rewrite(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fresh, err := redraw(string(page), steward.SchemaZed)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(fresh), 0o644)
}

// redraw returns the page with the pictures of the schema in place of those that it has.
func redraw(page, schema string) (string, error) {
	before, rest, ok := strings.Cut(page, begin+"\n")
	_, after, closed := strings.Cut(rest, end+"\n")
	if !ok || !closed {
		return "", fmt.Errorf("it has no line %q, or no line %q after it", begin, end)
	}
	defs, err := parse(schema)
	if err != nil {
		return "", err
	}
	return before + begin + "\n" + draw(defs) + end + "\n" + after, nil
}
