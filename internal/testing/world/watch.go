package world

import (
	"database/sql"
	"path/filepath"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the drivers of the connection that watches for writes
	_ "modernc.org/sqlite"

	"steward/internal/config"
	"steward/internal/domain"
)

// watch is a connection of the World's own, past the store. It sees when another one has written.
type watch struct {
	mu     sync.Mutex
	conn   *sql.Conn
	writes string
}

func newWatch(t testing.TB, s Set, cfg config.Config) *watch {
	t.Helper()
	db, err := sql.Open(s.driver(cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &watch{conn: conn, writes: s.writes()}
}

// Scan reads one row by a query without parameters, past the store.
func (w *World) Scan(t testing.TB, query string, to ...any) {
	t.Helper()
	w.watch.mu.Lock()
	defer w.watch.mu.Unlock()
	if err := w.watch.conn.QueryRowContext(t.Context(), query).Scan(to...); err != nil {
		t.Fatal(err)
	}
}

// Writes is a number that changes whenever a transaction has changed any row of the database. It says nothing when other
// tests use the World at the same time.
func (w *World) Writes(t testing.TB) (n int64) {
	t.Helper()
	w.Scan(t, w.watch.writes, &n)
	return n
}

// LastChange returns the newest entry of the outbox: the change of rights that was carried out last.
func (w *World) LastChange(t testing.TB) (id domain.ChangeID) {
	t.Helper()
	w.Scan(t, "SELECT id FROM authz_outbox ORDER BY seq DESC LIMIT 1", &id)
	return id
}

func databaseFile(dir string) string { return filepath.ToSlash(filepath.Join(dir, "steward.db")) }
