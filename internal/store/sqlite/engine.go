package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"steward/internal/store"
)

// engine is what SQLite does in its own way.
type engine struct{}

// Translate implements store.Engine. SQLite has no code for the constraint itself, so that DuplicateError comes without one.
func (engine) Translate(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return &store.DuplicateError{Err: err}
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", store.ErrReference, err)
	case sqlite3.SQLITE_CONSTRAINT_CHECK, sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.SQLITE_CONSTRAINT_TRIGGER,
		sqlite3.SQLITE_CONSTRAINT_DATATYPE, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", store.ErrRefused, err)
	}
	switch e.Code() & 0xff { // the lowest byte is the primary code of an extended one
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", store.ErrBusy, err)
	case sqlite3.SQLITE_INTERRUPT:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err
}

// Contains implements store.Engine.
func (engine) Contains(column string) string { return "instr(" + column + ", ?) > 0" }

// Shared implements store.Engine. The one process that serves a file holds a lock on its folder.
func (engine) Shared() bool { return false }

// Stale implements store.Engine. There is no connection that could be lost.
func (engine) Stale(error) bool { return false }

// OutcomeUnknown implements store.Engine. A commit that failed was none: the file is here.
func (engine) OutcomeUnknown(error) bool { return false }

// TxOptions implements store.Engine.
func (engine) TxOptions(readOnly bool) *sql.TxOptions { return &sql.TxOptions{ReadOnly: readOnly} }

// LockScopes implements store.Engine. A transaction of Update is the only writer from its first statement on, which locks every scope.
func (engine) LockScopes(context.Context, bun.IDB, []string, []string) error { return nil }

// Generations implements store.Engine. There is one incarnation: what a file has said it does not forget.
func (engine) Generations(ctx context.Context, reader *bun.DB, scopes []string) (string, map[string]string, error) {
	list, err := json.Marshal(scopes)
	if err != nil {
		return "", nil, err
	}
	rows, err := reader.DB.QueryContext(ctx, "SELECT scope, generation FROM authz_generation WHERE scope IN (SELECT value FROM json_each(?))", string(list))
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	of := make(map[string]string, len(scopes))
	for rows.Next() {
		var scope, generation string
		if err := rows.Scan(&scope, &generation); err != nil {
			return "", nil, err
		}
		of[scope] = generation
	}
	return "", of, rows.Err()
}

// Analyze implements store.Engine.
func (engine) Analyze(ctx context.Context, writer *bun.DB) error {
	_, err := writer.DB.ExecContext(ctx, "PRAGMA optimize")
	return err
}
