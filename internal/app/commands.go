package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/importer"
	"steward/internal/service"
	"steward/internal/store"
)

// Operate carries out a command. On a data directory that a server holds it goes through that server.
func Operate(ctx context.Context, cfg config.Config, log *slog.Logger, cmd Command) (out Outcome, err error) {
	dir, err := dirOf(cfg)
	if _, ok := errors.AsType[*LockedError](err); ok {
		return send(ctx, cfg.Data, cmd)
	}
	if err != nil {
		return Outcome{}, err
	}
	c, err := openCore(ctx, cfg, dir, coreOptions{log: log, linkBase: linkBase(cfg, nil)})
	if err != nil {
		return Outcome{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.operate(ctx, cmd)
}

// Import is an import by an operator, done with the rights of one of the provider's people.
type Import struct {
	Accounts, Contacts []byte
	DryRun, Invite     bool
	As                 string // whose rights: an e-mail address; empty: the one person with the accounting role
	Reference, Reason  string // the recorded request, both or none
	// Actor is told whose rights are used, and Progress how many rows are done.
	Actor    func(email string)
	Progress func(done, total int)
}

// MaxImportBytes is the longest file that an import takes.
var MaxImportBytes = importer.DefaultLimits.FileBytes

// ErrImportLocked says that an import has to go through the server that is running.
var ErrImportLocked = errors.New("a running server holds the data directory: upload the files to it by the mutation importAccounts, or stop it first")

// RunImport imports files. A data directory may not be held by a server meanwhile; a database of its own may be in use. The job says what was done; faulty
// lines are its problems and no error.
func RunImport(ctx context.Context, cfg config.Config, log *slog.Logger, in Import) (job domain.Job, err error) {
	dir, err := dirOf(cfg)
	if _, ok := errors.AsType[*LockedError](err); ok {
		return domain.Job{}, ErrImportLocked
	}
	if err != nil {
		return domain.Job{}, err
	}
	c, err := openCore(ctx, cfg, dir, coreOptions{log: log, linkBase: linkBase(cfg, nil)})
	if err != nil {
		return domain.Job{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	user, err := c.importingUser(ctx, in.As)
	if err != nil {
		return domain.Job{}, err
	}
	actor, err := c.service.SignIn(ctx, loginOf(user))
	if err != nil {
		return domain.Job{}, fmt.Errorf("%s cannot sign in: the user is disabled", describe(user))
	}
	if in.Actor != nil {
		in.Actor(describe(user))
	}
	files := service.ImportFiles{
		Accounts: in.Accounts, Contacts: in.Contacts, DryRun: in.DryRun, Invite: in.Invite,
		// Staff act on a recorded request. Whoever runs the command on the data directory is asked for none, but is recorded.
		StaffRequest: &service.StaffRequest{Reference: "steward import", Reason: "Imported on the command line by the operator of this installation."},
	}
	if in.Reference != "" || in.Reason != "" {
		files.StaffRequest = &service.StaffRequest{Reference: in.Reference, Reason: in.Reason}
	}
	return c.service.ImportNow(ctx, actor, files, in.Progress)
}

// importingUser finds whose rights an import is done with.
func (c *core) importingUser(ctx context.Context, as string) (domain.User, error) {
	if as != "" {
		user, err := c.userOf(ctx, Command{Email: as})
		if err != nil {
			return domain.User{}, userError(err, Command{Email: as})
		}
		return user, nil
	}
	var accountants []domain.User
	err := c.db.View(ctx, func(tx *store.Tx) error {
		members, err := tx.AllStaff(ctx)
		for _, m := range members {
			if m.Role != domain.StaffAccounting {
				continue
			}
			u, err := tx.User(ctx, m.UserID)
			if err != nil {
				return err
			}
			accountants = append(accountants, u)
		}
		return err
	})
	switch {
	case err != nil:
		return domain.User{}, err
	case len(accountants) == 0:
		return domain.User{}, errors.New("nobody may create accounts yet: make somebody one of the provider's people with `steward staff grant --role accounting`")
	case len(accountants) > 1:
		return domain.User{}, fmt.Errorf("%d people have the accounting role: say with --as whose rights the import is done with", len(accountants))
	}
	return accountants[0], nil
}

// linkBase is where mailed links lead: the public URL, or the address that is listened on.
func linkBase(cfg config.Config, listening fmt.Stringer) *url.URL {
	base := cfg.PublicURL
	if base == "" {
		addr := cfg.Listen
		if listening != nil {
			addr = listening.String()
		}
		base = "http://" + reachable(addr)
	}
	u, err := url.Parse(base)
	if err != nil {
		u = &url.URL{Scheme: "http", Host: cfg.Listen} // Validate has seen it
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u
}
