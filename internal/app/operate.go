package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
)

// The commands of an operator.
const (
	CommandReconcile   = "reconcile"
	CommandGrantStaff  = "grant_staff"
	CommandRevokeStaff = "revoke_staff"
	CommandListStaff   = "list_staff"
	CommandDisableUser = "disable_user"
	CommandEnableUser  = "enable_user"
)

// Command is what an operator wants done. Which fields count depends on its name.
type Command struct {
	Name    string           `json:"name"`
	Repair  bool             `json:"repair,omitempty"`  // reconcile
	Issuer  string           `json:"issuer,omitempty"`  // all about users: a login's issuer and subject
	Subject string           `json:"subject,omitempty"` //
	Email   string           `json:"email,omitempty"`   // grant_staff: shown until the person signs in; else one user's address in place of the login
	Role    domain.StaffRole `json:"role,omitempty"`    // grant_staff, revoke_staff
}

// Outcome is what a command did.
type Outcome struct {
	Lines []string `json:"lines"` // for standard output
	// Differs says that SpiceDB did not hold what the rows mean, and that it was not repaired.
	Differs bool `json:"differs,omitempty"`
}

// operate carries out a command.
func (c *core) operate(ctx context.Context, cmd Command) (Outcome, error) {
	switch cmd.Name {
	case CommandReconcile:
		return c.reconcile(ctx, cmd.Repair)
	case CommandGrantStaff, CommandRevokeStaff:
		return c.setStaff(ctx, cmd)
	case CommandListStaff:
		return c.listStaff(ctx)
	case CommandDisableUser, CommandEnableUser:
		return c.setDisabled(ctx, cmd)
	}
	return Outcome{}, fmt.Errorf("there is no command %q", cmd.Name)
}

// reconcile compares what the rows mean with what SpiceDB holds, under the locks of all accounts, so that no change is half
// done meanwhile. To repair is a change like any other: through the outbox, with a new generation.
func (c *core) reconcile(ctx context.Context, repair bool) (Outcome, error) {
	scopes := []string{authz.GlobalScope}
	err := c.db.View(ctx, func(tx *store.Tx) error {
		return tx.EachAccount(ctx, func(a domain.Account) error {
			scopes = append(scopes, string(a.ID))
			return nil
		})
	})
	if err != nil {
		return Outcome{}, err
	}
	var missing, surplus []relation.Relationship
	_, err = c.changes.Do(ctx, change.Request{Actor: service.Operator, Operation: CommandReconcile, Scopes: scopes}, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		tx.AuthorisedBy("access to the data directory or the database")
		var err error
		missing, surplus, err = relation.Reconcile(ctx, rowsOf(tx.Tx).Each, c.spicedb.Each)
		if err == nil && repair && len(missing)+len(surplus) > 0 {
			tx.Loses(surplus...)
			tx.Gains(missing...)
			tx.Audit(domain.AuditEntry{TargetKind: "relationships", After: map[string]string{
				"written": fmt.Sprint(len(missing)), "deleted": fmt.Sprint(len(surplus)),
			}})
		}
		return change.Result{}, err
	})
	if err != nil {
		return Outcome{}, err
	}
	if repair { // rows or relationships may have come from a backup, and old generations with them
		if err := c.changes.BumpGlobal(ctx); err != nil {
			return Outcome{}, err
		}
	}
	var out Outcome
	for _, r := range missing {
		out.Lines = append(out.Lines, "missing "+r)
	}
	for _, r := range surplus {
		out.Lines = append(out.Lines, "surplus "+r)
	}
	switch n := len(missing) + len(surplus); {
	case n == 0:
		out.Lines = append(out.Lines, "SpiceDB holds exactly what the rows mean.")
	case repair:
		out.Lines = append(out.Lines, fmt.Sprintf("Differences repaired: %d: %d relationships written, %d deleted.", n, len(missing), len(surplus)))
	default:
		out.Differs = true
		out.Lines = append(out.Lines, fmt.Sprintf("Differences: %d. `steward reconcile --repair` makes SpiceDB follow the rows.", n))
	}
	return out, nil
}

