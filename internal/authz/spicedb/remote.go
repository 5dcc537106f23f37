package spicedb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
)

// RemoteOptions say where a SpiceDB runs, and how to speak to it.
type RemoteOptions struct {
	Endpoint string        // host:port, or http://host:port on this machine
	Key      string        // the preshared key
	CAFile   string        // PEM; whom to trust instead of the machine's authorities
	Schema   string        // the text of schema.zed; CompareSchema and ApplySchema use it
	Log      *slog.Logger  // nil: slog.Default()
	Timeout  time.Duration // of one call; 0: 5 s
}

const (
	remotePage   = 1000     // an export resumes where it was cut off, so short pages lose little
	largestReply = 64 << 20 // a page of relationships whose ids are as long as they may be
	// probeAfter is how long the server may be silent while a call waits; probeFor how long it then has for a sign of life. gRPC
	// allows no shorter one than 10 s.
	probeAfter, probeFor = 10 * time.Second, 3 * time.Second
)

// Dial returns a client of a SpiceDB that runs elsewhere. It does not wait for it: while SpiceDB is away, or busy for longer
// than Timeout, calls return an *UnavailableError, and they work again about a second after it is back.
func Dial(_ context.Context, o RemoteOptions) (c *Client, err error) {
	c = newClient(o.Log, o.Schema)
	c.timeout = o.Timeout
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	defer func() { c, err = closedOn(c, err) }()
	at, err := parseEndpoint(o.Endpoint)
	if err != nil {
		return c, err
	}
	if o.Key == "" {
		return c, errors.New("spicedb-key is not set: it is the preshared key of the SpiceDB at spicedb-endpoint")
	}
	transport, err := transportOf(at, o.CAFile)
	if err != nil {
		return c, err
	}
	options := c.dialOptions(transport, bearer{o.Key, !at.plain})
	// A server takes the probes of a stream on which nothing happens for an attack, so what watches has a connection without.
	calls, err := grpc.NewClient(at.address, append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: probeAfter, Timeout: probeFor}))...)
	if err != nil {
		return c, fmt.Errorf("spicedb-endpoint: %w", err)
	}
	c.onClose(calls.Close)
	watches, err := grpc.NewClient(at.address, options...)
	if err != nil {
		return c, fmt.Errorf("spicedb-endpoint: %w", err)
	}
	c.onClose(watches.Close)
	c.use(calls)
	c.watches = v1.NewWatchServiceClient(watches)
	health := grpc_health_v1.NewHealthClient(watches)
	alive := func(ctx context.Context) error {
		_, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	}
	c.kind = kind{fence: c.barrier, at: atLeast, write: c.transact, exclusively: alone, alive: alive, page: remotePage}
	return c, nil
}

// dialOptions make a connection that fails fast and comes back soon.
func (c *Client) dialOptions(transport credentials.TransportCredentials, key bearer) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithPerRPCCredentials(key),
		grpc.WithUnaryInterceptor(c.within),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestReply)),
		grpc.WithDisableServiceConfig(), // what DNS says does not change how we call
		grpc.WithUserAgent("steward"),
	}
}
