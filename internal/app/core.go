package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"steward"
	"steward/graph/generated"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/change"
	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/observe"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/resolvers"
)

// core is everything behind the front door: what a server and a command on the data directory have in common.
type core struct {
	closers
	log *slog.Logger
	dir *dataDir
	backing
	checks  *check.Path
	cursors *authz.Cursors
	engine  *authz.Engine
	changes *change.Engine
	watcher *change.Watcher // nil where nobody else can change SpiceDB
	service *service.Service
	schema  graphql.ExecutableSchema
	longAgo atomic.Pointer[string] // a fence, see askSpiceDB
	// mailQueued is called after a change has put mail into the store.
	mailQueued func()
}

// coreOptions are what differs between a server and a command.
type coreOptions struct {
	log      *slog.Logger
	observer *observe.Observer // nil: nobody looks
	linkBase *url.URL
	demo     bool
	moving   bool // the database is about to belong to the SpiceDB of the settings
	version  string

	mailsPerPerson, mailsPerAddress int
}

// openCore opens the parts that the settings name and everything on top of them: the rows migrated where they are our own,
// SpiceDB filled from them where it starts empty, what a killed process left pending applied. dir is nil for parts that
// lie elsewhere; else the core takes it over. On an error everything is closed again, the directory too.
func openCore(ctx context.Context, cfg config.Config, dir *dataDir, o coreOptions) (_ *core, err error) {
	cfg.SetDefaults()
	c := &core{log: o.log, dir: dir, mailQueued: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if dir != nil {
		c.simple("data directory", dir.Close)
		err = c.openEmbedded(ctx)
	} else {
		err = c.openServers(ctx, cfg, o.moving)
	}
	if err != nil {
		return nil, err
	}
	policy, err := authz.NewPolicy(parsedSchema(), definitions())
	if err != nil {
		return nil, fmt.Errorf("the policy is not complete: %w", err)
	}
	if c.cursors, err = openCursors(ctx, c.db); err != nil {
		return nil, err
	}
	c.wire(cfg, policy, o)
	return c, c.takeUp(ctx)
}

// takeUp finishes what a killed process left pending. A failure to reach SpiceDB now is none: the worker goes on.
func (c *core) takeUp(ctx context.Context) error {
	if c.embedded { // the fill has what the rows say, so what was pending is in it already
		if err := c.changes.Settle(ctx); err != nil {
			return fmt.Errorf("settle pending changes: %w", err)
		}
		return nil
	}
	if err := c.changes.Drain(ctx); err != nil {
		c.log.WarnContext(ctx, "pending changes not applied yet", "error", err)
	}
	return nil
}

// wire connects the parts that are made of others.
func (c *core) wire(cfg config.Config, policy *authz.Policy, o coreOptions) {
	c.checks = check.New(c.readPath(cfg, policy, o.observer))
	c.engine = authz.New(authz.Options{
		Policy: policy, Checker: c.checks, Live: c.live(o.observer), Loaders: resolvers.Loaders(c.db, time.Now), Cursors: c.cursors, Finder: c.finder(o.observer), Log: o.log,
		TokenCounts: func(ctx context.Context, actor domain.Actor) error { return c.service.TokenCounts(ctx, actor) },
		Locate:      func(ctx context.Context, ref authz.Ref) (authz.Ref, error) { return c.service.Locate(ctx, ref) },
		Repeats: func(ctx context.Context, actor domain.Actor, key string) (bool, error) {
			return c.service.Repeats(ctx, actor, key)
		},
		Viewed: func(ctx context.Context, actor domain.Actor, operation string, viewed map[domain.AccountID][]string) error {
			return c.service.RecordViews(ctx, actor, operation, viewed)
		},
	})
	c.changes = change.New(change.Options{DB: c.db, Authz: c.engine, Writer: c.writer(o.observer), Log: o.log, Now: time.Now, Bumped: c.bumped})
	if cfg.SpiceDBEndpoint != "" {
		c.watcher = change.NewWatcher(c.changes, feed{c.spicedb})
	}
	c.service = service.New(service.Options{
		DB: c.db, Changes: c.changes, Authz: c.engine, Log: o.log, Now: time.Now, LinkBase: o.linkBase, Room: c.room,
		MailsPerPerson: o.mailsPerPerson, MailsPerAddress: o.mailsPerAddress,
		MailQueued: func() { c.mailQueued() },
	})
	c.schema = generated.NewExecutableSchema(resolvers.NewConfig(resolvers.Options{
		DB: c.db, Engine: c.engine, Service: c.service, Log: o.log, Demo: o.demo, Version: o.version, Model: Model(),
	}))
}

// readPath says what the read path is made of.
func (c *core) readPath(cfg config.Config, policy *authz.Policy, observer *observe.Observer) check.Options {
	permissions := policy.AllPermissions()
	o := check.Options{
		Backend: c.spicedb, Generations: c.generations, Permissions: permissions,
		// What a bit stands for follows from the SDL, which may differ between two versions of this program.
		Schema:      fmt.Sprint(c.whose, c.spicedb.SchemaHash(), permissions), // fmt sorts the keys of maps
		MemoryBytes: uint64(cfg.CheckCacheBytes), Timeout: cfg.SpiceDBTimeout,
	}
	if c.redis != nil {
		o.Shared = c.redis
	}
	if observer != nil {
		o.Observer = observer
	}
	return o
}

// maxRelationships is how many relationships an import may lead to. SpiceDB's memory datastore searches them one by one.
const maxRelationships = 100_000

// room is how many more relationships an import may bring.
func (c *core) room(ctx context.Context) (int, error) {
	if !c.embedded {
		return math.MaxInt, nil
	}
	n, err := c.spicedb.Count(ctx)
	return maxRelationships - int(n), err
}

// parsedSchema is the SDL, parsed.
func parsedSchema() *ast.Schema { return generated.NewExecutableSchema(generated.Config{}).Schema() }

// definitions are the permissions of schema.zed.
func definitions() authz.Definitions {
	defs := authz.Definitions{}
	for _, d := range relation.Definitions() {
		defs[d.Type] = d.Permissions
	}
	return defs
}

// Model returns which authorization model this program enforces: the first 16 hexadecimal digits of the SHA-256 of schema.zed.
func Model() string {
	sum := sha256.Sum256([]byte(steward.SchemaZed))
	return hex.EncodeToString(sum[:8])
}
