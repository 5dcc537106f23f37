package world

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/testing/servers"
)

// Set names the parts that a World runs on.
type Set string

// The sets, from the smallest to the largest.
const (
	Embedded Set = "embedded" // SQLite, and SpiceDB in memory
	Postgres Set = "postgres" // PostgreSQL, and SpiceDB in process on the same database
	Redis    Set = "redis"    // the same, with Redis
	Many     Set = "many"     // PostgreSQL, a SpiceDB server, Redis, and two replicas
)

// Sets are all of them.
var Sets = []Set{Embedded, Postgres, Redis, Many}

// On has the World run on a set of parts, which is Embedded when nothing is said.
func On(s Set) Option { return func(o *options) { o.set = s } }

// Full reports whether everything is to be tried on every set, which takes long: STEWARD_TEST_FULL=1, as `make test-all`
// sets it.
func Full() bool { return os.Getenv("STEWARD_TEST_FULL") == "1" }

// Each runs a test on each of the sets, or on every set if Full, all of them at once.
func Each(t *testing.T, sets []Set, run func(t *testing.T, s Set)) {
	if Full() {
		sets = Sets
	}
	for _, s := range sets {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			run(t, s)
		})
	}
}

// replicas is how many processes a set has.
func (s Set) replicas() int {
	if s == Many {
		return 2
	}
	return 1
}

// start starts the parts, which end with the test, and names them in the settings.
func (s Set) start(t testing.TB, cfg *config.Config) {
	t.Helper()
	if s == Embedded {
		cfg.Data = t.TempDir()
		return
	}
	cfg.DatabaseURL = servers.PostgresFrom(t, template(t)).URL
	if s != Postgres {
		cfg.RedisURL = servers.Redis(t).URL
	}
	if s == Many {
		server := servers.SpiceDB(t, cfg.DatabaseURL)
		cfg.SpiceDBEndpoint, cfg.SpiceDBKey, cfg.SpiceDBCA = server.Endpoint, server.Key, server.CAFile
	}
}

// migrated is the database that those of all Worlds of this process are copies of.
var migrated struct {
	sync.Mutex
	name string
}

// template returns the name of a database that `steward migrate` has prepared. To copy it takes a fraction of the time.
func template(t testing.TB) string {
	t.Helper()
	migrated.Lock()
	defer migrated.Unlock()
	if migrated.name != "" {
		return migrated.name
	}
	const name = "world_template"
	url, err := servers.Postgres(t).Cluster.CreateDatabase(t.Context(), name, "")
	if err == nil {
		err = prepare(t.Context(), url)
	}
	if err != nil {
		t.Fatalf("the database that others are copies of: %v", err)
	}
	migrated.name = name
	return name
}

func prepare(ctx context.Context, url string) (err error) {
	cfg := config.Config{DatabaseURL: url}
	cfg.SetDefaults()
	if err := app.Migrate(ctx, cfg, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, countWrites)
	return err
}

// countWrites has PostgreSQL keep a row of each transaction that has changed a row of ours, in that transaction: what was
// rolled back leaves none. The lease of who watches SpiceDB is renewed all the time, and is no change of a caller's.
const countWrites = `
CREATE SCHEMA world;
CREATE TABLE world.writes (id xid8 PRIMARY KEY);
CREATE FUNCTION world.wrote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF TG_TABLE_NAME = 'meta' THEN
		IF coalesce(NEW.key, OLD.key) LIKE 'watch\_%' THEN
			RETURN NULL;
		END IF;
	END IF;
	INSERT INTO world.writes VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
DO $$ DECLARE name text; BEGIN
	FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
		EXECUTE format('CREATE TRIGGER world_wrote AFTER INSERT OR UPDATE OR DELETE ON public.%I FOR EACH ROW EXECUTE FUNCTION world.wrote()', name);
	END LOOP;
END $$`

// writes is the query for a number that changes whenever a transaction has changed any row.
func (s Set) writes() string {
	if s == Embedded {
		return "PRAGMA data_version"
	}
	return "SELECT count(*) FROM world.writes"
}

// driver is the database/sql driver of the set's database, and how it names a database.
func (s Set) driver(cfg config.Config) (driver, source string) {
	if s == Embedded {
		return "sqlite", "file:" + databaseFile(cfg.Data) + "?_pragma=query_only(1)&_pragma=busy_timeout(5000)"
	}
	return "pgx", cfg.DatabaseURL
}
