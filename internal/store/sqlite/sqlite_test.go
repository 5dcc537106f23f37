package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/store/migrations"
	"steward/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) func() *store.DB {
		path := filepath.Join(t.TempDir(), "steward.db")
		return func() *store.DB { return open(t, path) }
	})
}

// open returns the database at path, which it creates.
func open(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := Open(t.Context(), path, MigrateFirst())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// raw returns a migrated database without the store above it, and the path of its file.
func raw(t testing.TB) (*sql.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw.db")
	if err := Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return connect(t, path), path
}

func connect(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path, nil))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func mustExec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func TestOpen_MissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "steward migrate") {
		t.Errorf("got %v, want an error that names `steward migrate`", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the refused open left a file")
	}
}

func TestOpen_OtherSchema(t *testing.T) {
	for name, test := range map[string]struct {
		spoil string
		says  string
	}{
		"none":  {"DROP TABLE goose_db_version", "steward migrate"}, // the tables are there all the same
		"older": {"UPDATE goose_db_version SET version_id = 0 WHERE version_id > 0", "steward migrate"},
		"newer": {"INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)", "newer steward"},
	} {
		t.Run(name, func(t *testing.T) {
			db, path := raw(t)
			mustExec(t, db, test.spoil)
			_, err := Open(t.Context(), path)
			if schema, ok := errors.AsType[*store.SchemaError](err); !ok || !strings.Contains(schema.Error(), test.says) {
				t.Errorf("got %v, want a schema error that says %q", err, test.says)
			}
			if name == "newer" {
				if _, err := Open(t.Context(), path, MigrateFirst()); !errors.As(err, new(*store.SchemaError)) {
					t.Errorf("with MigrateFirst: got %v, want a schema error", err)
				}
				if err := Migrate(t.Context(), path); !errors.As(err, new(*store.SchemaError)) {
					t.Errorf("Migrate: got %v, want a schema error", err)
				}
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "empty.db")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path); !errors.As(err, new(*store.SchemaError)) {
			t.Errorf("got %v, want a schema error", err)
		}
		open(t, path)
	})
	t.Run("no database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "text.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path, MigrateFirst()); err == nil {
			t.Error("a text file was opened as a database")
		}
	})
}

func TestOpen_Again(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"plain.db", "sub/relative.db", filepath.Join(dir, "a?b=c #%41 ü'.db")} {
		db, err := Open(t.Context(), path, MigrateFirst())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		account := domain.Account{ID: "a", Name: "A", CreatedAt: time.UnixMilli(1), UpdatedAt: time.UnixMilli(2)}
		if err := db.Update(t.Context(), func(tx *store.Tx) error { return tx.InsertAccount(t.Context(), account) }); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the database is elsewhere: %v", err)
		}
		for range 2 { // migrating twice changes nothing
			if err := Migrate(t.Context(), path); err != nil {
				t.Fatal(err)
			}
		}
		if db, err = Open(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if err := db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Account(t.Context(), "a"); return err }); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpdate_TwoProcesses holds that a transaction has the write lock before it reads: one that took it later could not commit
// what it decided on rows that another process has changed meanwhile.
func TestUpdate_TwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "steward.db")
	const rounds = 30
	ctx := t.Context()
	first := open(t, path)
	if err := first.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, "n", "") }); err != nil {
		t.Fatal(err)
	}
	add := func(tx *store.Tx) error {
		v, err := tx.Meta(ctx, "n")
		if err != nil {
			return err
		}
		return tx.SetMeta(ctx, "n", v+"I")
	}
	var wg sync.WaitGroup
	for _, db := range []*store.DB{first, open(t, path)} {
		wg.Go(func() {
			for range rounds {
				if err := db.Update(ctx, add); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := first.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Meta(ctx, "n")
		if len(v) != 2*rounds {
			t.Errorf("%d of %d changes are there", len(v), 2*rounds)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestPragmas(t *testing.T) {
	db, _ := raw(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "trusted_schema": "0",
	} {
		var got string
		if err := db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
}

func TestMigrations_Down(t *testing.T) {
	db, _ := raw(t)
	provider, err := migrations.SQLite.Provider(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d tables, indexes and triggers are left (%v)", left, err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTranslate_Busy(t *testing.T) {
	holder, path := raw(t)
	mustExec(t, holder, "BEGIN IMMEDIATE")
	waiter := connect(t, path)
	mustExec(t, waiter, "PRAGMA busy_timeout = 0")
	_, err := waiter.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	if err := (engine{}).Translate(err); !errors.Is(err, store.ErrBusy) {
		t.Errorf("got %v, want %v", err, store.ErrBusy)
	}
	if err := (engine{}).Translate(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	if err := (engine{}).Translate(sql.ErrTxDone); err != sql.ErrTxDone {
		t.Errorf("another error became %v", err)
	}
}

func TestTranslate_Interrupted(t *testing.T) {
	db, _ := raw(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var n int
	err := db.QueryRowContext(ctx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n").Scan(&n)
	if err = (engine{}).Translate(err); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		t.Errorf("an endless query ended with %v", err)
	}
}
