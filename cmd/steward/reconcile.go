package main

import "steward/internal/app"

type reconcileCommand struct {
	Repair bool `help:"Make SpiceDB follow the rows. Without it differences are listed, and the exit code is 1 if there are any."`
}

// Run asks the server that runs on the data directory. Without one SpiceDB is filled from the rows first, as at any start.
func (c reconcileCommand) Run(e *environment) error {
	return e.operate(app.Command{Name: app.CommandReconcile, Repair: c.Repair})
}
