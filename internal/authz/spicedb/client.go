package spicedb

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
)

// Client asks one SpiceDB: on memory in this process (StartEmbedded), on PostgreSQL in this process (StartOnPostgres), or
// elsewhere (Dial). It is safe for concurrent use.
//
// Every check is answered by a revision that is not older than the moment at which its fence began, so an answer is never
// from before a write that had returned by then. SpiceDB's own "fully consistent" does not promise that: it shares one read
// of the head revision between requests and can hand out an older one. See Fence.
type Client struct {
	log     *slog.Logger
	kind    kind
	schema  string        // the text of schema.zed
	timeout time.Duration // of one call; 0 leaves it to the caller

	conn        grpc.ClientConnInterface
	permissions v1.PermissionsServiceClient
	schemas     v1.SchemaServiceClient
	watches     v1.WatchServiceClient

	schemaHash atomic.Pointer[string]

	questions, calls, items, writes, fences, lookups atomic.Uint64

	closing sync.Once
	closers []func() error
	closed  atomic.Bool
}

// kind is what differs between SpiceDB on memory, on PostgreSQL and elsewhere.
type kind struct {
	// fence returns the token of a revision that holds everything that had been written before it was called.
	fence func(ctx context.Context) (token string, err error)
	// at demands answers that hold everything of a token.
	at func(token string) *v1.Consistency
	// write writes one chunk.
	write func(ctx context.Context, request *v1.WriteRelationshipsRequest) error
	// exclusively runs what must not overlap a write of relationships.
	exclusively func(ctx context.Context, f func() error) error
	// alive returns an error when SpiceDB no longer answers. Nil where SpiceDB ends with this process.
	alive func(ctx context.Context) error
	// page is how many relationships come in one message of an export, at most.
	page uint32
}

// Stats counts what was asked since the start.
type Stats struct {
	Questions uint64 // calls of Check or CheckAt that had to ask SpiceDB: one for a level of a query
	Calls     uint64 // CheckBulkPermissions calls
	Items     uint64 // distinct checks in them
	Writes    uint64 // WriteRelationships calls, without those that were tried again
	Fences    uint64 // calls of Fence
	Lookups   uint64 // LookupResources calls
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	return Stats{c.questions.Load(), c.calls.Load(), c.items.Load(), c.writes.Load(), c.fences.Load(), c.lookups.Load()}
}

// use makes conn the connection of all calls.
func (c *Client) use(conn grpc.ClientConnInterface) {
	c.conn = conn
	c.permissions, c.schemas, c.watches = v1.NewPermissionsServiceClient(conn), v1.NewSchemaServiceClient(conn), v1.NewWatchServiceClient(conn)
}

// Conn returns the connection, for programs that measure SpiceDB itself.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// bounded returns ctx with the deadline of one call.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}

func (c *Client) onClose(f func() error) { c.closers = append(c.closers, f) }

// Close ends the connection, and SpiceDB itself where it runs in this process. On memory it waits for the write that runs.
// Calls that run get an error. A second call does nothing.
func (c *Client) Close() error {
	var err error
	c.closing.Do(func() {
		c.closed.Store(true)
		for _, f := range slices.Backward(c.closers) {
			err = errors.Join(err, f())
		}
	})
	return err
}
