// Package spicedb asks SpiceDB. StartEmbedded runs it in this process, on memory, behind a buffered connection.
package spicedb

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/spicedb/pkg/cmd/datastore"
	"github.com/authzed/spicedb/pkg/cmd/server"
	"github.com/authzed/spicedb/pkg/cmd/util"
	"github.com/authzed/spicedb/pkg/datalayer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Options are the settings of an embedded SpiceDB.
type Options struct {
	Schema string       // the text of schema.zed
	Log    *slog.Logger // nil: slog.Default()
	// WarnAbove is the number of relationships above which one warning names the next set; 0 means 50,000, where a page
	// that nothing has cached takes about five times as long as at 10,000, because the memory datastore scans.
	WarnAbove uint64
}

const (
	defaultWarnAbove = 50_000
	// keepRevisions is how long a revision can be asked for. The memory datastore drops none, so a long time costs nothing,
	// and a check whose revision a write has just replaced is still answered.
	keepRevisions = 10 * 365 * 24 * time.Hour
	// dispatchCache bounds SpiceDB's own cache of partial answers, which is keyed by revision: it spares work within one page
	// and between two writes. Without a bound it would take 30 % of the machine.
	dispatchCache = "128MiB"
	// dispatchCacheFor bounds how long a partial answer is kept; SpiceDB derives about twice as long from it.
	dispatchCacheFor = time.Minute
)

// StartEmbedded starts SpiceDB in this process, empty but for the schema. ctx bounds the start only; Close ends it.
// Several can run side by side. The caller must Close the client.
func StartEmbedded(ctx context.Context, o Options) (c *Client, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.WarnAbove == 0 {
		o.WarnAbove = defaultWarnAbove
	}
	c = &Client{log: o.Log, warnAbove: o.WarnAbove, writing: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
			c = nil
		}
	}()
	life, stop := context.WithCancel(quiet(context.WithoutCancel(ctx), o.Log))
	c.onClose(func() error { stop(); return nil })

	config := datastore.DefaultDatastoreConfig()
	config.Engine = datastore.MemoryEngine
	config.GCWindow = keepRevisions
	config.RevisionQuantization = dispatchCacheFor
	raw, err := datastore.NewDatastore(life, config.ToOption())
	if err != nil {
		return c, fmt.Errorf("start the memory datastore: %w", err)
	}
	c.onClose(raw.Close)
	c.raw = datalayer.NewDataLayer(raw)

	key := rand.Text()
	cfg := server.NewConfigWithOptionsAndDefaults(
		server.WithPresharedSecureKey(key),
		server.WithDatastoreConfig(*config),
		server.WithDatastore(raw),
		server.WithGRPCServer(util.GRPCServerConfig{Network: util.BufferedNetwork, Address: "embedded", Enabled: true}),
		server.WithHTTPGateway(util.HTTPServerConfig{}),
		server.WithMetricsAPI(util.HTTPServerConfig{}),
		server.WithDispatchServer(util.GRPCServerConfig{}),
		server.WithSilentlyDisableTelemetry(true),
		server.WithEnableMemoryProtectionMiddleware(false),
		server.WithMismatchZedTokenBehavior("error"),
	)
	cfg.DispatchCacheConfig.MaxCost = dispatchCache
	srv, err := cfg.Complete(life)
	if err != nil {
		return c, fmt.Errorf("configure SpiceDB: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(life) }()
	c.onClose(func() error { stop(); return <-ended })

	conn, err := srv.NewClient(grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(bearer(key)))
	if err != nil {
		return c, fmt.Errorf("connect to SpiceDB: %w", err)
	}
	c.onClose(conn.Close)
	c.permissions = v1.NewPermissionsServiceClient(conn)
	return c, c.writeSchema(ctx, v1.NewSchemaServiceClient(conn), o.Schema)
}

// writeSchema writes the schema and keeps the hash of what SpiceDB reads back, which is what it answers by.
func (c *Client) writeSchema(ctx context.Context, schemas v1.SchemaServiceClient, text string) error {
	if err := c.lockWrites(ctx); err != nil {
		return err
	}
	defer c.unlockWrites()
	if _, err := schemas.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: text}); err != nil {
		return translate(ctx, "write the schema", err)
	}
	back, err := schemas.ReadSchema(ctx, &v1.ReadSchemaRequest{})
	if err != nil {
		return translate(ctx, "read the schema back", err)
	}
	sum := sha256.Sum256([]byte(back.GetSchemaText()))
	c.schemaHash = hex.EncodeToString(sum[:])
	return nil
}

// bearer sends the preshared key with every call. The connection is a buffer inside this process, so it needs no TLS.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
