package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/config"
	"steward/internal/httpserver"
	"steward/internal/observe"
	"steward/internal/relation"
)

// observing is what shows the work of a server. Without metrics-listen and otlp-endpoint there is none of it.
type observing struct {
	closers
	observer *observe.Observer // nil: nobody looks
	listener net.Listener      // nil: no metrics
	server   *http.Server
	log      *slog.Logger
}

// openObserving comes before the parts, which are told of it; it is to be closed after them.
func openObserving(ctx context.Context, cfg config.Config, o Options) (_ *observing, err error) {
	w := &observing{log: o.Log}
	if cfg.MetricsListen == "" && cfg.OTLPEndpoint == "" {
		return w, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	options := observe.Options{Version: o.Version}
	if cfg.OTLPEndpoint != "" {
		traces, err := observe.OpenTraces(ctx, cfg.OTLPEndpoint, o.Version, o.Log)
		if err != nil {
			return nil, err
		}
		w.simple("traces", traces.Close)
		options.Tracer = traces.Tracer()
	}
	if w.observer, err = observe.New(options); err != nil {
		return nil, err
	}
	if cfg.MetricsListen != "" {
		return w, w.listen(ctx, cfg.MetricsListen)
	}
	return w, nil
}

func (w *observing) listen(ctx context.Context, address string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens on %s already: stop it, or name another address with --metrics-listen", address)
	case err != nil:
		return fmt.Errorf("cannot serve metrics on %s, see metrics-listen: %w", address, err)
	}
	w.simple("metrics", func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) { // their server has closed it
			return err
		}
		return nil
	})
	w.listener, w.server = listener, w.observer.MetricsServer(w.log)
	return nil
}

// serve serves metrics until ctx ends, where there is somebody to serve.
func (w *observing) serve(ctx context.Context) {
	if w.server == nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = w.server.Close() })()
	w.log.InfoContext(ctx, "metrics are served", "address", w.listener.Addr().String())
	if err := w.server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
		w.log.ErrorContext(ctx, "metrics are not served any more", "error", err)
	}
}

// addr is where /metrics is served; nil when it is not.
func (w *observing) addr() net.Addr {
	if w.listener == nil {
		return nil
	}
	return w.listener.Addr()
}

// operation is what the front door tells of each operation.
func (w *observing) operation() httpserver.Operation {
	if w.observer == nil {
		return nil
	}
	return w.observer.Operation
}

// watchedBy lets an observer read what the parts count.
func (c *core) watchedBy(o *observe.Observer) error {
	if o == nil {
		return nil
	}
	s := observe.Sources{
		Checks: c.checks.Stats,
		Planner: func() observe.PlannerStats {
			return observe.PlannerStats{Planned: c.engine.Planned(), Unplanned: c.engine.Unplanned()}
		},
		SpiceDB: func() observe.SpiceDBStats { return observe.SpiceDBStats(c.spicedb.Stats()) },
		Outbox:  c.db.OutboxAge,
	}
	if c.redis != nil {
		s.Redis = func() observe.RedisStats { return observe.RedisStats(c.redis.Stats()) }
	}
	if c.watcher != nil {
		s.Watch = func() (bool, time.Time) { return c.watcher.Leads(), c.watcher.LastEvent() }
	}
	return o.Watch(s)
}

// live answers the questions of changes.
func (c *core) live(o *observe.Observer) authz.Live {
	if o == nil {
		return c.spicedb
	}
	return o.Live(c.spicedb)
}

// finder looks up what lists may show.
func (c *core) finder(o *observe.Observer) authz.Finder {
	if o == nil {
		return finder{c.spicedb}
	}
	return o.Finder(finder{c.spicedb})
}

// writer writes the relationships of changes.
func (c *core) writer(o *observe.Observer) change.Writer {
	if o == nil {
		return c.spicedb
	}
	return o.Writer(c.spicedb)
}

// readiness is what /readyz asks: the parts that every request needs, and Redis, without which checks are slower.
func (a *App) readiness() []httpserver.Part {
	parts := []httpserver.Part{{Name: "database", Check: a.core.db.Ping}, {Name: "spicedb", Check: a.core.askSpiceDB}}
	if a.core.redis != nil {
		parts = append(parts, httpserver.Part{Name: "redis", Optional: true, Check: a.core.redis.Ping})
	}
	return parts
}

// askSpiceDB asks what every request asks: a check. It asks at a fence of long ago, since a new one is a write where SpiceDB
// is a server, and anybody may ask for /readyz.
func (c *core) askSpiceDB(ctx context.Context) error {
	token := c.longAgo.Load()
	if token == nil {
		fence, err := c.spicedb.Fence(ctx)
		if err != nil {
			return err
		}
		token = &fence
		c.longAgo.Store(token)
	}
	_, err := c.spicedb.CheckAt(ctx, *token, authz.Subject{Type: relation.TypeUser, ID: "nobody"}, []authz.Question{
		{Ref: authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}, Permission: relation.Staff},
	})
	if err != nil {
		c.longAgo.CompareAndSwap(token, nil) // it may be of before a restore
	}
	return err
}
