package main

import (
	"fmt"
	"strings"

	"steward/internal/app"
)

type demoCertificatesCommand struct {
	Dir   string   `arg:"" help:"Directory that they are written to."`
	Hosts []string `arg:"" help:"Names of the servers that need one."`
}

// Run makes what is not there or is about to run out.
func (c demoCertificatesCommand) Run(e *environment) error {
	made, err := app.MakeCertificates(c.Dir, c.Hosts)
	if err == nil && made {
		_, err = fmt.Fprintf(e.out, "certificates for %s are in %s; %s signs them\n", strings.Join(c.Hosts, ", "), c.Dir, app.AuthorityFile)
	}
	return err
}
