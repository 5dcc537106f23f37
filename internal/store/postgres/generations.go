package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"

	"steward/internal/store"
)

// The query of Generations: the incarnation in every row, and one row at least. The time at which the server was started
// changes with each failover and restart; the timeline changes with each failover that is no restart. A standby has none.
const (
	generationsStart    = "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE "
	generationsTimeline = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"
	generationsEnd      = " || '-' || (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint END, g.scope, g.generation " +
		"FROM (SELECT 1) AS one LEFT JOIN authz_generation AS g ON g.scope = ANY ($1::text[])"
)

// generationsQuery finds out whether this server tells its timeline; some managed ones do not let their users ask.
func generationsQuery(ctx context.Context, db *sql.DB) (string, error) {
	var line sql.NullString
	err := db.QueryRowContext(ctx, "SELECT CASE WHEN NOT pg_is_in_recovery() THEN "+generationsTimeline+" END").Scan(&line)
	if _, ok := errors.AsType[*pgconn.PgError](err); ok && !errors.Is(translate(err), store.ErrUnavailable) {
		return generationsStart + "''" + generationsEnd, nil
	}
	return generationsStart + generationsTimeline + generationsEnd, err
}

var errStandby = fmt.Errorf("%w: the server is a standby, whose generations may be old: let database-url name the primary", store.ErrUnavailable)

// Generations implements store.Engine. It speaks to the driver below database/sql and prepares its statement, because
// every request of a replica waits for it.
func (e *engine) Generations(ctx context.Context, reader *bun.DB, scopes []string) (incarnation string, of map[string]string, err error) {
	for tries := 0; ; tries++ {
		incarnation, of, err = e.readGenerations(ctx, reader.DB, scopes)
		if err == nil || !e.Stale(err) || tries == maxStale || ctx.Err() != nil {
			return incarnation, of, err
		}
	}
}

func (e *engine) readGenerations(ctx context.Context, db *sql.DB, scopes []string) (incarnation string, of map[string]string, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Raw(func(c any) error {
		// The mode prepares the statement once per connection.
		rows, err := c.(*stdlib.Conn).Conn().Query(ctx, e.generations, pgx.QueryExecModeCacheStatement, scopes)
		if err != nil {
			return err
		}
		incarnation, of, err = readRows(rows, len(scopes))
		return err
	})
	return incarnation, of, err
}

func readRows(rows pgx.Rows, n int) (incarnation string, of map[string]string, err error) {
	defer rows.Close()
	of = make(map[string]string, n)
	for rows.Next() {
		row := rows.RawValues() // all of it is text; nil is NULL
		if len(row[0]) == 0 {
			return "", nil, errStandby
		}
		if incarnation == "" {
			incarnation = string(row[0])
		}
		if row[1] != nil {
			of[string(row[1])] = string(row[2])
		}
	}
	return incarnation, of, rows.Err()
}
