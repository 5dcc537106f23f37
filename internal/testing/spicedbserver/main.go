// Command spicedbserver serves SpiceDB over TLS, on PostgreSQL, for tests and for a cluster on one machine: SpiceDB's own
// packages, with the settings that its program has when nothing is said.
//
//	SPICEDB_PRESHARED=secret spicedbserver -listen 127.0.0.1:50051 -cert cert.pem -key-file key.pem -postgres postgres://... -migrate
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/authzed/spicedb/pkg/cmd/datastore"
	"github.com/authzed/spicedb/pkg/cmd/server"
	"github.com/authzed/spicedb/pkg/cmd/util"
	"github.com/rs/zerolog"

	"steward/internal/authz/spicedb"
	"steward/internal/authz/spicedb/migrate"
)

// options are what the command line and the environment say.
type options struct {
	listen, cert, key, postgres, preshared string
	migrate                                bool
}

func main() {
	o := options{preshared: os.Getenv("SPICEDB_PRESHARED")}
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "the address; port 0 is a free one")
	flag.StringVar(&o.cert, "cert", "", "the file with the certificate; without one it speaks plain text")
	flag.StringVar(&o.key, "key-file", "", "the file with the certificate's key")
	flag.StringVar(&o.postgres, "postgres", os.Getenv("SPICEDB_POSTGRES"), "the URL of the database; its tables are in the schema \"spicedb\"")
	flag.BoolVar(&o.migrate, "migrate", false, "make the tables, or bring them to this version, before serving")
	flag.Parse()
	ctx, stop := signal.NotifyContext(zerolog.New(os.Stderr).Level(zerolog.WarnLevel).WithContext(context.Background()), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "spicedbserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.preshared == "" {
		return errors.New("SPICEDB_PRESHARED is not set")
	}
	if o.migrate {
		if err := migrate.Postgres(ctx, o.postgres); err != nil {
			return err
		}
	}
	url, err := spicedb.InPostgresSchema(o.postgres)
	if err != nil {
		return err
	}
	address, err := free(o.listen)
	if err != nil {
		return err
	}
	store := datastore.DefaultDatastoreConfig()
	store.Engine, store.URI = datastore.PostgresEngine, url
	store.ReadConnPool.MinOpenConns, store.WriteConnPool.MinOpenConns = 2, 1
	config := server.NewConfigWithOptionsAndDefaults(
		server.WithPresharedSecureKey(o.preshared),
		server.WithDatastoreConfig(*store),
		server.WithGRPCServer(util.GRPCServerConfig{
			Network: "tcp", Address: address, Enabled: true, TLSCertPath: o.cert, TLSKeyPath: o.key, MaxConnAge: 30 * time.Second,
		}),
		server.WithHTTPGateway(util.HTTPServerConfig{}),
		server.WithMetricsAPI(util.HTTPServerConfig{}),
		server.WithDispatchServer(util.GRPCServerConfig{}),
		server.WithSilentlyDisableTelemetry(true),
		server.WithEnableMemoryProtectionMiddleware(false),
	)
	config.DispatchCacheConfig.MaxCost = "64MiB"
	srv, err := config.Complete(ctx)
	if err != nil {
		return err
	}
	fmt.Println("listening on", address)
	return srv.Run(ctx)
}

// free returns address with a port that nobody listens on in place of 0.
func free(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "0" {
		return address, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
