package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5/pgconn"

	"steward/internal/identity/demoissuer"
	"steward/internal/testing/servers"
)

// part is one running process.
type part interface {
	Stop() error
	Start(ctx context.Context) error
	Pause() error
	Resume() error
}

// cluster is everything that runs.
type cluster struct {
	options
	postgres *servers.Cluster
	redis    *servers.RedisServer
	spicedb  *servers.SpiceDBServer
	issuer   *program
	replicas []*program
	listener net.Listener // of the front
	frontURL string

	database string // the URL of Steward's
	parts    map[string]part
	paused   map[string]bool
	closers  []func() error
}

// folders of the directory, which -fresh empties.
var folders = []string{"postgres", "redis", "spicedb", "issuer", "settings", "logs"}

// start starts the parts in the order in which they need each other.
func (c *cluster) start(ctx context.Context) error {
	c.parts, c.paused = map[string]part{}, map[string]bool{}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"", c.openDir}, {"", c.takeAddress},
		{"PostgreSQL", c.startPostgres}, {"Redis", c.startRedis}, {"SpiceDB (it is built first, which takes minutes the first time)", c.startSpiceDB},
		{"the demo's issuer", c.startIssuer}, {"steward migrate --demo", c.migrate}, {"the replicas", c.startReplicas}, {"", c.serveFront},
	} {
		if step.name != "" {
			fmt.Fprintf(c.out, "starting %s\n", step.name)
		}
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close ends everything in reverse.
func (c *cluster) close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	c.closers = nil
	return errors.Join(errs...)
}

func (c *cluster) closes(fn func() error) { c.closers = append(c.closers, fn) }

// openDir makes the directory, takes it for this process and, for -fresh, empties it.
func (c *cluster) openDir(context.Context) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(c.dir, "lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s is in use by parts that run already: stop them, or name another directory with -dir", c.dir)
	}
	c.closes(lock.Close)
	for _, name := range folders {
		path := filepath.Join(c.dir, name)
		if c.fresh {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		return passable(c.dir)
	}
	return nil
}

// passable lets PostgreSQL, which does not run as root, go through the directory and the folder that it is in, without
// letting it list them. The folders above are not ours to change.
func passable(dir string) error {
	for i, path := 0, dir; ; i, path = i+1, filepath.Dir(path) {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return err
		case info.Mode()&0o001 == 0 && i < 2:
			err = os.Chmod(path, info.Mode().Perm()|0o001)
		case info.Mode()&0o001 == 0:
			err = fmt.Errorf("%s lets nobody through but its owner, and PostgreSQL does not run as root: name another directory with -dir", path)
		}
		if err != nil || path == filepath.Dir(path) {
			return err
		}
	}
}

// takeAddress listens for the front, so that a port in use is found out before anything is started.
func (c *cluster) takeAddress(ctx context.Context) (err error) {
	if c.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.listen); err != nil {
		return fmt.Errorf("the front cannot listen on %s: %w; name another address with -listen", c.listen, err)
	}
	c.frontURL = "http://" + c.listener.Addr().String()
	c.closes(func() error {
		if err := c.listener.Close(); !errors.Is(err, net.ErrClosed) { // its server has closed it
			return err
		}
		return nil
	})
	return nil
}

func (c *cluster) startPostgres(ctx context.Context) (err error) {
	c.postgres, err = servers.StartPostgres(ctx, filepath.Join(c.dir, "postgres"), servers.PostgresOptions{Durable: true, Port: c.options.postgres})
	if err != nil {
		return err
	}
	c.closes(func() error { return c.postgres.Stop(servers.Fast) })
	c.parts["postgres"] = database{c.postgres}
	for _, name := range []string{"steward", "spicedb"} {
		_, err := c.postgres.CreateDatabase(ctx, name, "")
		if e, ok := errors.AsType[*pgconn.PgError](err); err != nil && (!ok || e.Code != "42P04") { // it is there
			return err
		}
	}
	c.database = c.postgres.URL("steward")
	return nil
}

// database is PostgreSQL with the signature of the other parts.
type database struct{ *servers.Cluster }

func (d database) Stop() error { return d.Cluster.Stop(servers.Fast) }

