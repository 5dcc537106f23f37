package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
	inCode  = regexp.MustCompile("`([^`]+)`")

	word     = regexp.MustCompile(`^[A-Za-z]+(\.[A-Za-z]+)?$`)
	words    = regexp.MustCompile(`[A-Za-z_]+`)
	declared = regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|type )([A-Za-z]+)\b`)
)

// TestLinks follows every link of the pages to a file of this repository, and to the heading in it that the link names.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(textOf(t, page), ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			} else if anchor != "" && !hasAnchor(textOf(t, file), anchor) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
}

// TestWalkthrough_namesWhatIsThere looks for the files that the walk through the house names, and for its functions.
func TestWalkthrough_namesWhatIsThere(t *testing.T) {
	t.Parallel()
	house := namesOf(t)
	named := 0
	for _, m := range inCode.FindAllStringSubmatch(fenced.ReplaceAllString(textOf(t, "../../docs/walkthrough.md"), ""), -1) {
		name := m[1]
		if !strings.HasSuffix(name, ".go") {
			if !word.MatchString(name) {
				continue // a call or a relationship, written out
			}
			name = name[strings.LastIndex(name, ".")+1:]
		}
		if named++; !house[name] {
			t.Errorf("the walkthrough names %s, which is not there", m[1])
		}
	}
	if named < 100 {
		t.Errorf("the walkthrough names %d things of this house", named)
	}
}

func pages(t testing.TB) []string {
	t.Helper()
	out := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/adr/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

func textOf(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hasAnchor reports whether a page has the heading of an anchor: its words in lower case, joined by hyphens.
func hasAnchor(page, anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		if slug == anchor {
			return true
		}
	}
	return false
}

// namesOf returns what the walkthrough may name: files by every end of their paths, folders, functions, types, and the words
// of the SDL and of schema.zed.
func namesOf(t testing.TB) map[string]bool {
	t.Helper()
	names := map[string]bool{"house_test.go": true}
	for _, root := range []string{"../../cmd", "../../internal", "../../resolvers"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.IsDir() && !strings.HasSuffix(path, ".go") {
				return err
			}
			for parts := strings.Split(path, "/")[2:]; len(parts) > 0; parts = parts[1:] {
				names[strings.Join(parts, "/")] = true
			}
			if !d.IsDir() {
				for _, m := range declared.FindAllStringSubmatch(textOf(t, path), -1) {
					names[m[1]] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	schema, err := filepath.Glob("../../graph/*.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(schema, "../../schema.zed") {
		for _, w := range words.FindAllString(textOf(t, path), -1) {
			names[w] = true
		}
	}
	return names
}
