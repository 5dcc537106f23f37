package main

import (
	"log/slog"

	"steward/internal/app"
)

type migrateCommand struct{}

// Run brings the schema up to date, and with --demo writes the demo's data where they are not there yet.
func (migrateCommand) Run(e *environment) error {
	log := e.log(slog.LevelWarn)
	if err := app.Migrate(e.ctx, e.cfg, log); err != nil || !e.cfg.Demo {
		return err
	}
	return app.SeedDemo(e.ctx, e.cfg, log)
}
