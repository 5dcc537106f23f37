package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"steward/internal/config"
	"steward/internal/demo"
	"steward/internal/domain"
	"steward/internal/identity/demoissuer"
	"steward/internal/service"
	"steward/internal/store"
)

// metaDemo says in the database whether it holds the demo's data: nothing, demoSeeding or demoComplete.
const (
	metaDemo     = "demo"
	demoSeeding  = "seeding"
	demoComplete = "complete"
)

// DemoIssuer opens the demo's issuer in the data directory, whether or not a server runs there. Where there is no directory
// it is made.
func DemoIssuer(cfg config.Config) (*demoissuer.Issuer, error) {
	if err := ensureDir(cfg.Data); err != nil {
		return nil, err
	}
	var people []demoissuer.Person
	for _, p := range demo.People() {
		people = append(people, demoissuer.Person{Email: p.Email, Name: p.Name, Subject: p.Subject, Is: p.Is})
	}
	return demoissuer.Open(cfg.Data, people)
}

// issuerInProcess tells whether a demo signs its people in itself. One that is told of the demo's issuer as of any other
// (oidc-issuer) leaves that to the issuer's own process, as replicas do: one key signs for all of them. Such a server gives
// nobody a token, so it may listen on every address.
func issuerInProcess(cfg config.Config) bool {
	return cfg.Demo && !slices.Contains(cfg.OIDCIssuer, demoissuer.IssuerURL)
}

// openDemo starts the demo's issuer and writes its data if they are not there. Replicas start no issuer and write nothing:
// each would write the same at the same time.
func (a *App) openDemo(ctx context.Context) (err error) {
	state, err := a.core.demoState(ctx, a.cfg.Demo)
	switch {
	case err != nil || !a.cfg.Demo:
		return err
	case issuerInProcess(a.cfg):
		if a.issuer, err = DemoIssuer(a.cfg); err != nil {
			return err
		}
		return a.core.seedDemo(ctx)
	case state != demoComplete:
		return errors.New("the database does not hold the demo's data: write them with `steward migrate --demo`, once for all replicas")
	}
	return nil
}

// demoState returns what metaDemo says. Demo data and real data do not mix: it is an error to ask for a demo on data that
// are none, and to serve without --demo what anybody can sign in to.
func (c *core) demoState(ctx context.Context, demo bool) (state string, err error) {
	var empty bool
	err = c.db.View(ctx, func(tx *store.Tx) error {
		if state, err = tx.Meta(ctx, metaDemo); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		accounts, err := tx.CountAccounts(ctx, store.AccountQuery{All: true}, 1)
		if err != nil {
			return err
		}
		staff, err := tx.AllStaff(ctx)
		empty = accounts == 0 && len(staff) == 0
		return err
	})
	switch {
	case err != nil:
		return "", err
	case !demo && state != "":
		return "", errors.New("the database holds demo data: start with --demo, or name another database with --data or --database-url")
	case demo && state == "" && !empty:
		return "", errors.New("the database holds data of its own: start without --demo, or name another database with --data or --database-url")
	}
	return state, nil
}

// seedDemo writes the demo's data if they are not there. Whoever signs in to them is known by demoissuer.IssuerURL and a
// subject that is always the same, whichever process signs the tokens.
func (c *core) seedDemo(ctx context.Context) error {
	state, err := c.demoState(ctx, true)
	if err != nil || state == demoComplete {
		return err
	}
	begin := time.Now()
	if err := (&seed{core: c}).run(ctx); err != nil {
		return fmt.Errorf("write the demo's data: %w", err)
	}
	c.log.InfoContext(ctx, "demo data written", "duration", time.Since(begin).Round(time.Millisecond))
	return nil
}

