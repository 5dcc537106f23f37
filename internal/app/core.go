package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"steward"
	"steward/graph/generated"
	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/store/sqlite"
	"steward/resolvers"
)

// core is everything behind the front door: what a server and a command on the data directory have in common.
type core struct {
	closers
	log     *slog.Logger
	dir     *dataDir
	db      *store.DB
	spicedb *spicedb.Client
	engine  *authz.Engine
	changes *change.Engine
	service *service.Service
	schema  graphql.ExecutableSchema
	// mailQueued is called after a change has put mail into the store.
	mailQueued func()
}

// coreOptions are what differs between a server and a command.
type coreOptions struct {
	log      *slog.Logger
	linkBase *url.URL
	demo     bool
	version  string

	mailsPerPerson, mailsPerAddress int
}

// openCore opens the data directory, which it takes over, and everything on top of it: the rows migrated, SpiceDB filled
// from them, what a killed process left pending applied. On an error everything is closed again, the directory too.
func openCore(ctx context.Context, dir *dataDir, o coreOptions) (_ *core, err error) {
	c := &core{log: o.log, dir: dir, mailQueued: func() {}}
	c.simple("data directory", dir.Close)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	path, err := dir.database()
	if err != nil {
		return nil, err
	}
	if c.db, err = sqlite.Open(ctx, path, sqlite.MigrateFirst()); err != nil {
		return nil, err
	}
	c.simple("database", c.db.Close)
	if c.spicedb, err = spicedb.StartEmbedded(ctx, spicedb.Options{Schema: steward.SchemaZed, Log: o.log}); err != nil {
		return nil, fmt.Errorf("start SpiceDB: %w", err)
	}
	c.simple("SpiceDB", c.spicedb.Close)
	if err := c.fill(ctx); err != nil {
		return nil, err
	}
	policy, err := authz.NewPolicy(parsedSchema(), definitions())
	if err != nil {
		return nil, fmt.Errorf("the policy is not complete: %w", err)
	}
	c.wire(policy, o)
	// The fill has what the rows say, so what was pending is in it already.
	if err := c.changes.Settle(ctx); err != nil {
		return nil, fmt.Errorf("settle pending changes: %w", err)
	}
	return c, nil
}

// wire connects the parts that are made of others.
func (c *core) wire(policy *authz.Policy, o coreOptions) {
	c.engine = authz.New(authz.Options{
		Policy: policy, Checker: c.spicedb, Loaders: resolvers.Loaders(c.db, time.Now),
		Locate: func(ctx context.Context, ref authz.Ref) (authz.Ref, error) { return c.service.Locate(ctx, ref) },
		Repeats: func(ctx context.Context, actor domain.Actor, key string) (bool, error) {
			return c.service.Repeats(ctx, actor, key)
		},
		Viewed: func(ctx context.Context, actor domain.Actor, operation string, viewed map[domain.AccountID][]string) error {
			return c.service.RecordViews(ctx, actor, operation, viewed)
		},
	})
	c.changes = change.New(change.Options{DB: c.db, Authz: c.engine, Writer: c.spicedb, Log: o.log, Now: time.Now})
	c.service = service.New(service.Options{
		DB: c.db, Changes: c.changes, Authz: c.engine, Log: o.log, Now: time.Now, LinkBase: o.linkBase, Room: c.room,
		MailsPerPerson: o.mailsPerPerson, MailsPerAddress: o.mailsPerAddress,
		MailQueued: func() { c.mailQueued() },
	})
	c.schema = generated.NewExecutableSchema(resolvers.NewConfig(resolvers.Options{
		DB: c.db, Engine: c.engine, Service: c.service, Log: o.log, Demo: o.demo, Version: o.version, Model: Model(),
	}))
}

// maxRelationships is how many relationships an import may lead to. SpiceDB's memory datastore searches them one by one.
const maxRelationships = 100_000

// room is how many more relationships an import may bring.
func (c *core) room(ctx context.Context) (int, error) {
	n, err := c.spicedb.Count(ctx)
	return maxRelationships - int(n), err
}

// fill writes into SpiceDB, which starts empty, what the rows mean.
func (c *core) fill(ctx context.Context) error {
	begin := time.Now()
	count := 0
	err := c.db.View(ctx, func(tx *store.Tx) error {
		return relation.Fill(ctx, rowsOf(tx), func(ctx context.Context, updates []relation.Update) error {
			count += len(updates)
			return c.spicedb.Write(ctx, updates)
		})
	})
	if err != nil {
		return fmt.Errorf("fill SpiceDB: %w", err)
	}
	c.log.InfoContext(ctx, "SpiceDB filled from the rows", "relationships", count, "duration", time.Since(begin).Round(time.Millisecond))
	return nil
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
