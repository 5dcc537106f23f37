package httpserver_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAudits runs the conformance audits for servers of GraphQL over HTTP that npm's graphql-http brings.
func TestAudits(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the 61 audits of GraphQL over HTTP are not run")
	}
	dir := npmInstall(t)
	f := start(t, nil)
	if types := runNode(t, node, dir, "introspect.mjs", f); string(types) != "Boolean Float ID Int Item Mutation Query String Time Upload UploadInput\n" {
		t.Errorf("a client reads these types from the introspection: %s", types)
	}
	out := runNode(t, node, dir, "audits.mjs", f)
	passed := 0
	for line := range bytes.Lines(out) {
		var audit struct{ ID, Name, Status, Reason string }
		if err := json.Unmarshal(line, &audit); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if audit.Status != "ok" {
			t.Errorf("%s %s: %s %s", audit.ID, audit.Name, audit.Status, audit.Reason)
			continue
		}
		passed++
	}
	if passed != 61 {
		t.Errorf("%d audits passed, want 61", passed)
	}
}

// npmInstall installs what the lock file in testdata/audits names, in a directory of the test.
func npmInstall(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "audits"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

func runNode(t *testing.T, node, dir, script string, f *front) []byte {
	t.Helper()
	run := exec.CommandContext(t.Context(), node, script, "http://"+f.addr+"/graphql")
	run.Dir = dir
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	return out
}
