package spicedb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	configured "github.com/authzed/spicedb/pkg/cmd/datastore"
	"github.com/authzed/spicedb/pkg/cmd/server"
	"github.com/authzed/spicedb/pkg/cmd/util"
	"github.com/authzed/spicedb/pkg/datastore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// dispatchCache bounds SpiceDB's own cache of partial answers, which is keyed by revision: it spares work within one page
// and between two writes. Without a bound it would take 30 % of the machine.
const dispatchCache = "128MiB"

// serve runs SpiceDB in this process on raw, behind a buffered connection, until the client is closed.
func (c *Client) serve(life context.Context, config *configured.Config, raw datastore.Datastore) error {
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
	life, stop := context.WithCancel(life)
	srv, err := cfg.Complete(life)
	if err != nil {
		stop()
		return fmt.Errorf("configure SpiceDB: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(life) }()
	c.onClose(func() error {
		stop()
		if err := <-ended; !errors.Is(err, grpc.ErrServerStopped) { // which is all that it was told
			return err
		}
		return nil
	})

	conn, err := srv.NewClient(
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the connection is a buffer inside of this process
		grpc.WithPerRPCCredentials(bearer{key, false}),
		grpc.WithUnaryInterceptor(c.within),
	)
	if err != nil {
		return fmt.Errorf("connect to SpiceDB: %w", err)
	}
	c.onClose(conn.Close)
	c.use(conn)
	return nil
}

// within gives a call the deadline of one call.
func (c *Client) within(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	return invoke(ctx, method, request, reply, conn, opts...)
}

// bearer sends the preshared key with every call.
type bearer struct {
	key string
	tls bool // refuse to send it otherwise
}

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.key}, nil
}

func (b bearer) RequireTransportSecurity() bool { return b.tls }