func (c *cluster) startRedis(ctx context.Context) (err error) {
	c.redis, err = servers.StartRedis(ctx, filepath.Join(c.dir, "redis"), servers.RedisOptions{
		Password: rand.Text(), Port: c.options.redis, Args: []string{"--maxmemory", "128mb", "--maxmemory-policy", "allkeys-lru"},
	})
	if err != nil {
		return err
	}
	c.closes(c.redis.Stop)
	c.parts["redis"] = c.redis
	return nil
}

func (c *cluster) startSpiceDB(ctx context.Context) (err error) {
	c.spicedb, err = servers.StartSpiceDB(ctx, filepath.Join(c.dir, "spicedb"), servers.SpiceDBOptions{PostgresURL: c.postgres.URL("spicedb"), Port: c.options.spicedb})
	if err != nil {
		return err
	}
	c.closes(c.spicedb.Stop)
	c.parts["spicedb"] = c.spicedb
	return nil
}

func (c *cluster) startIssuer(ctx context.Context) (err error) {
	c.issuer, err = c.newProgram("issuer", 0, "demo-issuer", settings{"data": filepath.Join(c.dir, "issuer")})
	if err != nil {
		return err
	}
	return c.run(ctx, c.issuer)
}

// settings are a settings file of steward.
type settings map[string]string

// replicaSettings are what all replicas are told, and `steward migrate`.
func (c *cluster) replicaSettings() settings {
	return settings{
		"demo": "true", "public-url": c.frontURL, "data": filepath.Join(c.dir, "issuer"),
		"database-url": c.database, "redis-url": c.redis.URL,
		"spicedb-endpoint": c.spicedb.Endpoint, "spicedb-key": c.spicedb.Key, "spicedb-ca": c.spicedb.CAFile,
		"oidc-issuer": demoissuer.IssuerURL, "oidc-audience": demoissuer.Audience, "oidc-discovery-url": c.issuer.url + demoissuer.DiscoveryPath,
	}
}

func (c *cluster) migrate(ctx context.Context) error {
	p, err := c.newProgram("migrate", 0, "migrate", c.replicaSettings())
	if err != nil {
		return err
	}
	return p.runToEnd(ctx)
}

func (c *cluster) startReplicas(ctx context.Context) error {
	for i, port := range c.options.replicas {
		told := c.replicaSettings()
		metrics, err := freePort()
		if err != nil {
			return err
		}
		told["metrics-listen"] = "127.0.0.1:" + strconv.Itoa(metrics)
		p, err := c.newProgram("replica-"+strconv.Itoa(i+1), port, "serve", told)
		if err != nil {
			return err
		}
		p.metrics = "http://" + told["metrics-listen"] + "/metrics"
		c.replicas = append(c.replicas, p)
		if err := c.run(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// run starts a program of steward, which ends with the cluster.
func (c *cluster) run(ctx context.Context, p *program) error {
	c.closes(p.Stop)
	c.parts[p.name] = p
	return p.Start(ctx)
}

// serve takes commands until ctx ends.
func (c *cluster) serve(ctx context.Context) error {
	lines := make(chan string)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(c.out, "\nending")
			return nil
		case line := <-lines:
			if err := c.command(ctx, strings.Fields(line)); err != nil {
				fmt.Fprintln(c.out, "error:", err)
			} else if err := c.tell(); err != nil {
				return err
			}
		}
	}
}

// usage says what can be typed.
func (c *cluster) usage() string {
	return "stop, start, pause or resume, and one of " + strings.Join(slices.Sorted(maps.Keys(c.parts)), ", ")
}

// command does something to one part, such as "stop redis".
func (c *cluster) command(ctx context.Context, words []string) (err error) {
	if len(words) == 0 {
		return nil
	}
	if len(words) != 2 || c.parts[words[1]] == nil {
		return fmt.Errorf("%q is not understood: type %s", strings.Join(words, " "), c.usage())
	}
	name, p := words[1], c.parts[words[1]]
	switch words[0] {
	case "stop":
		err = p.Stop()
	case "start":
		err = p.Start(ctx)
	case "pause":
		err = p.Pause()
	case "resume":
		err = p.Resume()
	default:
		return fmt.Errorf("there is no command %q: type %s", words[0], c.usage())
	}
	if err == nil {
		c.paused[name] = words[0] == "pause"
	}
	return err
}

// pidOf reads the pid of a server that package servers has started; 0 when it does not run.
func pidOf(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// answers waits until a GET is answered 200, or done is closed.
func answers(ctx context.Context, url string, done <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-done:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("%s is not answered: %w", url, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
