package steward_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// may says which packages of this module a package may import, by their paths below "steward/". Every import points
// towards domain; a package that is not listed here needs a place in the house first. Tests and what serves only them
// may import what they like.
var may = map[string][]string{
	"":                               {},
	"cmd/steward":                    {"internal/app", "internal/config", "internal/domain", "internal/identity/demoissuer"},
	"internal/app":                   {"*"}, // the only wiring
	"resolvers":                      {"graph/generated", "graph/model", "resolvers/node", "internal/service", "internal/change", "internal/authz", "internal/store", "internal/domain"},
	"resolvers/node":                 {"internal/authz", "internal/relation", "internal/domain"},
	"graph":                          {},
	"graph/generated":                {"graph/model", "resolvers/node", "internal/domain"},
	"graph/model":                    {"resolvers/node", "internal/domain"},
	"graph/viewercan":                {},
	"internal/service":               {"internal/change", "internal/authz", "internal/store", "internal/relation", "internal/importer", "internal/identity", "internal/domain"},
	"internal/change":                {"internal/authz", "internal/failpoint", "internal/store", "internal/relation", "internal/domain"},
	"internal/failpoint":             {},
	"internal/authz":                 {"internal/domain"},
	"internal/authz/check":           {"internal/authz"},
	"internal/authz/rediscache":      {"internal/authz/check"},
	"internal/authz/spicedb":         {"internal/authz", "internal/relation"},
	"internal/authz/spicedb/migrate": {"internal/authz/spicedb"},
	"internal/relation":              {"internal/domain"},
	"internal/store":                 {"internal/domain"},
	"internal/store/sqlite":          {"internal/store", "internal/store/migrations"},
	"internal/store/postgres":        {"internal/store", "internal/store/migrations"},
	"internal/store/migrations":      {"internal/store"},
	"internal/observe":               {"internal/authz", "internal/authz/check", "internal/change", "internal/relation", "internal/domain"},
	"internal/mail":                  {"internal/store", "internal/domain"},
	"internal/identity":              {},
	"internal/identity/demoissuer":   {"internal/identity"},
	"internal/importer":              {"internal/domain"},
	"internal/httpserver":            {},
	"internal/config":                {},
	"internal/demo":                  {"internal/domain"},
	"internal/demo/gendata":          {},
	"internal/law":                   {},
	"internal/domain":                {},
	"playground":                     {},
}

// only names libraries that one package alone may import, so that what they bring stays behind one door.
var only = map[string][]string{
	"github.com/authzed/spicedb":    {"internal/authz/spicedb", "internal/authz/spicedb/migrate"},
	"github.com/authzed/authzed-go": {"internal/authz/spicedb"},
	"modernc.org/sqlite":            {"internal/store/sqlite"},
	"github.com/jackc/pgx":          {"internal/store/postgres", "internal/authz/spicedb", "internal/authz/spicedb/migrate"},
	"github.com/uptrace/bun":        {"internal/store", "internal/store/sqlite", "internal/store/postgres"},
	"github.com/redis/go-redis":     {"internal/authz/rediscache"},
	"github.com/maypok86/otter":     {"internal/authz/check"},
	"github.com/prometheus":         {"internal/observe"},
	"go.opentelemetry.io/otel":      {"internal/observe"},
	"github.com/wneessen/go-mail":   {"internal/mail"},
	"github.com/coreos/go-oidc":     {"internal/identity"},
	"github.com/alecthomas/kong":    {"internal/config", "cmd/steward"},
}

func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Standard", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		checkImports(t, strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, "steward"), "/"), p.Imports)
	}
}

func checkImports(t *testing.T, pkg string, imports []string) {
	t.Helper()
	for _, prefix := range []string{"internal/testing", "internal/docs", "internal/store/storetest", "internal/httpserver/testdata", "bench", "tools"} {
		if strings.HasPrefix(pkg, prefix) {
			return
		}
	}
	allowed, listed := may[pkg]
	if !listed {
		t.Errorf("%s has no place in the house: list what it may import", pkg)
		return
	}
	for _, i := range imports {
		own, mine := strings.CutPrefix(i, "steward/")
		switch {
		case mine && !slices.Contains(allowed, own) && !slices.Contains(allowed, "*"):
			t.Errorf("%s imports %s: imports point one way, see the list", pkg, own)
		case pkg == "internal/domain" && strings.Contains(strings.Split(i, "/")[0], "."):
			t.Errorf("domain imports %s: it imports the standard library only", i)
		}
		for lib, doors := range only {
			if (i == lib || strings.HasPrefix(i, lib+"/")) && !slices.Contains(doors, pkg) {
				t.Errorf("%s imports %s, which only %v may", pkg, i, doors)
			}
		}
	}
}
