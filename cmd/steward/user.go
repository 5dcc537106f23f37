package main

import (
	"errors"

	"steward/internal/app"
)

type userCommand struct {
	Disable userDisable `cmd:"" help:"End everything that a user may do, at once: as contact, as staff, by token."`
	Enable  userEnable  `cmd:"" help:"Restore that."`
}

type userLogin struct {
	Issuer  string `placeholder:"URL" help:"OIDC issuer of the login."`
	Subject string `placeholder:"SUB" help:"The login's subject there."`
	Email   string `placeholder:"E" help:"Instead of issuer and subject: the user's address, if only one user has it."`
}

// Validate wants one of the two ways to name a user.
func (l userLogin) Validate() error {
	if (l.Issuer == "" || l.Subject == "") == (l.Email == "") || (l.Issuer == "") != (l.Subject == "") {
		return errors.New("name the user either by --issuer and --subject, or by --email")
	}
	return nil
}

func (l userLogin) operate(e *environment, name string) error {
	return e.operate(app.Command{Name: name, Issuer: l.Issuer, Subject: l.Subject, Email: l.Email})
}

type userDisable struct{ userLogin }

// Run takes effect at once, also on a server that is running.
func (c userDisable) Run(e *environment) error { return c.operate(e, app.CommandDisableUser) }

type userEnable struct{ userLogin }

// Run takes effect at once, also on a server that is running.
func (c userEnable) Run(e *environment) error { return c.operate(e, app.CommandEnableUser) }
