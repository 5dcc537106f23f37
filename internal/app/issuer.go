package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"steward/internal/config"
	"steward/internal/identity/demoissuer"
)

// Issuer is how the demo's issuer runs in a process of its own.
type Issuer struct {
	Options
	// SignInAnyone lets it listen beyond this machine: whoever can reach it can be anyone.
	SignInAnyone bool
	// TLSCert and TLSKey are files; beyond this machine they are required. Both or none.
	TLSCert, TLSKey string
}

// ServeIssuer serves the demo's issuer until ctx ends: one for all replicas of a demo, which verify its tokens as those of
// any provider. Its key lies in the data directory.
func ServeIssuer(ctx context.Context, cfg config.Config, o Issuer) error {
	certificates, err := o.check(cfg)
	if err != nil {
		return err
	}
	issuer, err := DemoIssuer(cfg)
	if err != nil {
		return err
	}
	listener, err := listenOn(ctx, cfg.Listen)
	if err != nil {
		return err
	}
	handler := issuer.Handler()
	if o.SignInAnyone {
		handler = issuer.OpenHandler(publicHost(cfg))
	} else if err := demoissuer.CheckListen(listener.Addr().String()); err != nil { // "localhost" is what the machine makes of it
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: withHealth(handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	scheme := "http"
	if len(certificates) > 0 {
		scheme = "https"
		listener = tls.NewListener(listener, &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	o.announce(issuer, scheme+"://"+reachable(listener.Addr().String()))
	return serveUntil(ctx, server, listener, cfg.ShutdownTimeout)
}

// check keeps a demo from being open to others by accident.
func (o Issuer) check(cfg config.Config) ([]tls.Certificate, error) {
	err := demoissuer.CheckListen(cfg.Listen)
	switch {
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return nil, errors.New("--tls-cert and --tls-key go together")
	case err != nil && !o.SignInAnyone:
		return nil, fmt.Errorf("%w; in a network where anyone may be anyone, say --sign-in-anyone", err)
	case err != nil && o.TLSCert == "":
		return nil, errors.New("beyond this machine the demo's issuer needs --tls-cert and --tls-key: servers fetch its keys by https only")
	case o.TLSCert == "":
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s and --tls-key %s cannot be used: %w", o.TLSCert, o.TLSKey, err)
	}
	return []tls.Certificate{certificate}, nil
}

// announce tells where the issuer listens and how a server is told of it.
func (o Issuer) announce(issuer *demoissuer.Issuer, base string) {
	var b strings.Builder
	fmt.Fprintf(&b, "The demo's issuer %s listens on %s\n", o.Version, base)
	fmt.Fprintf(&b, "  a server takes its tokens with --demo --oidc-issuer %s --oidc-audience %s --oidc-discovery-url %s\n",
		demoissuer.IssuerURL, demoissuer.Audience, base+demoissuer.DiscoveryPath)
	writePeople(&b, issuer)
	_, _ = o.Out.Write([]byte(b.String())) // a closed standard output does not end the issuer
}

// listenOn takes an address. What keeps it from being taken is said in one sentence with the mend.
func listenOn(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("another program listens on %s already: stop it, or name another address with --listen", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on %s: name another address with --listen", addr)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	return listener, nil
}

// publicHost is the host of the public URL, as browsers name it.
func publicHost(cfg config.Config) string {
	if u, err := url.Parse(cfg.PublicURL); err == nil {
		return u.Host
	}
	return ""
}

// withHealth answers /healthz and /readyz beside the handler: the issuer needs no other part.
func withHealth(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/demo/", next)
	for _, path := range []string{"GET /healthz", "GET /readyz"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write([]byte(`{"status":"ok"}` + "\n")) // the caller has left if this fails
		})
	}
	return mux
}

// serveUntil serves until ctx ends, and lets requests in flight finish within the timeout.
func serveUntil(ctx context.Context, server *http.Server, listener net.Listener, timeout time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("the issuer ended: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %s", timeout), server.Close())
	}
	return nil
}