// SeedDemo writes the demo's data into what the settings name and `steward migrate` has prepared, once for all servers that
// share it. Where they are, it does nothing.
func SeedDemo(ctx context.Context, cfg config.Config, log *slog.Logger) (err error) {
	dir, err := dirOf(cfg)
	if err != nil {
		return err
	}
	c, err := openCore(ctx, cfg, dir, coreOptions{log: log, linkBase: linkBase(cfg, nil), demo: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.seedDemo(ctx)
}

// announce tells where the server listens, and in the demo who can sign in.
func (a *App) announce() {
	base := strings.TrimSuffix(linkBase(a.cfg, a.listener.Addr()).String(), "/")
	var b strings.Builder
	fmt.Fprintf(&b, "Steward %s listens on %s\n", a.o.Version, base)
	fmt.Fprintf(&b, "  GraphQL     %s/graphql\n  playground  %s/\n  schema      %s/schema.graphql\n", base, base, base)
	if a.issuer != nil {
		writePeople(&b, a.issuer)
	}
	_, _ = a.o.Out.Write([]byte(b.String())) // a closed standard output does not end the server
}

// writePeople tells who can sign in to the demo.
func writePeople(b *strings.Builder, issuer *demoissuer.Issuer) {
	b.WriteString("\nWho can sign in (choose them in the playground, or: steward token --email E):\n")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, p := range issuer.People() {
		fmt.Fprintf(w, "  %s\t%s\n", p.Email, p.Is)
	}
	_ = w.Flush() // a strings.Builder takes everything
	b.WriteString("\n")
}

// seed writes the demo's data through the service, as people would. Each step looks first whether it was done, so that a
// start which was interrupted goes on where it ended.
type seed struct {
	*core
	actors map[string]domain.Actor // by e-mail
}

// request is the recorded request on which the demo's staff act.
var request = &service.StaffRequest{Reference: "DEMO-1", Reason: "The demo's first start."}

func (s *seed) run(ctx context.Context) error {
	s.actors = map[string]domain.Actor{}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return s.mark(ctx, demoSeeding) },
		s.staff, s.importFiles, s.link, s.serviceAccount, s.deactivate,
		func(ctx context.Context) error { return s.mark(ctx, demoComplete) },
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *seed) mark(ctx context.Context, state string) error {
	return s.db.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, metaDemo, state) })
}

func demoLogin(p demo.Person) store.Login {
	return store.Login{Issuer: demoissuer.IssuerURL, Subject: p.Subject, Email: p.Email, EmailVerified: true, Name: p.Name}
}

// staff makes two of the people the provider's, as the operator's command does, and signs everybody in once.
func (s *seed) staff(ctx context.Context) error {
	for _, p := range demo.People() {
		actor, err := s.service.SignIn(ctx, demoLogin(p))
		if err != nil {
			return err
		}
		if p.Staff != "" && len(actor.Staff) == 0 {
			if _, err := s.service.SetStaff(ctx, demoLogin(p), p.Staff, true); err != nil {
				return err
			}
			actor.Staff = []domain.StaffRole{p.Staff}
		}
		s.actors[p.Email] = actor
	}
	return nil
}

// by returns the actor of the one of the provider's people who has the role.
func (s *seed) by(role domain.StaffRole) domain.Actor {
	for _, p := range demo.People() {
		if p.Staff == role {
			return s.actors[p.Email]
		}
	}
	return domain.Actor{}
}

// importFiles imports the pair of files, all of it or nothing.
func (s *seed) importFiles(ctx context.Context) error {
	var count int
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		count, err = tx.CountAccounts(ctx, store.AccountQuery{All: true}, 1)
		return err
	})
	if err != nil || count > 0 {
		return err
	}
	accounts, contacts := demo.Files()
	job, err := s.service.ImportNow(ctx, s.by(domain.StaffAccounting), service.ImportFiles{Accounts: accounts, Contacts: contacts, StaffRequest: request}, nil)
	if err == nil && job.State != domain.JobDone {
		err = fmt.Errorf("the demo's files have faults: %+v", job.Problems)
	}
	return err
}

