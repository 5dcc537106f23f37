// Package httpserver is the front door of a GraphQL API: it decides which requests reach the executor, in which shape,
// and what the answers look like on the wire.
//
// A request passes, in this order: request id and access log, host, cross-site protection, route, method and media
// type, sign-in, body limit, brackets and tokens, shape (depth, fields, aliases, directives, cycles), validation,
// execution under a deadline. Each refusal is JSON with a code and the request id.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
)

// Deps is what the front door serves. Schema and Authenticate are required.
type Deps struct {
	Schema graphql.ExecutableSchema

	// Authenticate says who calls, and returns the request's context with that put in. It returns no error for a
	// caller without credentials if the API has something for them. An error means 401 UNAUTHENTICATED; an error with a
	// method Unavailable() bool that answers true means 503 UNAVAILABLE. The text of the error is logged, never sent.
	Authenticate func(*http.Request) (context.Context, error)
	// Caller names who calls, from the context that Authenticate returned; "" is nobody. With it, each caller has at most
	// MaxConcurrent operations at a time, and nobody sends files. Without it neither is looked at.
	Caller func(context.Context) string

	// Extensions are added to the executor in this order, inside the front door's own.
	Extensions []graphql.HandlerExtension

	// ErrorPresenter turns the error of a resolver into what the caller reads. What it returns without one of the
	// known codes is masked as INTERNAL. It never sees parse and validation errors, panics and deadlines: these are
	// presented here. Nil masks everything but errors that carry a known code.
	ErrorPresenter graphql.ErrorPresenterFunc

	// SDL is served at /schema.graphql.
	SDL string

	// Parts are asked by /readyz.
	Parts []Part

	// Operation, if there is one, is told of each request to /graphql.
	Operation Operation

	// Playground holds index.html and assets/, served at /. Nil: there is none.
	Playground fs.FS

	// Mounts are extra handlers by pattern of http.ServeMux. They stand behind the same host check, cross-site
	// protection and log, with bodies limited to MaxUploadBytes; sign-in is their own matter.
	Mounts map[string]http.Handler

	// Log gets one line for each request and one for each masked error, with the request's id. Nil means slog.Default().
	Log *slog.Logger
}

// Errors of New.
var (
	ErrNoSchema         = errors.New("the front door has no schema to serve")
	ErrNoAuthentication = errors.New("the front door has no way to tell who calls")
)

// New returns the handler for all routes: /graphql, /healthz, /readyz, /schema.graphql, the mounts, and the playground
// at /. It fills in the defaults of cfg and returns its faults, and those of an extension that refuses the schema.
func New(cfg Config, deps Deps) (http.Handler, error) {
	cfg.SetDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Schema == nil {
		return nil, ErrNoSchema
	}
	if deps.Authenticate == nil {
		return nil, ErrNoAuthentication
	}
	deps.Log = logOf(deps)
	endpoint, err := newEndpoint(cfg, deps)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(graphqlPath, endpoint)
	mux.Handle("/healthz", readOnly(http.HandlerFunc(serveHealth)))
	mux.Handle("/readyz", readOnly(&readiness{parts: deps.Parts, log: deps.Log}))
	mux.Handle("/schema.graphql", readOnly(newSDLHandler(deps.SDL)))
	for pattern, mount := range deps.Mounts {
		if err := handle(mux, pattern, http.MaxBytesHandler(mount, cfg.MaxUploadBytes)); err != nil {
			return nil, err
		}
	}
	mux.Handle("/", readOnly(&playground{files: deps.Playground}))
	return observe(deps.Log, deps.Operation, guardOrigin(cfg, mux)), nil
}

func logOf(deps Deps) *slog.Logger {
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	return slog.New(LogHandler(deps.Log.Handler()))
}

// handle turns the panic of a mount's faulty or doubled pattern into an error.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("mount %q: %v", pattern, p)
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

// NewServer returns a server for New's handler with the time-outs of cfg. The caller gives it a listener (Serve) and
// ends it (Shutdown).
func NewServer(cfg Config, deps Deps) (*http.Server, error) {
	cfg.SetDefaults()
	deps.Log = logOf(deps)
	handler, err := New(cfg, deps)
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: cfg.HeaderTimeout,
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      cfg.WriteTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(deps.Log.Handler(), slog.LevelWarn),
	}, nil
}

// maxHeaderBytes bounds all headers and the URL of a request, and so the document of a GET. net/http adds 4 kB to it.
const maxHeaderBytes = 32 << 10
