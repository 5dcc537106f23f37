package failpoint_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/failpoint"
)

// TestReach builds this test once more with the tag and has it come by two steps: it stops at the one that is named.
func TestReach(t *testing.T) {
	if os.Getenv("STEWARD_FAILPOINT") != "" { // this is the program that is built below
		failpoint.Reach("another_step")
		fmt.Fprintln(os.Stderr, "on the way")
		failpoint.Reach("a_step")
		fmt.Fprintln(os.Stderr, "not stopped")
		return
	}
	for _, c := range []struct{ tags, want string }{{"", "not stopped"}, {"failpoints", "failpoint reached: a_step"}} {
		t.Run("tags="+c.tags, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "program.test")
			if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", c.tags, "-o", program, ".").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestReach$")
			cmd.Env = append(os.Environ(), "STEWARD_FAILPOINT=a_step")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var said []string
			for lines := bufio.NewScanner(stderr); len(said) < 2 && lines.Scan(); {
				said = append(said, lines.Text())
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if strings.Join(said, ", ") != "on the way, "+c.want {
				t.Errorf("it said %q", said)
			}
		})
	}
}
