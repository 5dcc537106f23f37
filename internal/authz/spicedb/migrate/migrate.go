// Package migrate makes SpiceDB's tables in PostgreSQL. It is a package of its own because SpiceDB's migrations come with
// all of its commands: only a program that migrates carries them.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/authzed/spicedb/pkg/cmd"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"steward/internal/authz/spicedb"
)

// Postgres makes SpiceDB's tables in the database of url, or brings them to this version. They are in the schema
// "spicedb", which it creates. Several at once wait for each other; where there is nothing to do, nothing is done.
func Postgres(ctx context.Context, url string) error {
	url, err := spicedb.InPostgresSchema(url)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("spicedb: migrate: database-url: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := lock(ctx, conn); err != nil {
		return fmt.Errorf("spicedb: migrate: wait for another migration: %w", err)
	}
	if err := createSchema(ctx, conn); err != nil {
		return err
	}
	if err := runMigrations(ctx, url); err != nil {
		return fmt.Errorf("spicedb: migrate the tables in the schema %q: %w", spicedb.PostgresSchema, err)
	}
	return nil
}

// lock waits until no other process migrates. The lock ends with the connection. It asks again and again: a statement that
// waits inside of PostgreSQL would hold up the indexes that the other builds concurrently, and the two would wait for
// each other.
func lock(ctx context.Context, conn *pgx.Conn) error {
	h := fnv.New64a()
	_, _ = io.WriteString(h, "steward: migrate the schema "+spicedb.PostgresSchema)
	for {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(h.Sum64())).Scan(&got); err != nil || got {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// createSchema creates the schema unless it is there. The right to create one is needed in no other case.
func createSchema(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", spicedb.PostgresSchema).Scan(&there); err != nil {
		return fmt.Errorf("spicedb: migrate: look for the schema %q: %w", spicedb.PostgresSchema, err)
	}
	if there {
		return nil
	}
	_, err := conn.Exec(ctx, "CREATE SCHEMA "+spicedb.PostgresSchema)
	var denied *pgconn.PgError
	if errors.As(err, &denied) && denied.Code == "42501" {
		return fmt.Errorf("spicedb: migrate: the user of database-url may not create the schema %[1]q: grant it CREATE on the database, or have its owner run CREATE SCHEMA %[1]s AUTHORIZATION that user: %[2]w", spicedb.PostgresSchema, err)
	}
	if err != nil {
		return fmt.Errorf("spicedb: migrate: create the schema %q: %w", spicedb.PostgresSchema, err)
	}
	return nil
}

// runMigrations runs SpiceDB's own command: its migrations have no other public door. What the command would change in the
// whole process before it starts (the global logger, limits of memory) is left out.
func runMigrations(ctx context.Context, url string) error {
	command := cmd.NewMigrateCommand("steward")
	cmd.RegisterMigrateFlags(command)
	command.PreRunE = nil
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	// The command replaces $NAME in the address by the environment. %24 is a dollar too.
	command.SetArgs([]string{"head", "--datastore-engine=postgres", "--datastore-conn-uri=" + strings.ReplaceAll(url, "$", "%24")})
	return command.ExecuteContext(zerolog.Nop().WithContext(ctx))
}
