package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"steward/internal/authz"
	"steward/internal/authz/spicedb/migrate"
	"steward/internal/config"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/store/sqlite"
)

// Migrate brings what is kept up to date: the tables, creating them where there are none, and the schema that SpiceDB
// answers by. A data directory that a server holds is a *LockedError. Servers that run on the same database go on: what
// they keep of answers ends with the old schema.
func Migrate(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	if cfg.DatabaseURL != "" {
		return migrateServers(ctx, cfg, log, false)
	}
	dir, err := openDir(cfg.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	path, err := dir.database()
	if err != nil {
		return err
	}
	return sqlite.Migrate(ctx, path)
}

func migrateServers(ctx context.Context, cfg config.Config, log *slog.Logger, move bool) (err error) {
	if err := postgres.Migrate(ctx, cfg.DatabaseURL); err != nil {
		return err
	}
	if cfg.SpiceDBEndpoint == "" {
		if err := migrate.Postgres(ctx, cfg.DatabaseURL); err != nil {
			return fmt.Errorf("SpiceDB's own tables: %w", err)
		}
	}
	c := &core{log: log}
	defer func() { err = errors.Join(err, c.Close()) }()
	if c.db, err = postgres.Open(ctx, cfg.DatabaseURL); err != nil {
		return err
	}
	c.simple("database", c.db.Close)
	if c.spicedb, err = openSpiceDB(ctx, cfg, c); err != nil {
		return err
	}
	c.simple("SpiceDB", c.spicedb.Close)
	if c.whose, err = c.owner(ctx); err != nil {
		return err
	}
	known := c.whose != "" && !move
	if known { // else something would be written into a SpiceDB that is not ours
		if err := c.belongs(ctx); err != nil {
			return err
		}
	}
	if err := c.migrateSchema(ctx); err != nil || known || move {
		return err
	}
	return c.claim(ctx)
}

// migrateSchema writes the schema where it is another one, and ends every kept answer: it may be by the old one. It does
// that also when nothing was to be written, since a run before may have been killed in between.
func (c *core) migrateSchema(ctx context.Context) error {
	state, err := c.spicedb.CompareSchema(ctx)
	if err != nil {
		return fmt.Errorf("compare the schema of SpiceDB: %w", err)
	}
	if !state.Same() {
		if err := c.spicedb.ApplySchema(ctx); err != nil {
			return err
		}
	}
	return c.db.Update(ctx, func(tx *store.Tx) error { return tx.BumpGenerations(ctx, []string{authz.GlobalScope}) })
}
