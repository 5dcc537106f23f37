package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/rediscache"
	"steward/internal/authz/spicedb"
	"steward/internal/config"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/store/sqlite"
)

// backing is where a core keeps rows, relationships and check results. It is all that differs between the sets of parts.
type backing struct {
	db          *store.DB
	spicedb     *spicedb.Client
	generations check.Generations
	bumped      func(scopes []string) // told of new generations, where they are kept in memory
	redis       *rediscache.Cache     // nil: each process keeps its own results alone
	embedded    bool                  // SpiceDB holds nothing when it starts
	whose       string                // names the SpiceDB that the database belongs to; "" embedded
}

// openEmbedded opens the data directory: SQLite, and SpiceDB in memory. Nobody else changes anything in it.
func (c *core) openEmbedded(ctx context.Context) error {
	path, err := c.dir.database()
	if err != nil {
		return err
	}
	if c.db, err = sqlite.Open(ctx, path, sqlite.MigrateFirst()); err != nil {
		return err
	}
	c.simple("database", c.db.Close)
	if c.spicedb, err = spicedb.StartEmbedded(ctx, spicedb.Options{Schema: steward.SchemaZed, Log: c.log}); err != nil {
		return fmt.Errorf("start SpiceDB: %w", err)
	}
	c.simple("SpiceDB", c.spicedb.Close)
	local := check.NewLocal()
	c.generations, c.bumped, c.embedded = local, local.Bump, true
	return c.fill(ctx)
}

// openServers opens what several processes share. All of it must be there, and as `steward migrate` leaves it.
func (c *core) openServers(ctx context.Context, cfg config.Config, moving bool) (err error) {
	if c.db, err = postgres.Open(ctx, cfg.DatabaseURL); err != nil {
		return err
	}
	c.simple("database", c.db.Close)
	if c.spicedb, err = openSpiceDB(ctx, cfg, c); err != nil {
		return err
	}
	c.simple("SpiceDB", c.spicedb.Close)
	if err := c.expectSchema(ctx); err != nil {
		return err
	}
	if !moving {
		if err := c.expectSpiceDB(ctx); err != nil {
			return err
		}
	}
	c.generations = check.NewDatabase(c.db, cfg.SpiceDBTimeout)
	if cfg.RedisURL == "" {
		return nil
	}
	if c.redis, err = rediscache.Open(ctx, rediscache.Options{URL: cfg.RedisURL, CAFile: cfg.RedisCA, Log: c.log}); err != nil {
		return err
	}
	c.simple("Redis", c.redis.Close)
	return nil
}

func openSpiceDB(ctx context.Context, cfg config.Config, c *core) (*spicedb.Client, error) {
	if cfg.SpiceDBEndpoint == "" {
		return spicedb.StartOnPostgres(ctx, spicedb.PostgresOptions{URL: cfg.DatabaseURL, Schema: steward.SchemaZed, Timeout: cfg.SpiceDBTimeout, Log: c.log})
	}
	return spicedb.Dial(ctx, spicedb.RemoteOptions{
		Endpoint: cfg.SpiceDBEndpoint, Key: cfg.SpiceDBKey, CAFile: cfg.SpiceDBCA, Schema: steward.SchemaZed, Timeout: cfg.SpiceDBTimeout, Log: c.log,
	})
}

// startTimeout is how long a start waits for a SpiceDB that does not answer yet.
const startTimeout = 30 * time.Second

// expectSchema returns once SpiceDB has answered that it runs the schema of this program. A request never writes it.
func (c *core) expectSchema(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var last error
	for {
		state, err := c.spicedb.CompareSchema(ctx)
		if err != nil && ctx.Err() != nil && last != nil {
			err = last // which says more than that time is up
		}
		last = err
		if err == nil {
			return expect(state)
		}
		var away interface{ Unavailable() bool }
		if !errors.As(err, &away) || ctx.Err() != nil {
			return fmt.Errorf("compare the schema of SpiceDB: %w", err)
		}
		c.log.WarnContext(ctx, "SpiceDB does not answer yet", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// expect returns nil where SpiceDB answers by the schema of this program.
func expect(state spicedb.SchemaState) error {
	switch {
	case state.Same():
		return nil
	case state.Missing:
		return errors.New("SpiceDB has no schema yet: run `steward migrate`")
	}
	return fmt.Errorf("SpiceDB answers by another schema than this program's: run the `steward migrate` of the newer of the two. %s", strings.Join(state.Differences, "; "))
}

// fill writes into SpiceDB, which starts empty, what the rows mean.
func (c *core) fill(ctx context.Context) error {
	begin := time.Now()
	count := 0
	err := c.db.View(ctx, func(tx *store.Tx) error {
		return relation.Fill(ctx, rowsOf(tx), func(ctx context.Context, updates []relation.Update) error {
			count += len(updates)
			return c.spicedb.Write(ctx, "", updates)
		})
	})
	if err != nil {
		return fmt.Errorf("fill SpiceDB: %w", err)
	}
	c.log.InfoContext(ctx, "SpiceDB filled from the rows", "relationships", count, "duration", time.Since(begin).Round(time.Millisecond))
	return nil
}

// finder looks objects up in SpiceDB, by everything that had been written before it is asked.
type finder struct{ spicedb *spicedb.Client }

// Find implements authz.Finder.
func (f finder) Find(ctx context.Context, sub authz.Subject, typ, permission string, limit int) ([]string, bool, error) {
	token, err := f.spicedb.Fence(ctx)
	if err != nil {
		return nil, false, err
	}
	return f.spicedb.Lookup(ctx, token, sub, typ, permission, limit)
}
