//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
)

// Reach stops the goroutine for good when STEWARD_FAILPOINT names the step, after it has said so on standard error.
func Reach(step string) {
	if os.Getenv("STEWARD_FAILPOINT") == step {
		fmt.Fprintln(os.Stderr, "failpoint reached: "+step)
		select {}
	}
}
