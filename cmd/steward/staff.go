package main

import (
	"steward/internal/app"
	"steward/internal/domain"
)

type staffCommand struct {
	Grant  staffGrant  `cmd:"" help:"Make a login one of the provider's people. Whoever has the accounting role can create the first accounts."`
	Revoke staffRevoke `cmd:"" help:"End that."`
	List   staffList   `cmd:"" help:"List the provider's people."`
}

type staffLogin struct {
	Issuer  string `required:"" placeholder:"URL" help:"OIDC issuer of the login."`
	Subject string `required:"" placeholder:"SUB" help:"The login's subject there."`
	Role    string `required:"" enum:"support,accounting" placeholder:"ROLE" help:"support or accounting."`
}

func (l staffLogin) command(name, email string) app.Command {
	return app.Command{Name: name, Issuer: l.Issuer, Subject: l.Subject, Email: email, Role: domain.StaffRole(l.Role)}
}

type staffGrant struct {
	staffLogin
	Email string `placeholder:"E" help:"Shown until the person has signed in."`
}

// Run works for somebody who has not signed in yet.
func (c staffGrant) Run(e *environment) error {
	return e.operate(c.command(app.CommandGrantStaff, c.Email))
}

type staffRevoke struct{ staffLogin }

// Run ends a staff role at once, also on a server that is running.
func (c staffRevoke) Run(e *environment) error {
	return e.operate(c.command(app.CommandRevokeStaff, ""))
}

type staffList struct{}

// Run lists role and login.
func (staffList) Run(e *environment) error { return e.operate(app.Command{Name: app.CommandListStaff}) }
