package main

import "steward/internal/app"

type migrateCommand struct{}

// Run brings the schema up to date.
func (migrateCommand) Run(e *environment) error { return app.Migrate(e.ctx, e.cfg) }
