package app

import (
	"strings"
	"testing"

	"steward/internal/config"
	"steward/internal/testing/servers"
)

// A database that its servers' own SpiceDB belongs to is refused with another one, and the other way round; it moves with
// everything that the rows mean.
func TestDatabaseHasOneSpiceDB(t *testing.T) {
	t.Parallel()
	inProcess := config.Config{DatabaseURL: servers.Postgres(t).URL, Demo: true}
	inProcess.SetDefaults()
	with := func(s *servers.SpiceDBServer) config.Config {
		c := inProcess
		c.SpiceDBEndpoint, c.SpiceDBKey, c.SpiceDBCA = s.Endpoint, s.Key, s.CAFile
		return c
	}
	first, second := with(servers.SpiceDB(t, servers.Postgres(t).URL)), with(servers.SpiceDB(t, servers.Postgres(t).URL))

	refused := func(name string, cfg config.Config, says string) {
		t.Helper()
		if err := Migrate(t.Context(), cfg, quiet()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("migrate %s: got %v, want an error that says %q", name, err, says)
		}
		if _, err := Operate(t.Context(), cfg, quiet(), Command{Name: CommandReconcile, Repair: true}); err == nil {
			t.Errorf("open %s: no error", name)
		}
	}
	if err := Migrate(t.Context(), inProcess, quiet()); err != nil {
		t.Fatal(err)
	}
	if err := SeedDemo(t.Context(), inProcess, quiet()); err != nil {
		t.Fatal(err)
	}
	refused("with a server", first, "another SpiceDB")

	if _, err := MoveSpiceDB(t.Context(), first, quiet()); err != nil {
		t.Fatal(err)
	}
	out, err := Operate(t.Context(), first, quiet(), Command{Name: CommandReconcile})
	if err != nil || out.Differs {
		t.Errorf("after the move: %v, %v", out.Lines, err)
	}
	refused("without the server", inProcess, "another SpiceDB")
	refused("with another server", second, "another SpiceDB")
	if err := Migrate(t.Context(), first, quiet()); err != nil {
		t.Errorf("migrate again: %v", err)
	}
}
