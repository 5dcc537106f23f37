package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// SpiceDB reads its flags from variables of their names. Those that the Compose file sets are flags of the version that
// steward itself is built with, which is also the image's.
func TestCompose_spicedbIsToldRealFlags(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", "github.com/authzed/spicedb").Output()
	if err != nil {
		t.Fatal(err)
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	source := flagSource(t, dir)
	told := 0
	each(t, func(t *testing.T, s types.ServiceConfig) {
		for name := range s.Environment {
			flag, ok := strings.CutPrefix(name, "SPICEDB_")
			if !ok || s.Build != nil || !strings.HasPrefix(s.Image, "authzed/") {
				continue
			}
			flag = strings.ReplaceAll(strings.ToLower(flag), "_", "-")
			_, suffix, _ := strings.Cut(flag, "-") // some are made of a prefix and the rest
			if told++; !strings.Contains(source, `"`+name+"=") && !strings.Contains(source, `"`+flag+`"`) && !strings.Contains(source, `"-`+suffix+`"`) && !strings.Contains(source, `"`+suffix+`"`) {
				t.Errorf("SpiceDB %s has no flag --%s", version, flag)
			}
		}
		if strings.HasPrefix(s.Image, "authzed/") && s.Image != "authzed/spicedb:"+version {
			t.Errorf("the image is %s, steward is built with %s", s.Image, version)
		}
	})
	if told < 8 {
		t.Errorf("SpiceDB is told %d flags", told)
	}
}

// flagSource is the text of the files in which SpiceDB names its flags, and of its own Compose files for those that a
// library of it names.
func flagSource(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"pkg/cmd/serve.go", "pkg/cmd/datastore/*.go", "pkg/cmd/util/*.go", "pkg/cmd/migrate.go", "pkg/releases/cli.go", "docker-compose*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("SpiceDB has no %s", pattern)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(text)
		}
	}
	return b.String()
}
