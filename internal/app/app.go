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
	"time"

	"github.com/99designs/gqlgen/graphql"

	"steward/internal/authz"
	"steward/internal/config"
	"steward/internal/httpserver"
	"steward/internal/identity"
	"steward/internal/identity/demoissuer"
	"steward/internal/mail"
	"steward/internal/observe"
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
	observed *observing
}

// New opens everything: the data directory, the address, the database, SpiceDB filled from the rows, and in the demo its
// data. It fails, with everything closed again, where the policy of the API is not complete. The caller must Close the App.
func New(ctx context.Context, cfg config.Config, o Options) (_ *App, err error) {
	o.Log = slog.New(httpserver.LogHandler(observe.LogHandler(o.Log.Handler()))) // each line names its request
	a := &App{cfg: cfg, o: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if issuerInProcess(cfg) {
		if err := demoissuer.CheckListen(cfg.Listen); err != nil {
			return nil, err
		}
	}
	dir, err := dirOf(cfg)
	if err != nil {
		return nil, err
	}
	if err := a.listen(ctx); err != nil {
		if dir != nil {
			err = errors.Join(err, dir.Close())
		}
		return nil, err
	}
	if a.observed, err = openObserving(ctx, cfg, o); err != nil {
		if dir != nil {
			err = errors.Join(err, dir.Close())
		}
		return nil, err
	}
	a.simple("metrics and traces", a.observed.Close)
	link := linkBase(cfg, a.listener.Addr())
	options := coreOptions{observer: a.observed.observer, log: o.Log, linkBase: link, demo: cfg.Demo, version: o.Version}
	if !cfg.Demo { // which sends no mail
		options.mailsPerPerson, options.mailsPerAddress = cfg.MailsPerPerson, cfg.MailsPerAddress
	}
	if a.core, err = openCore(ctx, cfg, dir, options); err != nil {
		return nil, err
	}
	a.simple("what lies behind the front door", a.core.Close)
	if err := a.core.watchedBy(a.observed.observer); err != nil {
		return nil, err
	}
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
	if dir != nil { // else a command opens the parts itself
		a.core.serveCommands(ctx)
	}
	return a, nil
}

// listen takes the address, so that a port in use is found out before anything is written.
func (a *App) listen(ctx context.Context) error {
	listener, err := listenOn(ctx, a.cfg.Listen)
	if err != nil {
		return err
	}
	a.listener = listener
	a.simple("listener", func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) { // the HTTP server has closed it
			return err
		}
		return nil
	})
	if issuerInProcess(a.cfg) { // "localhost" is what the machine makes of it
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
	var client *http.Client
	if a.cfg.OIDCCA != "" {
		var err error
		if client, err = identity.TrustingClient(a.cfg.OIDCCA); err != nil {
			return nil, fmt.Errorf("oidc-ca: %w", err)
		}
	}
	for i, issuer := range a.cfg.OIDCIssuer {
		audience := a.cfg.OIDCAudience[0]
		if len(a.cfg.OIDCAudience) > 1 {
			audience = a.cfg.OIDCAudience[i]
		}
		discovery := ""
		if len(a.cfg.OIDCDiscoveryURL) > 0 {
			discovery = a.cfg.OIDCDiscoveryURL[i]
		}
		configs = append(configs, identity.Config{Issuer: issuer, Audience: audience, DiscoveryURL: discovery, HTTPClient: client, Log: a.o.Log})
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
	auth := &authenticator{a.core.service, verifiers, a.cfg.OperationTimeout}
	d := httpserver.Deps{
		Schema: a.core.schema, Authenticate: auth.authenticate, Caller: callerOf, SDL: SDL(), Playground: playground.Files(), Log: a.o.Log,
		Extensions:     []graphql.HandlerExtension{authz.Extension{Engine: a.core.engine}},
		ErrorPresenter: resolvers.PresentError(a.o.Log), Parts: a.readiness(), Operation: a.observed.operation(),
	}
	if a.issuer != nil {
		d.Mounts = map[string]http.Handler{"/demo/": a.issuer.Handler()}
	}
	return d
}

// Addr is where the server listens.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// MetricsAddr is where /metrics is served; nil when it is not.
func (a *App) MetricsAddr() net.Addr { return a.observed.addr() }

// Run serves until ctx ends; then it takes no more requests, and returns once those in flight and the workers are done, or
// once the shutdown timeout has passed, which is an error.
func (a *App) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	workers.Go(func() { a.observed.serve(work) })
	workers.Go(func() { a.core.changes.Run(work) })
	if a.core.watcher != nil {
		workers.Go(func() { a.core.watcher.Run(work) })
	}
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
