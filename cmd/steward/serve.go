package main

import (
	"errors"
	"log/slog"

	"steward/internal/app"
)

type serveCommand struct{}

// Run serves until the process is interrupted.
func (serveCommand) Run(e *environment) (err error) {
	log := e.log(slog.LevelDebug)
	slog.SetDefault(log)
	a, err := app.New(e.ctx, e.cfg, app.Options{Out: e.out, Log: log, Version: version})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return a.Run(e.ctx)
}
