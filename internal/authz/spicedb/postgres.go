package spicedb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/authzed/spicedb/pkg/cmd/datastore"
)

// PostgresOptions are the settings of a SpiceDB that runs in this process and keeps its relationships in PostgreSQL.
type PostgresOptions struct {
	URL     string        // of the database, postgres://...; SpiceDB's tables are in its schema "spicedb", see package migrate
	Schema  string        // the text of schema.zed; CompareSchema and ApplySchema use it, the start does not
	Log     *slog.Logger  // nil: slog.Default()
	Timeout time.Duration // of one call; 0: 5 s
}

const (
	defaultTimeout = 5 * time.Second
	// readConns and writeConns bound the connections of one process: ten replicas need 140 of them. SpiceDB's own figures, 20 and
	// 10, all of them kept open, would leave little of PostgreSQL's default of 100 for three.
	readConns, writeConns = 10, 4
	// postgresGC is how long a revision is kept: a watcher that was away for a day goes on where it was.
	postgresGC = 24 * time.Hour
	// postgresQuantization is for how long SpiceDB keeps a rounded revision of its own. Our checks carry the token of a fence,
	// which is nearly always newer, so this only decides how often it looks.
	postgresQuantization = 5 * time.Second
	postgresPage         = 10_000
)

// StartOnPostgres starts SpiceDB in this process, on PostgreSQL. Any number of processes can share one database: a write of
// one is seen by every check that begins later in another. ctx bounds the start only. The caller must Close the client.
func StartOnPostgres(ctx context.Context, o PostgresOptions) (c *Client, err error) {
	c = newClient(o.Log, o.Schema)
	c.timeout = o.Timeout
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	defer func() { c, err = closedOn(c, err) }()
	url, err := InPostgresSchema(o.URL)
	if err != nil {
		return c, err
	}
	if err := reachable(ctx, url); err != nil {
		return c, err
	}
	life := c.life(ctx)
	config := postgresConfig(url)
	raw, err := datastore.NewDatastore(life, config.ToOption())
	if err != nil {
		return c, fmt.Errorf("spicedb: start on PostgreSQL: %w", err)
	}
	c.onClose(func() error { return ended(raw.Close()) })
	if err := migrated(ctx, raw); err != nil {
		return c, err
	}
	if err := c.serve(life, config, raw); err != nil {
		return c, err
	}
	c.kind = kind{fence: headOf(raw, c.timeout), at: atLeast, write: c.transact, exclusively: alone, page: postgresPage}
	return c, nil
}

func postgresConfig(url string) *datastore.Config {
	config := datastore.DefaultDatastoreConfig()
	config.Engine = datastore.PostgresEngine
	config.URI = url
	config.GCWindow = postgresGC
	config.RevisionQuantization = postgresQuantization
	config.EnableDatastoreMetrics = false // its names are one per process, and two clients may run in one
	config.ReadConnPool.MaxOpenConns, config.ReadConnPool.MinOpenConns = readConns, 2
	config.WriteConnPool.MaxOpenConns, config.WriteConnPool.MinOpenConns = writeConns, 1
	return config
}

// ended is the error of closing what works in the background, which was told to stop.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// alone runs f: the datastore itself takes care of what overlaps.
func alone(_ context.Context, f func() error) error { return f() }
