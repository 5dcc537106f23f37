// Package migrations carries the schema of each database engine, as the SQL files that lead to it. Versions mean the same
// on all engines.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"steward/internal/store"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Schema is that of one database engine.
type Schema struct {
	dialect goose.Dialect
	folder  string
	there   string // a query that tells whether any version was ever applied
}

// The engines.
var (
	SQLite   = Schema{goose.DialectSQLite3, "sqlite", "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'goose_db_version'"}
	Postgres = Schema{goose.DialectPostgres, "postgres", "SELECT to_regclass('goose_db_version') IS NOT NULL"}
)

// Provider returns what applies the files of the schema to db, and takes them back.
func (s Schema) Provider(db *sql.DB) (*goose.Provider, error) {
	sub, err := fs.Sub(files, s.folder)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	provider, err := goose.NewProvider(s.dialect, db, sub)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

// Up brings the schema of db up to date. One that is newer than this program knows is a *store.SchemaError.
func (s Schema) Up(ctx context.Context, db *sql.DB) error {
	have, want, err := s.versions(ctx, db)
	if err != nil {
		return err
	}
	if have > want {
		return &store.SchemaError{Have: have, Want: want}
	}
	provider, err := s.Provider(db)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// Check returns a *store.SchemaError unless the schema of db is the one that this program knows. It writes nothing.
func (s Schema) Check(ctx context.Context, db *sql.DB) error {
	have, want, err := s.versions(ctx, db)
	if err == nil && have != want {
		err = &store.SchemaError{Have: have, Want: want}
	}
	return err
}

// versions returns the version of the database's schema, 0 when it has none, and the one that this program knows.
func (s Schema) versions(ctx context.Context, db *sql.DB) (have, want int64, err error) {
	provider, err := s.Provider(db)
	if err != nil {
		return 0, 0, err
	}
	for _, source := range provider.ListSources() {
		want = max(want, source.Version)
	}
	var there bool
	if err := db.QueryRowContext(ctx, s.there).Scan(&there); err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", err)
	}
	if !there {
		return 0, want, nil
	}
	if have, err = provider.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", err)
	}
	return have, want, nil
}
