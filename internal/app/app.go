// Package app puts Steward together; nothing else does. New opens everything that a server needs, Run serves until its
// context ends, Close closes everything in reverse. Commands on the data directory (Migrate, Operate, RunImport) open as much
// as they need.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"steward/internal/authz"
	"steward/internal/config"
	"steward/internal/httpserver"
	"steward/internal/identity"
	"steward/internal/identity/demoissuer"
	"steward/internal/mail"
	"steward/internal/relation"
	"steward/playground"
	"steward/resolvers"
)

// Options are what an App takes beside its settings. All are required.
type Options struct {
	Out     io.Writer // told where the server listens, and who can sign in to the demo
	Log     *slog.Logger
	Version string
}

// App is a server that is ready to serve.
type App struct {
	closers
	cfg      config.Config
	o        Options
	listener net.Listener
	server   *http.Server
	core     *core
	issuer   *demoissuer.Issuer // nil outside the demo
	mail     *mail.Worker       // nil when nothing sends mail
}

// New opens everything: the data directory, the address, the database, SpiceDB filled from the rows, and in the demo its
// data. It fails, with everything closed again, where the policy of the API is not complete. The caller must Close the App.
func New(ctx context.Context, cfg config.Config, o Options) (_ *App, err error) {
	a := &App{cfg: cfg, o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if cfg.Demo {
		if err := demoissuer.CheckListen(cfg.Listen); err != nil {
			return nil, err
		}
	}
	dir, err := openDir(cfg.Data)
	if err != nil {
		return nil, err
	}
	if err := a.listen(ctx); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	link := linkBase(cfg, a.listener.Addr())
	options := coreOptions{log: o.Log, linkBase: link, demo: cfg.Demo, version: o.Version}
	if !cfg.Demo { // which sends no mail
		options.mailsPerPerson, options.mailsPerAddress = cfg.MailsPerPerson, cfg.MailsPerAddress
	}
	if a.core, err = openCore(ctx, dir, options); err != nil {
		return nil, err
	}
	a.simple("what lies behind the front door", a.core.Close)
	if err := a.openDemo(ctx); err != nil {
		return nil, err
	}
	if err := a.openMail(ctx); err != nil {
		return nil, err
	}
	verifiers, err := a.verifiers()
	if err != nil {
		return nil, err
	}
	if a.server, err = httpserver.NewServer(a.frontDoor(), a.deps(verifiers)); err != nil {
		return nil, err
	}
	a.core.serveCommands(ctx)
	return a, nil
}

// listen takes the address, so that a port in use is found out before anything is written.
func (a *App) listen(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", a.cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens on %s already: stop it, or name another address with --listen", a.cfg.Listen)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen on %s: name another address with --listen", a.cfg.Listen)
	case err != nil:
		return fmt.Errorf("cannot listen on %s: %w", a.cfg.Listen, err)
	}
	a.listener = listener
	a.simple("listener", func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) { // the HTTP server has closed it
			return err
		}
		return nil
	})
	if a.cfg.Demo { // "localhost" is what the machine makes of it
		return demoissuer.CheckListen(listener.Addr().String())
	}
	return nil
}

// openMail starts what sends mail. In the demo nothing does: the mail stays where its receivers read it.
func (a *App) openMail(ctx context.Context) error {
	switch {
	case a.cfg.Demo:
		return nil
	case a.cfg.SMTPURL == "":
		a.o.Log.WarnContext(ctx, "no mail server is set: invitations stay queued until smtp-url is given")
		return nil
	}
	sender, err := mail.NewSMTP(a.cfg.SMTPURL, a.cfg.MailFrom)
	if err != nil {
		return err
	}
	a.mail = mail.NewWorker(a.core.db, sender, time.Now, a.o.Log)
	a.core.mailQueued = a.mail.Nudge
	return nil
}

// verifiers are those of every issuer whose tokens sign people in.
func (a *App) verifiers() (*identity.Verifiers, error) {
	var configs []identity.Config
	for i, issuer := range a.cfg.OIDCIssuer {
		audience := a.cfg.OIDCAudience[0]
		if len(a.cfg.OIDCAudience) > 1 {
			audience = a.cfg.OIDCAudience[i]
		}
		configs = append(configs, identity.Config{Issuer: issuer, Audience: audience, Log: a.o.Log})
	}
	if a.issuer != nil {
		configs = append(configs, a.issuer.VerifierConfig())
	}
	if len(configs) == 0 {
		a.o.Log.Warn("no oidc-issuer is set: API tokens alone sign in")
	}
	return identity.NewVerifiers(configs...)
}

func (a *App) frontDoor() httpserver.Config {
	l := a.cfg.Limits
	c := httpserver.Config{
		MaxBodyBytes: l.MaxBodyBytes, MaxUploadBytes: l.MaxUploadBytes, MaxTokens: l.MaxTokens, MaxDepth: l.MaxDepth,
		MaxFields: l.MaxFields, MaxAliases: l.MaxAliases, OperationTimeout: l.OperationTimeout,
		AllowedOrigins: a.cfg.CORSOrigins, PublicHosts: publicHosts(a.cfg, a.listener.Addr()),
	}
	c.SetDefaults()
	c.WriteTimeout = max(c.WriteTimeout, l.OperationTimeout+c.ReadTimeout)
	return c
}

func (a *App) deps(verifiers *identity.Verifiers) httpserver.Deps {
	auth := &authenticator{a.core.service, verifiers}
	d := httpserver.Deps{
		Schema: a.core.schema, Authenticate: auth.authenticate, Caller: callerOf, SDL: SDL(), Playground: playground.Files(), Log: a.o.Log,
		Extensions:     []graphql.HandlerExtension{authz.Extension{Engine: a.core.engine}},
		ErrorPresenter: resolvers.PresentError(a.o.Log), Ready: a.ready,
	}
	if a.issuer != nil {
		d.Mounts = map[string]http.Handler{"/demo/": a.issuer.Handler()}
	}
	return d
}

// ready asks the parts that every request needs.
func (a *App) ready(ctx context.Context) map[string]error {
	_, err := a.core.spicedb.Check(ctx, authz.Subject{Type: relation.TypeUser, ID: "nobody"}, []authz.Question{
		{Ref: authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}, Permission: relation.Staff},
	})
	return map[string]error{"database": a.core.db.Ping(ctx), "authorization": err}
}

// Addr is where the server listens.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Run serves until ctx ends; then it takes no more requests, and returns once those in flight and the workers are done, or
// once the shutdown timeout has passed, which is an error.
func (a *App) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	workers.Go(func() { a.core.changes.Run(work) })
	workers.Go(func() { a.core.service.RunJobs(work) })
	if a.mail != nil {
		workers.Go(func() { a.mail.Run(work) })
	}
	failed := make(chan error, 1)
	go func() { failed <- a.server.Serve(a.listener) }()
	a.announce()
	select {
	case err := <-failed:
		return fmt.Errorf("the server ended: %w", err)
	case <-ctx.Done():
	}
	a.o.Log.Info("ending: requests in flight may finish", "timeout", a.cfg.ShutdownTimeout)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
	defer cancel()
	if err := a.server.Shutdown(end); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %s", a.cfg.ShutdownTimeout), a.server.Close())
	}
	return nil
}
