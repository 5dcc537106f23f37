// Package store keeps Steward's rows. A query is written once for every database engine; what an engine does in its own
// way stands behind Engine. All access goes through a transaction: View for reading, Update for writing.
//
//	err := db.Update(ctx, func(tx *store.Tx) error {
//		if err := tx.InsertAccount(ctx, account); err != nil {
//			return err
//		}
//		return tx.InsertContact(ctx, owner)
//	})
//
// Times are kept in UTC to the millisecond; finer parts are cut off on writing.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
)

// Engine is what a database engine does in its own way. Packages below store implement it.
type Engine interface {
	// Translate turns a driver's error into this package's errors, by the driver's codes and never by text.
	// An error that it does not know comes back unchanged. A DuplicateError may leave Constraint empty when
	// the driver does not say which one it was; the caller then finds out by asking the rows.
	Translate(err error) error
	// Contains returns a condition with one placeholder that holds if the text column contains the argument.
	Contains(column string) string
	// HasMember returns a condition with one placeholder that holds if the JSON list in column has the argument.
	HasMember(column string) string
	// LockScopes holds the named scopes until the transaction ends; another transaction that asks for one of them waits.
	// The names come sorted.
	LockScopes(ctx context.Context, tx bun.IDB, scopes []string) error
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	engine Engine
	writer *bun.DB
	reader *bun.DB
}

// New returns a DB that writes through writer and reads through reader, which may be the same.
// Engine packages call it; everybody else calls their Open.
func New(engine Engine, writer, reader *bun.DB) *DB {
	return &DB{engine: engine, writer: writer, reader: reader}
}

// Close waits for running queries and closes the database.
func (db *DB) Close() error {
	err := db.writer.Close()
	if db.reader != db.writer {
		err = errors.Join(err, db.reader.Close())
	}
	return err
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.reader.PingContext(ctx); err != nil {
		return fmt.Errorf("ping: %w", db.engine.Translate(err))
	}
	return nil
}

// Tx is a transaction, valid until the function that received it returns. It is not for concurrent use.
type Tx struct {
	idb    bun.IDB
	engine Engine
}

// View runs fn on one unchanging snapshot of the rows. Writes fail.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	return db.run(ctx, db.reader, &sql.TxOptions{ReadOnly: true}, fn)
}

// Update runs fn in a transaction that may write, and commits. Nothing is kept when fn returns an error or panics, or when
// ctx ends before the commit. fn may run at most once; it must not call View or Update of the same DB.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return db.run(ctx, db.writer, nil, fn)
}

func (db *DB) run(ctx context.Context, pool *bun.DB, opts *sql.TxOptions, fn func(tx *Tx) error) error {
	btx, err := pool.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin: %w", db.engine.Translate(err))
	}
	// Rolls back on an error and while a panic passes; after a commit it does nothing.
	defer func() { _ = btx.Rollback() }()
	if err := fn(&Tx{idb: btx, engine: db.engine}); err != nil {
		return err
	}
	if err := btx.Commit(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("commit: %w", db.engine.Translate(err))
	}
	return nil
}
