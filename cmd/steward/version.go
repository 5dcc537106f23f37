package main

import (
	"fmt"
	"runtime"

	"steward/internal/app"
)

type versionCommand struct{}

// Run prints the version and which authorization model it enforces.
func (versionCommand) Run(e *environment) error {
	_, err := fmt.Fprintf(e.out, "steward %s, authorization model %s, %s %s/%s\n", version, app.Model(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
