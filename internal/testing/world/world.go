// Package world starts all of Steward in the test's own process: the HTTP server on a free loopback port, SpiceDB, the
// database in a folder of the test, and an OIDC provider that signs in whomever the test names. Nothing in it is a mock.
//
//	w := world.New(t)
//	a := w.Account(t)                                     // an account with a contact of each kind
//	res := w.Do(t, a.As(world.Billing), `query($id: ID!) { node(id: $id) { ... on Contact { email } } }`,
//		world.Vars{"id": a.Contact(world.Owner)})
//	res.Code()                                            // "FORBIDDEN"
//	res.Get("node.email")                                 // nil
//
// At its end each World holds that SpiceDB has exactly what the rows mean, and that no question was asked that the
// planner had not foreseen.
package world

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver of the connection that watches for writes

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/store"
)

// Vars are the variables of a GraphQL operation.
type Vars = map[string]any

// World is one running Steward. Its methods may be called by several tests at once.
type World struct {
	app.Parts
	App *app.App
	URL string // "http://127.0.0.1:PORT"
	Dir string // the data directory

	provider *provider
	http     *http.Client
	watch    *sql.Conn
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
	o := options{log: slog.DiscardHandler}
	for _, opt := range opts {
		opt(&o)
	}
	w := &World{Dir: t.TempDir(), provider: newProvider(t), people: map[string]Person{}, lenient: o.lenient}
	cfg := config.Config{Listen: "127.0.0.1:0", Data: w.Dir, OIDCIssuer: []string{w.provider.url}, OIDCAudience: []string{audience}, MailsPerPerson: 1 << 20, MailsPerAddress: 1 << 20}
	if o.config != nil {
		o.config(&cfg)
	}
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	var err error
	w.App, err = app.New(t.Context(), cfg, app.Options{Out: io.Discard, Log: slog.New(o.log), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	w.Parts, w.URL = w.App.Parts(), "http://"+w.App.Addr().String()
	w.run(t)
	w.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: time.Minute}
	t.Cleanup(w.http.CloseIdleConnections)
	w.watchWrites(t)
	w.populate(t)
	t.Cleanup(func() { w.check(t) })
	return w
}

// run serves until the test ends; then the server ends as it does on Ctrl-C.
func (w *World) run(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.App.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if err := w.App.Close(); err != nil {
			t.Errorf("the server closed with: %v", err)
		}
	})
}

// watchWrites opens a connection of the World's own, which sees when another one has written.
func (w *World) watchWrites(t testing.TB) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(w.Dir, "steward.db"))+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if w.watch, err = db.Conn(t.Context()); err != nil {
		t.Fatal(err)
	}
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
	if n := w.Engine.Unplanned(); n > 0 && !w.lenient {
		t.Errorf("%d questions were asked one by one that no plan foresaw", n)
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

// Writes is a number that changes whenever a transaction has changed any row of the database. It says nothing when other
// tests use the World at the same time.
func (w *World) Writes(t testing.TB) int64 {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var n int64
	if err := w.watch.QueryRowContext(t.Context(), "PRAGMA data_version").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
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

// LastChange returns the newest entry of the outbox: the change of rights that was carried out last.
func (w *World) LastChange(t testing.TB) (id domain.ChangeID) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.watch.QueryRowContext(t.Context(), "SELECT id FROM authz_outbox ORDER BY seq DESC LIMIT 1").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}
