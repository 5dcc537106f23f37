package main

import "steward/internal/app"

type healthcheckCommand struct {
	URL string `name:"url" placeholder:"URL" help:"What to ask. Default: /readyz of the address that is listened on."`
	CA  string `name:"ca" placeholder:"FILE" help:"PEM file with the authority of an https address."`
}

// Run says nothing where all is well.
func (c healthcheckCommand) Run(e *environment) error {
	return app.CheckHealth(e.ctx, e.cfg, c.URL, c.CA)
}
