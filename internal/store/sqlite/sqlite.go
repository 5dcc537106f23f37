// Package sqlite is the SQLite engine of the store: one file, one writing connection, several reading ones.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the database driver "sqlite"

	"steward/internal/store"
	"steward/internal/store/migrations"
)

// busyTimeout is how long a connection waits, in milliseconds, while another process holds the write lock.
const busyTimeout = "5000"

// Option changes how Open opens a database.
type Option func(*options)

type options struct{ migrate bool }

// MigrateFirst lets Open create the database file when there is none, and bring an older schema up to date.
func MigrateFirst() Option { return func(o *options) { o.migrate = true } }

// Open opens the database file. Without MigrateFirst the file must exist and have exactly the schema that this program
// knows; another one is a *store.SchemaError.
func Open(ctx context.Context, path string, opts ...Option) (_ *store.DB, err error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.migrate {
		if err := Migrate(ctx, path); err != nil {
			return nil, err
		}
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database at %s: run `steward migrate`", path)
	}
	writer, err := sql.Open("sqlite", dsn(path, url.Values{"_txlock": {"immediate"}}))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", dsn(path, url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), writer.Close())
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)

	db := store.New(engine{}, bun.NewDB(writer, sqlitedialect.New()), bun.NewDB(reader, sqlitedialect.New()))
	if err := migrations.SQLite.Check(ctx, writer); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Migrate creates the database file when there is none and brings its schema up to date. A schema newer than this program
// knows is a *store.SchemaError.
func Migrate(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, url.Values{"_txlock": {"immediate"}}))
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := migrations.SQLite.Up(ctx, db); err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	return nil
}

// dsn returns the data source name of a file with the pragmas of every connection, and more.
func dsn(path string, more url.Values) string {
	q := url.Values{
		"_pragma": {"busy_timeout(" + busyTimeout + ")", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)"},
	}
	for k, vs := range more {
		q[k] = append(q[k], vs...)
	}
	// The path is escaped, so that "?", "#" and "%" are part of the file's name.
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}
	return u.String()
}
