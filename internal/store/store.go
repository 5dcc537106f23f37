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
	"slices"

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
	// Shared is DB.Shared.
	Shared() bool
	// Stale reports whether a transaction did not begin because its connection was found dead, so that another one may do.
	Stale(err error) bool
	// OutcomeUnknown reports whether a commit that ended with this error may have happened all the same.
	OutcomeUnknown(err error) bool
	// TxOptions are those of View, when readOnly, and of Update.
	TxOptions(readOnly bool) *sql.TxOptions
	// LockScopes holds the named scopes until the transaction ends; see Tx.LockScopes. The names come sorted, each once,
	// and none is in both lists.
	LockScopes(ctx context.Context, tx bun.IDB, exclusive, shared []string) error
	// Generations is DB.Generations. The scopes come sorted, each once.
	Generations(ctx context.Context, reader *bun.DB, scopes []string) (incarnation string, of map[string]string, err error)
	// Analyze is DB.Analyze.
	Analyze(ctx context.Context, writer *bun.DB) error
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

// Shared reports whether other processes may work on the same database.
func (db *DB) Shared() bool { return db.engine.Shared() }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.reader.PingContext(ctx); err != nil {
		return fmt.Errorf("ping: %w", db.engine.Translate(err))
	}
	return nil
}

// Tx is a transaction, valid until the function that received it returns. It is not for concurrent use. A statement that
// the database has refused, for example by a DuplicateError, ends it: nothing of it will be kept, and no engine promises
// that it still answers. ErrNotFound is no refusal.
type Tx struct {
	idb    bun.IDB
	engine Engine
	failed error // the first statement that the database has refused
}

// StayAlive keeps the database from taking a transaction for abandoned that waits for something else.
func (tx *Tx) StayAlive(ctx context.Context) error {
	var one int
	return tx.fail("stay alive", tx.idb.NewSelect().ColumnExpr("1").Scan(ctx, &one))
}

// View runs fn on one unchanging snapshot of the rows. Writes fail.
func (db *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	return db.run(ctx, db.reader, db.engine.TxOptions(true), fn)
}

// Update runs fn in a transaction that may write, and commits. Nothing is kept when fn returns an error or panics, when a
// statement was refused, or when ctx ends before the commit. When the database goes away during the commit the error is
// ErrOutcomeUnknown. fn may run at most once; it must not call View or Update of the same DB.
func (db *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return db.run(ctx, db.writer, db.engine.TxOptions(false), fn)
}

// maxStale is how many connections may be found dead, after the server was restarted, before a transaction is refused.
const maxStale = 40

func (db *DB) run(ctx context.Context, pool *bun.DB, opts *sql.TxOptions, fn func(tx *Tx) error) error {
	btx, err := pool.BeginTx(ctx, opts)
	for tries := 0; err != nil && ctx.Err() == nil && tries < maxStale && db.engine.Stale(err); tries++ {
		btx, err = pool.BeginTx(ctx, opts)
	}
	if err != nil {
		return fmt.Errorf("begin: %w", db.engine.Translate(err))
	}
	// Rolls back on an error and while a panic passes; after a commit it does nothing.
	defer func() { _ = btx.Rollback() }()
	tx := &Tx{idb: btx, engine: db.engine}
	if err := fn(tx); err != nil {
		return err
	}
	if tx.failed != nil {
		return fmt.Errorf("commit after a refusal: %w", tx.failed)
	}
	return db.commit(ctx, btx)
}

func (db *DB) commit(ctx context.Context, btx bun.Tx) error {
	if err := ctx.Err(); err != nil { // now it is certain that nothing is kept
		return fmt.Errorf("commit: %w", err)
	}
	err := btx.Commit()
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, sql.ErrTxDone) && db.engine.OutcomeUnknown(err): // ErrTxDone: it was rolled back as ctx ended
		return fmt.Errorf("commit: %w: %w", ErrOutcomeUnknown, err)
	case ctx.Err() != nil:
		return fmt.Errorf("commit: %w", ctx.Err())
	}
	return fmt.Errorf("commit: %w", db.engine.Translate(err))
}

// Generations returns the generations of those of the scopes that were bumped before, as they are on the primary at this
// moment, and the incarnation of the database: when that is another one, the database may have lost what it had said
// before, and generations of the two must not be compared. It is one statement without a transaction; all that an answer
// of it is worth hangs on that every bump which was committed before the call is seen. It is ErrUnavailable on a standby.
func (db *DB) Generations(ctx context.Context, scopes []string) (incarnation string, of map[string]string, err error) {
	if !slices.IsSorted(scopes) {
		scopes = slices.Sorted(slices.Values(scopes))
	}
	incarnation, of, err = db.engine.Generations(ctx, db.reader, scopes)
	if err != nil {
		return "", nil, fmt.Errorf("generations: %w", db.engine.Translate(err))
	}
	return incarnation, of, nil
}

// Analyze lets the database look at its tables, so that it plans queries for what they hold now. It is for after an import
// and may take seconds.
func (db *DB) Analyze(ctx context.Context) error {
	if err := db.engine.Analyze(ctx, db.writer); err != nil {
		return fmt.Errorf("analyze: %w", db.engine.Translate(err))
	}
	return nil
}

// Stats are the connections of a database.
type Stats struct{ Writers, Readers sql.DBStats }

// Stats returns how the connections are used.
func (db *DB) Stats() Stats { return Stats{db.writer.DB.Stats(), db.reader.DB.Stats()} }
