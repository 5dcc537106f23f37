// Package spicedb asks SpiceDB: on memory in this process, on PostgreSQL in this process, or elsewhere over TLS. Client is
// the same for all three; what they promise differs in nothing but how long what was written lasts.
package spicedb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/authzed/spicedb/pkg/cmd/datastore"
)

// Options are the settings of an embedded SpiceDB.
type Options struct {
	Schema string       // the text of schema.zed
	Log    *slog.Logger // nil: slog.Default()
	// WarnAbove is the number of relationships above which one warning names database-url; 0 means 50,000, where a page
	// that nothing has cached takes about five times as long as at 10,000, because the memory datastore scans.
	WarnAbove uint64
}

const (
	defaultWarnAbove = 50_000
	// keepRevisions is how long a revision can be asked for. The memory datastore drops none, so a long time costs nothing,
	// and a check whose revision a write has just replaced is still answered.
	keepRevisions = 10 * 365 * 24 * time.Hour
	// memoryCacheFor bounds how long a partial answer is kept; SpiceDB derives about twice as long from it.
	memoryCacheFor = time.Minute
	// memoryPage is large because each page of an export scans the whole memory datastore.
	memoryPage = 10_000
)

// StartEmbedded starts SpiceDB in this process, on memory, empty but for the schema. ctx bounds the start only; Close ends
// it. Several can run side by side. The caller must Close the client.
func StartEmbedded(ctx context.Context, o Options) (c *Client, err error) {
	c = newClient(o.Log, o.Schema)
	defer func() { c, err = closedOn(c, err) }()
	life := c.life(ctx)

	config := datastore.DefaultDatastoreConfig()
	config.Engine = datastore.MemoryEngine
	config.GCWindow = keepRevisions
	config.RevisionQuantization = memoryCacheFor
	raw, err := datastore.NewDatastore(life, config.ToOption())
	if err != nil {
		return c, fmt.Errorf("start the memory datastore: %w", err)
	}
	c.onClose(raw.Close)
	if err := c.serve(life, config, raw); err != nil {
		return c, err
	}
	m := newMemory(c, o.WarnAbove)
	c.onClose(m.close)
	c.kind = kind{fence: headOf(raw, defaultTimeout), at: exactly, write: m.write, exclusively: m.exclusively, page: memoryPage}
	return c, c.ApplySchema(ctx)
}

func newClient(log *slog.Logger, schema string) *Client {
	if log == nil {
		log = slog.Default()
	}
	return &Client{log: log, schema: schema}
}

// closedOn closes c when its start has failed.
func closedOn(c *Client, err error) (*Client, error) {
	if err == nil {
		return c, nil
	}
	return nil, errors.Join(err, c.Close())
}

// life returns the context of what lives as long as the client.
func (c *Client) life(ctx context.Context) context.Context {
	life, stop := context.WithCancel(quiet(context.WithoutCancel(ctx), c.log))
	c.onClose(func() error { stop(); return nil })
	return life
}
