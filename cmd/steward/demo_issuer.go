package main

import (
	"log/slog"

	"steward/internal/app"
)

type demoIssuerCommand struct {
	SignInAnyone bool   `help:"Listen beyond this machine too: whoever can reach the address can be anyone of the demo."`
	TLSCert      string `name:"tls-cert" placeholder:"FILE" help:"Certificate to serve https with; beyond this machine it is required."`
	TLSKey       string `name:"tls-key" placeholder:"FILE" help:"Its private key."`
}

// Run serves the demo's sign-in until the process is interrupted.
func (c demoIssuerCommand) Run(e *environment) error {
	log := e.log(slog.LevelDebug)
	return app.ServeIssuer(e.ctx, e.cfg, app.Issuer{
		Options:      app.Options{Out: e.out, Log: log, Version: version},
		SignInAnyone: c.SignInAnyone, TLSCert: c.TLSCert, TLSKey: c.TLSKey,
	})
}