func (c *core) setStaff(ctx context.Context, cmd Command) (Outcome, error) {
	on := cmd.Name == CommandGrantStaff
	login := store.Login{Issuer: cmd.Issuer, Subject: cmd.Subject, Email: cmd.Email}
	known, err := c.userOf(ctx, cmd)
	switch {
	case err == nil:
		login = loginOf(known)
	case !on || cmd.Issuer == "" || cmd.Subject == "" || !errors.Is(err, store.ErrNotFound):
		return Outcome{}, userError(err, cmd)
	}
	user, err := c.service.SetStaff(ctx, login, cmd.Role, on)
	if err != nil {
		return Outcome{}, err
	}
	text := "is no longer one of the provider's %s people"
	if on {
		text = "is now one of the provider's %s people"
	}
	return Outcome{Lines: []string{describe(user) + " " + fmt.Sprintf(text, cmd.Role) + "."}}, nil
}

func (c *core) listStaff(ctx context.Context) (Outcome, error) {
	var out Outcome
	err := c.db.View(ctx, func(tx *store.Tx) error {
		members, err := tx.AllStaff(ctx)
		if err != nil {
			return err
		}
		for _, m := range members {
			u, err := tx.User(ctx, m.UserID)
			if err != nil {
				return err
			}
			line := string(m.Role) + "\t" + describe(u)
			if u.Disabled {
				line += "\tdisabled"
			}
			out.Lines = append(out.Lines, line)
		}
		return nil
	})
	slices.Sort(out.Lines)
	return out, err
}

func (c *core) setDisabled(ctx context.Context, cmd Command) (Outcome, error) {
	user, err := c.userOf(ctx, cmd)
	if err != nil {
		return Outcome{}, userError(err, cmd)
	}
	off := cmd.Name == CommandDisableUser
	if err := c.service.SetUserDisabled(ctx, user.ID, off); err != nil {
		return Outcome{}, err
	}
	text := " may sign in again, with the rights of before."
	if off {
		text = " is disabled: nothing that the user may do counts any more."
	}
	return Outcome{Lines: []string{describe(user) + text}}, nil
}

var errManyUsers = errors.New("several users have this e-mail address: name one by --issuer and --subject")

// userOf finds the user of a login, or the one user of an e-mail address.
func (c *core) userOf(ctx context.Context, cmd Command) (domain.User, error) {
	var found domain.User
	err := c.db.View(ctx, func(tx *store.Tx) (err error) {
		if cmd.Issuer != "" || cmd.Subject != "" {
			found, err = tx.UserByLogin(ctx, cmd.Issuer, cmd.Subject)
			return err
		}
		users, err := tx.UsersByEmail(ctx, cmd.Email)
		switch {
		case err != nil:
			return err
		case len(users) == 0:
			return store.ErrNotFound
		case len(users) > 1:
			return errManyUsers
		}
		found = users[0]
		return nil
	})
	return found, err
}

func userError(err error, cmd Command) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if cmd.Issuer == "" && cmd.Subject == "" {
		return fmt.Errorf("nobody with the e-mail address %s has signed in yet: name the login by --issuer and --subject", cmd.Email)
	}
	return fmt.Errorf("nobody has signed in yet as subject %s of issuer %s", cmd.Subject, cmd.Issuer)
}

func loginOf(u domain.User) store.Login {
	return store.Login{Issuer: u.Issuer, Subject: u.Subject, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name}
}

// describe names a user so that an operator knows who it is, for example "ada@example.org (subject 17 of https://login.example.org)".
func describe(u domain.User) string {
	login := "subject " + u.Subject + " of " + u.Issuer
	if u.Email == "" {
		return login
	}
	return u.Email + " (" + login + ")"
}
