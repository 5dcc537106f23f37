package deploy

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instructions returns the Dockerfile's lines without comments.
func instructions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestDockerfile(t *testing.T) {
	var bases, last []string
	for _, line := range instructions(t) {
		if base, ok := strings.CutPrefix(line, "FROM "); ok {
			bases = append(bases, strings.Fields(base)[0])
			last = nil
		}
		last = append(last, line)
	}
	if len(bases) != 3 || bases[2] != "scratch" {
		t.Fatalf("the stages are %v", bases)
	}
	for _, base := range bases[:2] {
		if !pinned.MatchString(base) {
			t.Errorf("%s is not pinned by a version", base)
		}
	}
	for _, want := range []string{`USER 65532:65532`, `ENTRYPOINT ["/steward"]`, `CMD ["serve"]`} {
		if !slices.Contains(last, want) {
			t.Errorf("the last stage has no %s", want)
		}
	}
	final := strings.Join(last, "\n")
	if !strings.Contains(final, `CMD ["/steward", "healthcheck"]`) || strings.Contains(final, "\nRUN ") || regexp.MustCompile(`(?m)^(ENTRYPOINT|CMD|HEALTHCHECK.* CMD) [^\[]`).MatchString(final) {
		t.Errorf("the last stage needs a shell, which it has not:\n%s", final)
	}
	for name := range strings.FieldsSeq(regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(final)[1]) {
		if name, _, _ = strings.Cut(name, "="); !slices.Contains(settings(t), name) {
			t.Errorf("steward has no setting %s", name)
		}
	}
}

// The image is built with a Go that go.mod takes.
func TestDockerfile_goVersion(t *testing.T) {
	image := regexp.MustCompile(`FROM golang:1\.26\.([0-9]+)-`).FindStringSubmatch(strings.Join(instructions(t), "\n"))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	wants := regexp.MustCompile(`(?m)^go 1\.26\.([0-9]+)$`).FindStringSubmatch(string(mod))
	if image == nil || wants == nil || len(image[1]) < len(wants[1]) || len(image[1]) == len(wants[1]) && image[1] < wants[1] {
		t.Errorf("the image's Go is %v, go.mod wants %v", image, wants)
	}
}

// The context that the engine is sent has everything that the program is built of, and nothing that is secret or large.
func TestDockerignore(t *testing.T) {
	ignored := ignore(t)
	for _, path := range sources(t) {
		if ignored(path) {
			t.Errorf("the program is built of %s, which is ignored", path)
		}
	}
	for _, path := range []string{
		".git/config", ".env", ".env.local", "internal/.env", "data/steward.db", "data/demo/issuer.key", "bin/steward", "playground/node_modules/vite/package.json",
		"playground/dist/app/index.html", "internal/service/account_test.go", "internal/testing/world/world.go", "docs/api.md", "docker-compose.yml", "certificates/spicedb.key",
	} {
		if !ignored(path) {
			t.Errorf("%s is sent to the engine", path)
		}
	}
}

// ignore reads .dockerignore: the last pattern that fits a path, or a folder that it is in, decides. Of the patterns there it
// knows * and **.
func ignore(t *testing.T) func(path string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		path *regexp.Regexp
		out  bool
	}
	var rules []rule
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, in := strings.CutPrefix(line, "!")
		pattern = strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(pattern))
		rules = append(rules, rule{regexp.MustCompile(`^` + pattern + `(/.*)?$`), !in})
	}
	return func(path string) bool {
		out := false
		for _, r := range rules {
			if r.path.MatchString(path) {
				out = r.out
			}
		}
		return out
	}
}

// sources are the files that `go build ./cmd/steward` and the playground's bundle read.
func sources(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		`{{if and .Module .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`, "./cmd/steward")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"go.mod", "go.sum", "playground/package.json", "playground/package-lock.json", "playground/vite.config.js", "playground/src/topbar.tsx"}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if path, ok := strings.CutPrefix(lines.Text(), top+"/"); ok && !strings.HasPrefix(path, "playground/dist/app/") { // that is made in the image
			files = append(files, path)
		}
	}
	if len(files) < 100 {
		t.Fatalf("the program is built of %d files", len(files))
	}
	return files
}
