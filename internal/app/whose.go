package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"steward/internal/config"
	"steward/internal/store"
)

// A database belongs to one SpiceDB, and says in the table meta which: where it runs, and what tells its datastore from
// every other. A replica with another one would answer from relationships that nobody revokes.
const metaSpiceDB = "spicedb"

const (
	spicedbInProcess = "in process"
	spicedbServer    = "server"
)

// expectSpiceDB refuses a SpiceDB that the database does not belong to.
func (c *core) expectSpiceDB(ctx context.Context, cfg config.Config) (err error) {
	if c.whose, err = c.owner(ctx); err != nil {
		return err
	}
	if c.whose == "" {
		return errors.New("the database does not say which SpiceDB it belongs to: run `steward migrate`")
	}
	return c.belongs(ctx, cfg)
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

const moveSpiceDB = "To move to it, stop every server, then run `steward migrate --move-spicedb` with these settings."

func (c *core) belongs(ctx context.Context, cfg config.Config) error {
	due, _, _ := strings.Cut(c.whose, ":")
	switch {
	case due == spicedbServer && cfg.SpiceDBEndpoint == "":
		return errors.New("this database belongs to a SpiceDB server: set spicedb-endpoint. " + moveSpiceDB)
	case due != spicedbServer && cfg.SpiceDBEndpoint != "":
		return errors.New("this database belongs to the SpiceDB in its servers' own processes, not to the one at spicedb-endpoint: leave that out. " + moveSpiceDB)
	}
	state, err := c.spicedb.CompareSchema(ctx)
	if err != nil {
		return fmt.Errorf("compare the schema of SpiceDB: %w", err)
	}
	have := "" // one without a schema is a new one
	if !state.Missing {
		if have, err = c.present(ctx, cfg); err != nil {
			return err
		}
	}
	if have != c.whose {
		return errors.New("this database belongs to another SpiceDB than the one that answers: name that one by spicedb-endpoint. " + moveSpiceDB)
	}
	return nil
}

// present names the SpiceDB of the settings.
func (c *core) present(ctx context.Context, cfg config.Config) (string, error) {
	id, err := c.spicedb.DatastoreID(ctx)
	if cfg.SpiceDBEndpoint != "" {
		return spicedbServer + ":" + id, err
	}
	return spicedbInProcess + ":" + id, err
}

// claim notes that the database belongs to the SpiceDB of the settings.
func (c *core) claim(ctx context.Context, cfg config.Config) error {
	whose, err := c.present(ctx, cfg)
	if err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, metaSpiceDB, whose) })
}

// MoveSpiceDB makes the SpiceDB of the settings the one that the database belongs to, and gives it what the rows mean. No
// server may run meanwhile: it would go on with the other one.
func MoveSpiceDB(ctx context.Context, cfg config.Config, log *slog.Logger) (Outcome, error) {
	if cfg.DatabaseURL == "" {
		return Outcome{}, errors.New("a data directory has no SpiceDB to move from: --move-spicedb goes with database-url")
	}
	if err := migrateServers(ctx, cfg, log, true); err != nil {
		return Outcome{}, err
	}
	out, err := Operate(ctx, cfg, log, Command{Name: CommandReconcile, Repair: true})
	if err != nil {
		return Outcome{}, fmt.Errorf("the database belongs to this SpiceDB now, which does not hold everything yet: run `steward reconcile --repair`. %w", err)
	}
	return out, nil
}
