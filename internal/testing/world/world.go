// Package world starts all of Steward in the test's own process: the HTTP server on a free loopback port, SpiceDB, the
// database in a folder of the test, and an OIDC provider that signs in whomever the test names. Nothing in it is a mock.
//
//	w := world.New(t)                                     // or world.New(t, world.On(world.Many)), on servers of its own
//	a := w.Account(t)                                     // an account with a contact of each kind
//	res := w.Do(t, a.As(world.Billing), `query($id: ID!) { node(id: $id) { ... on Contact { email } } }`,
//		world.Vars{"id": a.Contact(world.Owner)})
//	res.Code()                                            // "FORBIDDEN"
//	res.Get("node.email")                                 // nil
//
// On Many there are two replicas, and each operation goes to one of them by chance: what one has changed is read on the
// other. The chance is repeated with -seed and the number that a failed test prints.
//
// At its end each World holds that SpiceDB has exactly what the rows mean, and that no question was asked that the
// planner had not foreseen.
package world

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/store"
)

// Vars are the variables of a GraphQL operation.
type Vars = map[string]any

// World is one running Steward, of one replica or several. Its methods may be called by several tests at once.
type World struct {
	app.Parts          // of the first replica
	App       *app.App // the first replica
	URL       string   // "http://127.0.0.1:PORT", of the first replica
	Dir       string   // the data directory, on Embedded

	replicas []*Replica
	chance   *chance
	provider *provider
	http     *http.Client
	watch    *watch
	lenient  bool

	mu       sync.Mutex
	people   map[string]Person
	accounts int

	otherMu sync.Mutex
	other   *Account
}

// Option changes how a World is started.
type Option func(*options)

type options struct {
	set     Set
	lenient bool
	config  func(*config.Config)
	log     slog.Handler
}

// AllowUnplanned is for tests that ask questions which no plan can foresee.
func AllowUnplanned() Option { return func(o *options) { o.lenient = true } }

// WithConfig lets a test change the settings before the server starts.
func WithConfig(change func(*config.Config)) Option { return func(o *options) { o.config = change } }

// WithLog gives a test the log.
func WithLog(h slog.Handler) Option { return func(o *options) { o.log = h } }

// New starts a World, which ends with the test. It holds no accounts; everybody whom Kinds names can sign in.
func New(t testing.TB, opts ...Option) *World {
	t.Helper()
	o := options{set: Embedded, log: slog.DiscardHandler}
	for _, opt := range opts {
		opt(&o)
	}
	w := &World{provider: newProvider(t), people: map[string]Person{}, lenient: o.lenient}
	cfg := config.Config{Listen: "127.0.0.1:0", OIDCIssuer: []string{w.provider.url}, OIDCAudience: []string{audience}, MailsPerPerson: 1 << 20, MailsPerAddress: 1 << 20}
	o.set.start(t, &cfg)
	w.Dir = cfg.Data
	if o.config != nil {
		o.config(&cfg)
	}
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	w.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: time.Minute}
	for range o.set.replicas() {
		w.replicas = append(w.replicas, w.startReplica(t, cfg, app.Options{Out: io.Discard, Log: slog.New(o.log), Version: "test"}))
	}
	t.Cleanup(w.http.CloseIdleConnections)
	w.App, w.URL = w.replicas[0].App, w.replicas[0].URL
	w.Parts = w.App.Parts()
	w.watch = newWatch(t, o.set, cfg)
	if len(w.replicas) > 1 {
		w.chance = newChance(t)
	}
	w.populate(t)
	t.Cleanup(func() { w.check(t) })
	return w
}

// populate does what an operator does: it names the provider's people, and disables a user.
func (w *World) populate(t testing.TB) {
	t.Helper()
	for kind, role := range staffRoles {
		p := w.Person(t, kind.email())
		login := store.Login{Issuer: w.provider.url, Subject: p.Email, Email: p.Email, EmailVerified: true, Name: p.Name}
		if _, err := w.Service.SetStaff(t.Context(), login, role, true); err != nil {
			t.Fatal(err)
		}
	}
	off := w.Person(t, Disabled.email())
	if err := w.Service.SetUserDisabled(t.Context(), domain.UserID(off.Is.ID), true); err != nil {
		t.Fatal(err)
	}
}

// check is what every World must hold at its end.
func (w *World) check(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, r := range w.replicas {
		if n := r.App.Parts().Engine.Unplanned(); n > 0 && !w.lenient {
			t.Errorf("%d questions were asked one by one that no plan foresaw", n)
		}
	}
	out, err := w.App.Operate(ctx, app.Command{Name: app.CommandReconcile})
	if err != nil {
		t.Errorf("reconcile: %v", err)
	}
	if out.Differs {
		t.Errorf("SpiceDB does not hold what the rows mean: %q", out.Lines)
	}
}

// View reads rows, past every right.
func (w *World) View(t testing.TB, fn func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	err := w.DB.View(t.Context(), func(tx *store.Tx) error { return fn(t.Context(), tx) })
	if err != nil {
		t.Fatal(err)
	}
}

// ContactRow returns the row of a contact by its global id, and whether it is there.
func (w *World) ContactRow(t testing.TB, global string) (c domain.Contact, ok bool) {
	t.Helper()
	_, id, _ := domain.ParseGlobalID(global)
	w.View(t, func(ctx context.Context, tx *store.Tx) error {
		found, err := tx.Contacts(ctx, []domain.ContactID{domain.ContactID(id)})
		c, ok = found[domain.ContactID(id)]
		return err
	})
	return c, ok
}

// Secret returns the secret of the newest link that was mailed to the address: "invitation" or "confirm".
func (w *World) Secret(t testing.TB, email, kind string) string {
	t.Helper()
	var mails []domain.Mail
	w.View(t, func(ctx context.Context, tx *store.Tx) (err error) {
		mails, err = tx.MailsTo(ctx, email, 20)
		return err
	})
	for _, m := range mails {
		if secret := secretIn(m.Text, "#"+kind+"="); secret != "" {
			return secret
		}
	}
	t.Fatalf("no %s was mailed to %s", kind, email)
	return ""
}
