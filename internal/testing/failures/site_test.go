package failures_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/testing/servers"
)

var (
	revokesFlag = flag.Int("revokes", 2000, "how many revokes the stress test makes")
	seedFlag    = flag.Uint64("seed", 0, "repeat the chance of a failed test, which has printed this number")
)

// seed returns the seed of a test's chance, and has the test print it.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := *seedFlag
	for n == 0 {
		n = rand.Uint64()
	}
	t.Logf("repeat with -seed=%d", n)
	return n
}

// site is all the parts that replicas share, with the house's people in them.
type site struct {
	*house
	database string // URL
	cluster  *servers.Cluster
	spicedb  *servers.SpiceDBServer
	redis    *servers.RedisServer
	settings map[string]string // the environment of every program of Steward
}

// newSite starts a SpiceDB server and a Redis, on a database of the cluster that all tests share.
func newSite(t *testing.T) *site {
	t.Helper()
	h := sharedHouse(t)
	db := servers.PostgresFrom(t, h.database)
	s := &site{house: h, database: db.URL, cluster: db.Cluster}
	s.open(t, s.database)
	return s
}

// newOwnSite is newSite with a PostgreSQL that the test may stop. change, which may be nil, says how SpiceDB reaches it.
func newOwnSite(t *testing.T, change func(url string) string) *site {
	t.Helper()
	cluster := servers.OwnPostgres(t)
	s := &site{cluster: cluster, database: cluster.URL("steward")}
	if change == nil {
		change = func(url string) string { return url }
	}
	s.open(t, change(s.database))
	s.house = build(t, s)
	return s
}

func (s *site) open(t *testing.T, spicedbDatabase string) {
	t.Helper()
	s.spicedb, s.redis = servers.SpiceDB(t, spicedbDatabase), servers.Redis(t)
	s.settings = map[string]string{
		"DATABASE_URL": s.database, "SPICEDB_ENDPOINT": s.spicedb.Endpoint, "SPICEDB_KEY": s.spicedb.Key, "SPICEDB_CA": s.spicedb.CAFile,
		"REDIS_URL": s.redis.URL, "STEWARD_LOG_LEVEL": "warn", "STEWARD_MAILS_PER_ADDRESS": "1000000", "STEWARD_MAILS_PER_PERSON": "1000000",
	}
}

// program is the built `steward` that stops at failpoints.
var program = sync.OnceValues(func() (string, error) {
	return servers.Build("steward/cmd/steward", "steward", "-tags=failpoints")
})

// command is a command line of Steward on the site, with more settings as NAME=value.
func (s *site) command(t *testing.T, settings []string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STEWARD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	for name, value := range s.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, settings...)
	return cmd
}

// steward runs a command to its end, and returns what it has written and its exit code.
func (s *site) steward(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := s.command(t, nil, args...)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return text.String(), cmd.ProcessState.ExitCode()
}

// must is steward for a command that has to work.
func (s *site) must(t *testing.T, args ...string) string {
	t.Helper()
	out, code := s.steward(t, args...)
	if code != 0 {
		t.Fatalf("steward %s: exit code %d: %s", strings.Join(args, " "), code, out)
	}
	return out
}

// consistent holds that SpiceDB has exactly what the rows mean.
func (s *site) consistent(t *testing.T) {
	t.Helper()
	if out, code := s.steward(t, "reconcile"); code != 0 {
		t.Errorf("reconcile: exit code %d: %s", code, out)
	}
}

// replica is one process of `steward serve`.
type replica struct {
	*servers.Program
	url  string
	http *http.Client
}

// replica starts one, with more settings as NAME=value.
func (s *site) replica(t *testing.T, settings ...string) *replica {
	t.Helper()
	const ready = " listens on "
	p := servers.Start(t, ready, s.command(t, settings, "serve", "--listen", "127.0.0.1:0"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a replica wrote:\n%s", lastLines(p.Log(), 10))
		}
	})
	_, url, _ := strings.Cut(p.Log(), ready)
	url, _, _ = strings.Cut(url, "\n")
	// A new connection for each address: what a killed replica leaves behind must not be taken for the next one's.
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &replica{Program: p, url: url, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// replicas starts several.
func (s *site) replicas(t *testing.T, n int, settings ...string) []*replica {
	t.Helper()
	out := make([]*replica, n)
	for i := range out {
		out[i] = s.replica(t, settings...)
	}
	return out
}

func (r *replica) kill(t *testing.T) {
	t.Helper()
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
}

// until polls until ok, and fails the test when that takes too long.
func until(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", within, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// patience bounds what takes a moment, on a machine that is busy.
const patience = time.Minute

func try(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
