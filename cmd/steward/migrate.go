package main

import (
	"fmt"
	"log/slog"

	"steward/internal/app"
)

type migrateCommand struct {
	MoveSpiceDB bool `name:"move-spicedb" help:"Make the SpiceDB of these settings the database's own, and give it what the rows mean. Stop every server first."`
}

// Run brings everything up to date, and with --demo writes the demo's data where they are not there yet.
func (m migrateCommand) Run(e *environment) error {
	log := e.log(slog.LevelWarn)
	if m.MoveSpiceDB {
		out, err := app.MoveSpiceDB(e.ctx, e.cfg, log)
		for _, line := range out.Lines {
			fmt.Fprintln(e.out, line)
		}
		return err
	}
	if err := app.Migrate(e.ctx, e.cfg, log); err != nil {
		return err
	}
	if e.cfg.Demo {
		if err := app.SeedDemo(e.ctx, e.cfg, log); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(e.out, "Everything is up to date.")
	return err
}
