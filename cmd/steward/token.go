package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"steward/internal/app"
	"steward/internal/identity/demoissuer"
)

type tokenCommand struct {
	Email string        `xor:"who" required:"" placeholder:"E" help:"Print a token of this person of the demo."`
	List  bool          `xor:"who" required:"" help:"List the people of the demo as JSON lines."`
	TTL   time.Duration `name:"ttl" placeholder:"DURATION" help:"How long the token is valid, 24h at most. Default: 8h."`
}

// Validate wants one of the two.
func (c tokenCommand) Validate() error {
	if (c.Email == "") != c.List {
		return errors.New("give either --email E or --list")
	}
	return nil
}

// Run needs the data directory's key alone: it works while a server runs, and before one ever did.
func (c tokenCommand) Run(e *environment) error {
	issuer, err := app.DemoIssuer(e.cfg)
	if err != nil {
		return err
	}
	if c.List {
		lines := json.NewEncoder(e.out)
		lines.SetEscapeHTML(false)
		for _, p := range issuer.People() {
			if err := lines.Encode(p); err != nil {
				return err
			}
		}
		return nil
	}
	token, _, err := issuer.Token(c.Email, c.TTL)
	if errors.Is(err, demoissuer.ErrUnknownPerson) {
		return fmt.Errorf("nobody in the demo has the e-mail address %s: `steward token --list` lists them", c.Email)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, token)
	return err
}
