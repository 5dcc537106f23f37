package spicedb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/authzed/spicedb/pkg/datastore"
	"github.com/jackc/pgx/v5"
)

// PostgresSchema is the schema of a PostgreSQL database that holds SpiceDB's tables, beside ours.
const PostgresSchema = "spicedb"

// ErrMigrate says that SpiceDB's tables are missing or of another version than this program.
var ErrMigrate = errors.New("spicedb: its tables in PostgreSQL are not of this version: run `steward migrate` first")

// reachable returns why the database of url cannot be used, and otherwise nil: SpiceDB's own start would say less, and would
// wait for longer.
func reachable(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("spicedb: start on PostgreSQL: database-url: %w", err)
	}
	return conn.Close(context.WithoutCancel(ctx))
}

// migrated returns ErrMigrate unless SpiceDB's tables are of this version.
func migrated(ctx context.Context, raw datastore.Datastore) error {
	state, err := raw.ReadyState(ctx)
	if err != nil {
		return fmt.Errorf("spicedb: start on PostgreSQL: %w", err)
	}
	if !state.IsReady {
		return fmt.Errorf("%w (%s)", ErrMigrate, state.Message)
	}
	return nil
}

// InPostgresSchema returns the address of a database with SpiceDB's schema as its search path, and without what only a pool
// of connections understands: SpiceDB has pools of its own.
func InPostgresSchema(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") { // url's error would repeat the password
		return "", errors.New(`spicedb: database-url must have the form "postgres://user:password@host:5432/database"`)
	}
	q := u.Query()
	for name := range q {
		if strings.HasPrefix(name, "pool_") {
			q.Del(name)
		}
	}
	q.Set("search_path", PostgresSchema)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // PostgreSQL's own programs do not read + as a space
	return u.String(), nil
}
