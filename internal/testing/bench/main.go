// Command bench measures what the guards of a page cost: a page of 100 contacts with every permission of theirs, through
// HTTP, beside the same page without guards on the same server, rows and query.
//
// All ways of answering take turns, round after round, so that whatever else the machine does falls on all of them alike;
// what is printed are medians, and ratios of medians of one run: tables for people, then lines of a name, a value and a unit
// for programs.
//
//	make bench                                          # about three minutes, with the start of the servers
//	go run ./internal/testing/bench -for 10s | tail -10 # the numbers alone, of a short run
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"time"
)

func main() {
	budget := flag.Duration("for", 165*time.Second, "how long to measure, beside the time that it takes to build and to start the servers")
	profile := flag.String("profile", "", "write a CPU profile of the warm embedded page to this file, and measure nothing")
	flag.Parse()
	if *budget < time.Second {
		fmt.Fprintf(os.Stderr, "bench: -for %s is too short to measure anything: at least 1s\n", *budget)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *budget, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, budget time.Duration, profile string) (err error) {
	dir, err := os.MkdirTemp("", "steward-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL runs as another user when we are root
		return err
	}
	for _, part := range []string{"postgres", "redis"} {
		if err := os.Mkdir(filepath.Join(dir, part), 0o700); err != nil {
			return err
		}
	}
	embedded, err := openEmbedded(ctx, dir)
	if err != nil {
		return err
	}
	defer embedded.close(&err)
	if profile != "" {
		return profiled(ctx, profile, embedded.get(embedded.ours))
	}
	servers, err := openServers(ctx, dir)
	if err != nil {
		return err
	}
	defer servers.close(&err)
	warm, err := measure(ctx, budget*3/5, warmWays(embedded, servers))
	if err != nil {
		return err
	}
	cold, err := measure(ctx, budget/5, coldWays(embedded, servers))
	if err != nil {
		return err
	}
	revoke, err := revokes(ctx, budget/5, servers)
	if err != nil {
		return err
	}
	allocs, err := allocations(ctx, embedded)
	if err != nil {
		return err
	}
	report(os.Stdout, results{warm, cold, revoke, allocs, len(embedded.asked)})
	return nil
}

// profiled answers a page over and over for five seconds.
func profiled(ctx context.Context, file string, page func(context.Context) error) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	n, begin := 0, time.Now()
	for ; time.Since(begin) < 5*time.Second; n++ {
		if err := page(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("%.2f ms a page\n", float64(time.Since(begin).Milliseconds())/float64(n))
	return nil
}
