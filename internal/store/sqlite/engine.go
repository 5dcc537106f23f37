package sqlite

import (
	"context"
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

// HasMember implements store.Engine.
func (engine) HasMember(column string) string {
	return "EXISTS (SELECT 1 FROM json_each(" + column + ") AS member WHERE member.value = ?)"
}

// LockScopes implements store.Engine. A transaction of Update is the only writer from its first statement on, which locks every scope.
func (engine) LockScopes(context.Context, bun.IDB, []string) error { return nil }
