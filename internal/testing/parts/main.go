// Command parts runs the demo on all parts, without containers: PostgreSQL, Redis, a SpiceDB server, the demo's issuer, two
// replicas and a front that spreads requests over them. Everything listens on this machine alone, and ends with Ctrl-C.
//
//	make parts                                            # build, then run on http://127.0.0.1:8080
//	go run ./internal/testing/parts -fresh -json at.json  # with new data; programs read where everything is
//
// While it runs it takes commands on standard input, one a line: stop, start, pause or resume, and the name of a part, such
// as "pause postgres". The front asks the replicas how they are every two seconds, as HAProxy does in deploy/haproxy, and
// passes over those that are not ready.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"steward/internal/identity/demoissuer"
	"steward/internal/testing/servers"
)

// options are what the command line says.
type options struct {
	steward, dir, listen, json string
	fresh                      bool
	postgres, redis, spicedb   int   // ports; 0: a free one
	replicas                   []int // a port for each
	out                        *os.File
}

// What a process starts ends with the thread that started it: this one lives as long as the program.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "parts:", err)
		if errors.Is(err, servers.ErrMissing) {
			fmt.Fprintln(os.Stderr, "       this installs what is needed: sudo apt-get install --no-install-recommends postgresql redis-server")
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	c := &cluster{options: o}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.start(ctx); err != nil {
		return err
	}
	if err := c.tell(); err != nil {
		return err
	}
	return c.serve(ctx)
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("parts", flag.ContinueOnError)
	flags.StringVar(&o.steward, "steward", "bin/steward", "the built program")
	flags.StringVar(&o.dir, "dir", filepath.Join("data", "parts"), "where the data are kept")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "where the front listens, on this machine")
	flags.StringVar(&o.json, "json", "", "a file that is written with all addresses and pids")
	flags.BoolVar(&o.fresh, "fresh", false, "begin with new data")
	flags.IntVar(&o.postgres, "postgres-port", 0, "PostgreSQL's port; 0 is a free one, here and below")
	flags.IntVar(&o.redis, "redis-port", 0, "Redis' port")
	flags.IntVar(&o.spicedb, "spicedb-port", 0, "SpiceDB's port")
	replicas := flags.String("replicas", "0,0", "a port for each replica")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood: see -help", flags.Arg(0))
	}
	for text := range strings.SplitSeq(*replicas, ",") {
		port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
		if err != nil {
			return o, fmt.Errorf("-replicas is a port for each replica, such as 8081,8082, not %q", *replicas)
		}
		o.replicas = append(o.replicas, int(port))
	}
	o.out = os.Stdout
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return o, err
	}
	if o.steward, err = filepath.Abs(o.steward); err != nil {
		return o, err
	}
	if _, err := os.Stat(o.steward); err != nil {
		return o, fmt.Errorf("%s is not there: build it with `make build`, or name it with -steward", o.steward)
	}
	return o, demoissuer.CheckListen(o.listen)
}
