package servers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Program is one process of a program that a test runs, as other computers would.
type Program struct{ process *process }

// Start starts a program in a folder of its own and returns when it has written the line that says it is ready. It is killed
// when the test ends.
func Start(t testing.TB, ready string, cmd *exec.Cmd) *Program {
	t.Helper()
	dir, err := newDir("program")
	need(t, err)
	cmd.Dir, cmd.SysProcAttr = dir, attributes(syscall.SIGKILL)
	p, err := startProcess(t.Context(), cmd, ready)
	need(t, err)
	t.Cleanup(func() { done(t, p.end(syscall.SIGKILL), dir) })
	return &Program{p}
}

// Kill ends the program as a power failure would, and returns when it has ended.
func (p *Program) Kill() error { return p.process.end(syscall.SIGKILL) }

// Pause stops the program where it is: connections stay open, and nothing answers.
func (p *Program) Pause() error { return p.process.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused program go on.
func (p *Program) Resume() error { return p.process.cmd.Process.Signal(syscall.SIGCONT) }

// Log returns the last lines that the program has written.
func (p *Program) Log() string { return p.process.log.String() }

// Lines counts the lines among the last ones that hold a text.
func (p *Program) Lines(text string) (n int) {
	for line := range strings.Lines(p.Log()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// Build builds a program of this module into a folder that ends with the process.
func Build(pkg, name string, flags ...string) (string, error) {
	dir, err := newDir(name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	args := append(append([]string{"build", "-o", path}, flags...), pkg)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}
