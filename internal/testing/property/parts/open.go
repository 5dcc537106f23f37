package parts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/spicedb"
	"steward/internal/change"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/store/sqlite"
	"steward/internal/testing/servers"
)

// backing is the database of some parts, and how another process opens it.
type backing struct {
	open        func(ctx context.Context) (*store.DB, error)
	driver, dsn string // past the store
	shared      bool   // several processes: generations lie in the database
}

// Open returns fresh parts over SQLite in a directory of the test's own, as the embedded set has them.
func Open(t testing.TB) *Parts {
	t.Helper()
	p, closeAll := OpenIn(t, t.TempDir())
	t.Cleanup(closeAll)
	return p
}

// OpenIn returns fresh parts over SQLite in an empty directory; the caller closes them.
func OpenIn(t TB, dir string) (*Parts, func()) {
	t.Helper()
	return open(t, onSQLite(dir))
}

// Each runs f over the parts of one process: on SQLite, and on PostgreSQL.
func Each(t *testing.T, f func(t *testing.T, p *Parts)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Open(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, opened(t, onPostgres(t))) })
}

// Pair runs f over the parts of two processes that share the rows and SpiceDB, and nothing else.
func Pair(t *testing.T, f func(t *testing.T, p, q *Parts)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		p := opened(t, onPostgres(t))
		f(t, p, p.Replica(t))
	})
}

func onSQLite(dir string) backing {
	path := filepath.Join(dir, "steward.db")
	return backing{
		open:   func(ctx context.Context) (*store.DB, error) { return sqlite.Open(ctx, path, sqlite.MigrateFirst()) },
		driver: "sqlite", dsn: sqliteDSN(path),
	}
}

func onPostgres(t testing.TB) backing {
	t.Helper()
	url := servers.Postgres(t).URL
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	return backing{
		open:   func(ctx context.Context) (*store.DB, error) { return postgres.Open(ctx, url) },
		driver: "pgx", dsn: url, shared: true,
	}
}

func opened(t testing.TB, b backing) *Parts {
	t.Helper()
	p, closeAll := open(t, b)
	t.Cleanup(closeAll)
	return p
}

func open(t TB, b backing) (*Parts, func()) {
	t.Helper()
	ctx := context.Background()
	p := &Parts{TB: t, Clock: &Clock{now: time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)}, backing: b}
	var err error
	if p.DB, err = b.open(ctx); err != nil {
		t.Fatalf("open the database: %v", err)
	}
	p.SQL = openSQL(t, b.driver, b.dsn)
	if p.SpiceDB, err = spicedb.StartEmbedded(ctx, spicedb.Options{Schema: steward.SchemaZed, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatalf("start SpiceDB: %v", err)
	}
	p.wire()
	return p, func() {
		if err := errors.Join(p.SpiceDB.Close(), p.SQL.Close(), p.DB.Close()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// Replica returns the parts of another process over the same rows and the same SpiceDB.
func (p *Parts) Replica(t testing.TB) *Parts {
	t.Helper()
	q := &Parts{TB: t, SQL: p.SQL, SpiceDB: p.SpiceDB, Clock: p.Clock, backing: p.backing}
	var err error
	if q.DB, err = p.backing.open(t.Context()); err != nil {
		t.Fatalf("open the database again: %v", err)
	}
	t.Cleanup(func() { _ = q.DB.Close() })
	q.wire()
	return q
}

// wire connects the parts as the product does.
func (p *Parts) wire() {
	log := slog.New(slog.DiscardHandler)
	pol, err := policy()
	if err != nil {
		p.TB.Fatalf("policy: %v", err)
	}
	const timeout = 10 * time.Second
	local := check.NewLocal()
	o := check.Options{
		Backend: p.SpiceDB, Generations: local, Permissions: pol.AllPermissions(), Schema: p.SpiceDB.SchemaHash(), MemoryBytes: 8 << 20, Timeout: timeout,
	}
	bumped := local.Bump
	if p.backing.shared {
		o.Generations, bumped = check.NewDatabase(p.DB, timeout), nil
	}
	p.Checks, p.Writer = check.New(o), &Writer{next: p.SpiceDB}
	p.Authz = authz.New(authz.Options{Policy: pol, Checker: p.Checks, Live: p.SpiceDB})
	p.Changes = change.New(change.Options{DB: p.DB, Authz: p.Authz, Writer: p.Writer, Log: log, Now: p.Clock.Now, Bumped: bumped})
	p.Service = service.New(service.Options{
		Room: func(context.Context) (int, error) { return 1 << 20, nil },
		DB:   p.DB, Changes: p.Changes, Authz: p.Authz, Log: log, Now: p.Clock.Now, LinkBase: &url.URL{Scheme: "https", Host: "steward.example"},
	})
}

func sqliteDSN(path string) string {
	return "file:" + filepath.ToSlash(path) + "?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)"
}

func openSQL(t TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatalf("open the database past the store: %v", err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// OnPostgres reports whether the rows lie in PostgreSQL.
func (p *Parts) OnPostgres() bool { return p.backing.driver == "pgx" }

// Look answers one question by the read path: what a request that starts now is answered.
func (p *Parts) Look(sub authz.Subject, q authz.Question) (bool, error) {
	got, err := p.LookAll(sub, []authz.Question{q})
	return err == nil && got[0], err
}

// Plans reports whether the API asks for the permission anywhere; the read path knows no others.
func Plans(q authz.Question) bool {
	pol, err := policy()
	return err == nil && slices.Contains(pol.Permissions(q.Ref.Type), q.Permission)
}

// LookAll answers questions by the read path, all of them in one wave.
func (p *Parts) LookAll(sub authz.Subject, qs []authz.Question) ([]bool, error) {
	pol, err := policy()
	if err != nil {
		return nil, err
	}
	asks := make([]authz.Ask, len(qs))
	for i, q := range qs {
		bit := slices.Index(pol.Permissions(q.Ref.Type), q.Permission)
		if bit < 0 {
			return nil, fmt.Errorf("%s has no permission %s", q.Ref.Type, q.Permission)
		}
		asks[i] = authz.Ask{Ref: q.Ref, Bits: 1 << bit}
	}
	got, err := p.Checks.Check(context.Background(), sub, asks)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(qs))
	for i := range qs {
		out[i] = got.Allowed[i] != 0
	}
	return out, nil
}
