package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"

	"steward/internal/store"
)

// engine is what PostgreSQL does in its own way.
type engine struct {
	generations string // the query of Generations
}

// Translate implements store.Engine.
func (*engine) Translate(err error) error { return translate(err) }

func translate(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrTxDone) {
		return err
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrRefused) {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return translateCode(e, err)
	}
	if lost(err) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// translateCode goes by SQLSTATE, of which the first two characters are the class.
func translateCode(e *pgconn.PgError, err error) error {
	as := func(target error) error { return fmt.Errorf("%w: %w", target, err) }
	switch e.Code {
	case "23505": // unique_violation
		return &store.DuplicateError{Constraint: constraint(e), Err: err}
	case "23503": // foreign_key_violation
		return as(store.ErrReference)
	case "25006", "P0001": // read_only_sql_transaction, raise_exception
		return as(store.ErrRefused)
	case "55P03", "57014", "40001", "40P01": // lock_not_available, query_canceled (statement_timeout), serialization_failure, deadlock_detected
		return as(store.ErrBusy)
	case "25P03": // idle_in_transaction_session_timeout
		return as(store.ErrUnavailable)
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "22", "23": // data exception, integrity constraint violation
		return as(store.ErrRefused)
	case "08", "53", "57", "28", "3D": // connection exception, insufficient resources, operator intervention, refused login, unknown database
		return as(store.ErrUnavailable)
	}
	return err
}

// constraint returns what the store calls the constraint.
func constraint(e *pgconn.PgError) string {
	switch e.ConstraintName {
	case "contacts_user", "contacts_service_account":
		return store.ConstraintContactPerson
	case "idempotency_keys_pkey":
		return store.ConstraintIdempotencyKey
	case e.TableName + "_pkey", "authz_outbox_id":
		return store.ConstraintID
	}
	return e.ConstraintName
}

// lost reports whether the connection is gone or could not be made.
func lost(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || pgconn.SafeToRetry(err)
}

// Shared implements store.Engine.
func (*engine) Shared() bool { return true }

// maxStale is how many connections in a row may be found dead: as many as a pool has, and then some.
const maxStale = 2 * max(Writers, Readers)

// Stale implements store.Engine: the connection was lost, and not for want of a server that takes connections.
func (*engine) Stale(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return lost(err) || ok && strings.HasPrefix(e.Code, "57P0")
}

// OutcomeUnknown implements store.Engine. It is known only when the server has answered, and not by the end of the session:
// it may have committed before. What the driver says of a connection that closes while it waits, that nothing was sent,
// is not true of a commit.
func (*engine) OutcomeUnknown(err error) bool {
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return false
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return !ok || e.Severity == "FATAL" || e.Severity == "PANIC" || errors.Is(translate(err), store.ErrUnavailable)
}

// Contains implements store.Engine.
func (*engine) Contains(column string) string { return "strpos(" + column + ", ?) > 0" }

// TxOptions implements store.Engine. A view is one snapshot. A change is not: after waiting for a lock it must see what
// the one before it has written.
func (*engine) TxOptions(readOnly bool) *sql.TxOptions {
	if readOnly {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// maxLocks is how many scopes a transaction locks one by one. The server keeps all locks of all sessions in a table of a
// fixed size (by default 6,400 entries); one that needs more locks everything instead.
const maxLocks = 500

// everything is the lock that every transaction shares, so that one may have it exclusively.
const everything = ""

// LockScopes implements store.Engine by advisory locks, which end with the transaction.
func (*engine) LockScopes(ctx context.Context, tx bun.IDB, exclusive, shared []string) error {
	if len(exclusive)+len(shared) == 0 {
		return nil
	}
	locks := []lock{{lockKey(everything), false}}
	if len(exclusive)+len(shared) > maxLocks {
		locks[0].exclusive, exclusive, shared = true, nil, nil
	}
	for _, s := range exclusive {
		locks = append(locks, lock{lockKey(s), true})
	}
	for _, s := range shared {
		locks = append(locks, lock{lockKey(s), false})
	}
	// By key and not by name: two names may have one key, and the order must be that of what is locked.
	slices.SortFunc(locks[1:], func(a, b lock) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(b.mode(), a.mode())) // of one key the exclusive one first
	})
	locks = slices.CompactFunc(locks, func(a, b lock) bool { return a.key == b.key })
	keys, modes := make([]string, len(locks)), make([]string, len(locks))
	for i, l := range locks {
		keys[i], modes[i] = strconv.FormatInt(l.key, 10), strconv.FormatBool(l.exclusive)
	}
	// The rows of unnest come, and are locked, in the order of the lists.
	_, err := tx.ExecContext(ctx, "SELECT CASE WHEN alone THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END "+
		"FROM unnest('{"+strings.Join(keys, ",")+"}'::bigint[], '{"+strings.Join(modes, ",")+"}'::boolean[]) AS l (key, alone)")
	return err
}

// lock is one advisory lock.
type lock struct {
	key       int64
	exclusive bool
}

func (l lock) mode() int {
	if l.exclusive {
		return 1
	}
	return 0
}

// lockKey is the key of a scope's lock. The prefix keeps it apart from locks that others take in the same database.
func lockKey(scope string) int64 {
	sum := sha256.Sum256([]byte("steward scope\x00" + scope))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// Analyze implements store.Engine. It is for all tables of the owner, those of a SpiceDB in the same database too.
func (*engine) Analyze(ctx context.Context, writer *bun.DB) error {
	tx, err := writer.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, query := range []string{"SET LOCAL statement_timeout = 0", "SET LOCAL client_min_messages = error", "ANALYZE"} {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	return tx.Commit()
}
