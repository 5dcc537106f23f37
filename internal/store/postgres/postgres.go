// Package postgres is the PostgreSQL engine of the store: one database for any number of replicas, a pool of connections
// for changes and another one for reading.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"steward/internal/store"
	"steward/internal/store/migrations"
)

// Connections of one replica. Changes that wait for each other's locks hold connections of their pool only, so that
// reading, and with it every permission check, goes on.
const (
	Writers = 16
	Readers = 16
)

// lifetime ends connections after a while, so that they follow a failover behind an address that stays the same.
const lifetime = 5 * time.Minute

// Open opens the database at a URL such as postgres://steward@db.example.com/steward?sslmode=verify-full. It must have
// exactly the schema that this program knows, as Migrate leaves it; another one is a *store.SchemaError.
func Open(ctx context.Context, url string) (_ *store.DB, err error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	writer, reader := pool(config, Writers, writing), pool(config, Readers, reading)
	e := &engine{}
	db := store.New(e, bun.NewDB(writer, pgdialect.New()), bun.NewDB(reader, pgdialect.New()))
	if err := migrations.Postgres.Check(ctx, reader); err != nil {
		return nil, errors.Join(fmt.Errorf("database-url: %w", e.Translate(err)), db.Close())
	}
	if e.generations, err = generationsQuery(ctx, reader); err != nil {
		return nil, errors.Join(fmt.Errorf("database-url: %w", e.Translate(err)), db.Close())
	}
	return db, nil
}

// Limits of the server on a session. A caller's context ends sooner in most cases; these are for a process that cannot
// say so any more. Waiting for a scope's lock, or for a row, is part of a statement's time.
var (
	writing = map[string]string{
		"default_transaction_read_only":       "off",
		"lock_timeout":                        "30s", // then store.ErrBusy
		"statement_timeout":                   "60s",
		"idle_in_transaction_session_timeout": "120s", // a paused process does not hold its locks for longer; SpiceDB is written to meanwhile
	}
	reading = map[string]string{
		"default_transaction_read_only":       "on",
		"statement_timeout":                   "30s",
		"idle_in_transaction_session_timeout": "60s",
	}
	migrating = map[string]string{"default_transaction_read_only": "off", "statement_timeout": "0", "lock_timeout": "0"}
)

func pool(config *pgx.ConnConfig, size int, session map[string]string) *sql.DB {
	config = config.Copy()
	for k, v := range session {
		config.RuntimeParams[k] = v
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxLifetime(lifetime)
	db.SetConnMaxIdleTime(lifetime / 2)
	return db
}

// migrateLock is the advisory lock under which one process at a time migrates.
const migrateLock = 0x5374657761726401

// Migrate brings the schema up to date. Processes that migrate at the same time wait for each other. A schema newer than
// this program knows is a *store.SchemaError.
func Migrate(ctx context.Context, url string) (err error) {
	config, err := parse(url)
	if err != nil {
		return err
	}
	db := pool(config, 3, migrating)
	defer func() { err = errors.Join(err, db.Close()) }()
	return translate(migrate(ctx, db))
}

func migrate(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("database-url: migrate: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return fmt.Errorf("database-url: migrate: %w", err)
	}
	defer func() { // the session ends with the pool, and the lock with it in any case
		_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrateLock))
		err = errors.Join(err, unlockErr)
	}()
	if err := migrations.Postgres.Up(ctx, db); err != nil {
		return fmt.Errorf("database-url: migrate: %w", err)
	}
	return nil
}

// primary refuses a connection to a standby, so that a URL with several hosts, or an address that moves, leads to the primary.
func primary(ctx context.Context, conn *pgconn.PgConn) error {
	return pgconn.ValidateConnectTargetSessionAttrsPrimary(ctx, conn)
}