// link lets each person accept the invitations to the accounts that they are a contact of.
func (s *seed) link(ctx context.Context) error {
	for _, p := range demo.People() {
		for _, account := range p.Accounts {
			c, err := s.contact(ctx, account, p.Email)
			if err != nil {
				return err
			}
			if !c.Person.IsZero() {
				continue
			}
			if _, err := s.service.ResendInvitation(ctx, s.by(domain.StaffSupport), c.ID, service.ContactChange{StaffRequest: request}); err != nil {
				return err
			}
			secret, err := s.secret(ctx, account, p.Email)
			if err != nil {
				return err
			}
			if _, err := s.service.AcceptInvitation(ctx, s.actors[p.Email], secret, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *seed) contact(ctx context.Context, account, email string) (c domain.Contact, err error) {
	err = s.db.View(ctx, func(tx *store.Tx) error {
		a, err := tx.AccountByName(ctx, account)
		if err == nil {
			c, err = tx.ContactByEmail(ctx, a.ID, email)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("contact %s of %s: %w", email, account, err)
	}
	return c, err
}

// secret reads the newest invitation to the account out of the mail to the address, as its receiver does.
func (s *seed) secret(ctx context.Context, account, email string) (string, error) {
	var mails []domain.Mail
	err := s.db.View(ctx, func(tx *store.Tx) (err error) {
		mails, err = tx.MailsTo(ctx, email, 20)
		return err
	})
	if err != nil {
		return "", err
	}
	for _, m := range mails {
		if _, link, ok := strings.Cut(m.Text, "#invitation="); ok && strings.Contains(m.Subject, account) {
			return strings.Fields(link)[0], nil
		}
	}
	return "", fmt.Errorf("there is no invitation to %s in the mail to %s", account, email)
}

// serviceAccount makes a program that acts for the first account, with a token that nobody is shown: the list has one.
func (s *seed) serviceAccount(ctx context.Context) error {
	owner := demo.People()[0]
	c, err := s.contact(ctx, owner.Accounts[0], owner.Email)
	if err != nil {
		return err
	}
	var program domain.Contact
	var tokens int
	err = s.db.View(ctx, func(tx *store.Tx) error {
		contacts, err := tx.ContactsOfAccount(ctx, c.AccountID)
		if err != nil {
			return err
		}
		for _, c := range contacts {
			if c.Person.Kind == domain.PersonServiceAccount {
				program = c
			}
		}
		byContact, err := tx.TokensOfContacts(ctx, []domain.ContactID{program.ID})
		tokens = len(byContact[program.ID])
		return err
	})
	if err != nil {
		return err
	}
	if program.ID == "" {
		res, err := s.service.CreateServiceAccount(ctx, s.actors[owner.Email], c.AccountID, service.CreateServiceAccount{
			Name: "Nightly Sync", Permissions: []domain.Permission{domain.Billing},
		})
		if err != nil {
			return err
		}
		program.ID = domain.ContactID(res.ID)
	}
	if tokens > 0 {
		return nil
	}
	_, err = s.service.CreateServiceAccountToken(ctx, s.actors[owner.Email], program.ID, service.CreateToken{Name: "nightly job", ExpiresInDays: 90})
	return err
}

// deactivate lets the owner deactivate whom the demo shows deactivated.
func (s *seed) deactivate(ctx context.Context) error {
	owner := demo.People()[0]
	for _, p := range demo.People() {
		if !p.Deactivated {
			continue
		}
		c, err := s.contact(ctx, p.Accounts[0], p.Email)
		if err != nil {
			return err
		}
		if c.State == domain.ContactDeactivated {
			continue
		}
		if _, err := s.service.DeactivateContact(ctx, s.actors[owner.Email], c.ID, service.ContactChange{Reason: "Has left the company."}); err != nil {
			return err
		}
	}
	return nil
}
