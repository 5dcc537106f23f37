package spicedb_test

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// A google/cel-go above SpiceDB's own compiles regular expressions anew for each checked item: 6 to 14 times the time.
func TestCelGo_is_the_version_that_SpiceDB_requires(t *testing.T) {
	const celGo, spiceDB = "github.com/google/cel-go", "github.com/authzed/spicedb"
	var module struct{ Version, GoMod string }
	goJSON(t, &module, "list", "-m", "-json", spiceDB)
	if module.Version != "v1.56.0" {
		t.Errorf("SpiceDB is %s; measure again before it changes", module.Version)
	}
	var its struct {
		Require []struct{ Path, Version string }
	}
	goJSON(t, &its, "mod", "edit", "-json", module.GoMod)
	var required string
	for _, r := range its.Require {
		if r.Path == celGo {
			required = r.Version
		}
	}
	var ours struct {
		Version string
		Replace *struct{ Version string }
	}
	goJSON(t, &ours, "list", "-m", "-json", celGo)
	if ours.Replace != nil || ours.Version != required || required != "v0.27.0" {
		t.Errorf("%s is %s (replaced: %v), SpiceDB requires %s", celGo, ours.Version, ours.Replace != nil, required)
	}
}

func goJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatal(err)
	}
}
