package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"steward/internal/store"
	"steward/internal/store/migrations"
	"steward/internal/testing/servers"
)

// admin returns a connection of the superuser, past the store.
func admin(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func mustExec(t testing.TB, conn *pgx.Conn, query string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestParse(t *testing.T) {
	t.Setenv("PGSSLMODE", "disable") // what the environment says does not make a connection plain
	for _, test := range []struct{ url, want string }{
		{"postgres://steward@db.example.com/steward", "sslmode=verify-full"},
		{"postgres://steward:secret@db.example.com/steward?sslmode=prefer", "db.example.com"},
		{"postgres://db.example.com/steward?sslmode=allow", "sslmode=verify-full"},
		{"postgres://localhost/steward?host=localhost,db.example.com&sslmode=prefer", "db.example.com"},
		{"postgres://192.0.2.1/steward", "192.0.2.1"},
		{"postgres://db.example.com/steward?sslmode=require", ""},
		{"postgres://db.example.com/steward?sslmode=verify-full", ""},
		{"postgresql://db.example.com/steward?sslmode=disable", ""},
		{"postgres://localhost/steward", ""},
		{"postgres://127.0.0.2/steward?sslmode=prefer", ""},
		{"postgres://[::1]/steward", ""},
		{"postgres:///steward?host=/run/postgresql", ""},
		{"mysql://localhost/steward", "database-url"},
		{"host=localhost password=secret", "database-url"},
		{"postgres://u:secret%@h/", "database-url"},
		{"postgres://u:secret@localhost/x?sslmode=maybe", "database-url"},
		{"postgres://u:secret@localhost:0x1/x", "database-url"},
	} {
		_, err := parse(test.url)
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: got %v, want an error that says %q and no password", test.url, err, test.want)
		}
	}
	config, err := parse("postgres://localhost/x?target_session_attrs=any&standard_conforming_strings=off")
	if err != nil || config.RuntimeParams["standard_conforming_strings"] != "on" || config.ValidateConnect == nil || config.ConnectTimeout != connectTimeout {
		t.Errorf("got %+v (%v)", config, err)
	}
}

func TestOpen_OtherSchema(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ spoil, says string }{
		"none":  {"DROP TABLE goose_db_version", "steward migrate"},
		"older": {"UPDATE goose_db_version SET version_id = 0 WHERE version_id > 0", "steward migrate"},
		"newer": {"INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)", "newer steward"},
	} {
		url := servers.Postgres(t).URL
		if err := Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		mustExec(t, admin(t, url), test.spoil)
		_, err := Open(t.Context(), url)
		if schema, ok := errors.AsType[*store.SchemaError](err); !ok || !strings.Contains(schema.Error(), test.says) {
			t.Errorf("%s: got %v, want a schema error that says %q", name, err, test.says)
		}
		if name == "newer" {
			if err := Migrate(t.Context(), url); !errors.As(err, new(*store.SchemaError)) {
				t.Errorf("Migrate: got %v, want a schema error", err)
			}
		}
	}
	empty := servers.Postgres(t)
	if _, err := Open(t.Context(), empty.URL); !errors.As(err, new(*store.SchemaError)) {
		t.Errorf("an empty database: got %v, want a schema error", err)
	}
	for _, url := range []string{
		strings.Replace(empty.URL, empty.Name, "none", 1), strings.Replace(empty.URL, "steward:", "steward:x", 1), "postgres://127.0.0.1:1/x",
	} {
		if _, err := Open(t.Context(), url); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: got %v, want %v", url, err, store.ErrUnavailable)
		}
	}
}

// TestMigrate_AtOnce lets several replicas start on an empty database.
func TestMigrate_AtOnce(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t).URL
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := Migrate(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	open(t, url)
}

func TestMigrations_Down(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t).URL
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	config, err := parse(url)
	if err != nil {
		t.Fatal(err)
	}
	db := pool(config, 2, migrating)
	defer db.Close()
	provider, err := migrations.Postgres.Provider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	left := ""
	err = db.QueryRowContext(t.Context(), "SELECT coalesce(string_agg(relname, ' '), '') FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "+
		"WHERE nspname = 'public' AND relname NOT LIKE 'goose_db_version%'").Scan(&left)
	if err != nil || left != "" {
		t.Errorf("left are %s (%v)", left, err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Error(err)
	}
}
