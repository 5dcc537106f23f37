package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"steward/internal/config"
	"steward/internal/store"
)

// A database belongs to one SpiceDB, and says in the table meta what tells its datastore from every other. A replica with
// another one would answer from relationships that nobody revokes. Whether a server answers from that datastore or the
// replica's own process makes no difference.
const metaSpiceDB = "spicedb"

// expectSpiceDB refuses a SpiceDB that the database does not belong to.
func (c *core) expectSpiceDB(ctx context.Context) (err error) {
	if c.whose, err = c.owner(ctx); err != nil {
		return err
	}
	if c.whose == "" {
		return errors.New("the database does not say which SpiceDB it belongs to: run `steward migrate`")
	}
	return c.belongs(ctx)
}

// owner returns which SpiceDB the database belongs to, "" for none yet.
func (c *core) owner(ctx context.Context) (whose string, err error) {
	err = c.db.View(ctx, func(tx *store.Tx) error {
		whose, err = tx.Meta(ctx, metaSpiceDB)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return whose, err
}

// belongs refuses the SpiceDB of the settings unless it is the database's own.
func (c *core) belongs(ctx context.Context) error {
	state, err := c.spicedb.CompareSchema(ctx)
	if err != nil {
		return fmt.Errorf("compare the schema of SpiceDB: %w", err)
	}
	have := "" // one without a schema is a new one
	if !state.Missing {
		if have, err = c.spicedb.DatastoreID(ctx); err != nil {
			return err
		}
	}
	if have != c.whose {
		return errors.New("this database belongs to another SpiceDB: let spicedb-endpoint name that one, or leave it out where SpiceDB runs in the servers' own processes. " +
			"To move to the one of these settings, stop every server, then run `steward migrate --move-spicedb`.")
	}
	return nil
}

// claim notes that the database belongs to the SpiceDB of the settings.
func (c *core) claim(ctx context.Context) error {
	id, err := c.spicedb.DatastoreID(ctx)
	if err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, metaSpiceDB, id) })
}

// MoveSpiceDB makes the SpiceDB of the settings the one that the database belongs to, and gives it what the rows mean. No
// server may run meanwhile: it would go on with the other one.
func MoveSpiceDB(ctx context.Context, cfg config.Config, log *slog.Logger) (out Outcome, err error) {
	if cfg.DatabaseURL == "" {
		return Outcome{}, errors.New("a data directory has no SpiceDB to move from: --move-spicedb goes with database-url")
	}
	if err := migrateServers(ctx, cfg, log, true); err != nil {
		return Outcome{}, err
	}
	c, err := openCore(ctx, cfg, nil, coreOptions{log: log, linkBase: linkBase(cfg, nil), moving: true})
	if err != nil {
		return Outcome{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if out, err = c.operate(ctx, Command{Name: CommandReconcile, Repair: true}); err != nil {
		return Outcome{}, err
	}
	return out, c.claim(ctx) // last: a move that was killed has not taken place, and can be made again
}
