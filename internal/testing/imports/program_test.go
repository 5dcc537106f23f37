package imports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds what a test waits for; on a busy machine a start takes seconds.
const patience = 2 * time.Minute

// built is the program, built once for all tests of this package and without the race detector.
var built = sync.OnceValues(func() (path string, err error) {
	if path = filepath.Join(folder, "steward"); folder == "" {
		return "", errors.New("TestMain has made no folder")
	}
	out, err := exec.Command("go", "build", "-o", path, "steward/cmd/steward").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, err
})

var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "imports-*"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// result is how a program ended.
type result struct {
	code     int
	out, err string
}

// steward runs a command on a data directory to its end.
func steward(t testing.TB, data string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(t, ctx, data, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func command(t testing.TB, ctx context.Context, data string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, append(args, "--data", data)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STEWARD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Dir = data
	return cmd
}

// must is steward for a command that does what it says.
func must(t testing.TB, data string, args ...string) string {
	t.Helper()
	r := steward(t, data, args...)
	if r.code != 0 {
		t.Fatalf("steward %s ended with %d: %s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// install makes a data directory, not of the demo, in which one person has the accounting role.
func install(t testing.TB) (data string) {
	t.Helper()
	data = t.TempDir()
	must(t, data, "staff", "grant", "--issuer", "https://login.example.org", "--subject", "17", "--role", "accounting", "--email", "ana@example.org")
	return data
}

// write puts a pair of files beside the data and returns the arguments that import them.
func write(t testing.TB, f files) []string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"import", "accounts", "-", filepath.Join(dir, "contacts.csv")}
	if f.accounts != "" {
		args[2] = filepath.Join(dir, "accounts.csv")
		if err := os.WriteFile(args[2], []byte(f.accounts), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(args[3], []byte(f.contacts), 0o600); err != nil {
		t.Fatal(err)
	}
	return args
}
