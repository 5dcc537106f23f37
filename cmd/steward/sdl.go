package main

import (
	"io"

	"steward/internal/app"
)

type sdlCommand struct{}

// Run prints the schema.
func (sdlCommand) Run(e *environment) error {
	_, err := io.WriteString(e.out, app.SDL())
	return err
}
