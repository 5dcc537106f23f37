package servers

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func ask(t testing.TB, conn *pgx.Conn, query string) string {
	t.Helper()
	var s string
	if err := conn.QueryRow(t.Context(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func TestPostgres(t *testing.T) {
	a, b := Postgres(t), Postgres(t)
	one, two := connect(t, a.URL), connect(t, b.URL)
	for query, want := range map[string]string{
		"SHOW track_commit_timestamp": "on", "SHOW max_connections": "200", "SHOW fsync": "off", "SELECT current_user": "steward",
		"SELECT usesuper::text FROM pg_user WHERE usename = current_user": "false", "SELECT ('a' < 'B')::text": "true",
	} {
		if got := ask(t, one, query); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
	if _, err := one.Exec(t.Context(), "CREATE TABLE x (a int)"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, two, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'x'"); got != "0" {
		t.Error("two databases are one")
	}
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, connect(t, PostgresFrom(t, a.Name).URL), "SELECT count(*)::text FROM x"); got != "0" {
		t.Error("a copy has not what its template has")
	}
}

func TestOwnPostgres(t *testing.T) {
	t.Parallel()
	c := OwnPostgres(t, PostgresOptions{TLS: true, Durable: true})
	url := c.URL("steward")
	conn := connect(t, url)
	if got := ask(t, conn, "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "true" {
		t.Error("the connection is plain")
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'it' AS v"); err != nil {
		t.Fatal(err)
	}
	for _, how := range []syscall.Signal{Fast, Immediate} {
		if err := c.Restart(t.Context(), how); err != nil {
			t.Fatal(err)
		}
		if c.URL("steward") != url || ask(t, connect(t, url), "SELECT v FROM kept") != "it" {
			t.Errorf("after a restart (%v) the data is elsewhere", how)
		}
	}
	conn = connect(t, url)
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := pgx.Connect(ctx, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused server answers %v", err)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, conn, "SELECT 'awake'"); got != "awake" {
		t.Error(got)
	}
	if err := c.Stop(Fast); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), url); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a stopped server answers %v", err)
	}
	if err := c.Pause(); err == nil {
		t.Error("a stopped server was paused")
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]RedisOptions{"plain": {}, "TLS and password": {TLS: true, Password: "p/w@d"}} {
		t.Run(name, func(t *testing.T) {
			r := Redis(t, o)
			parsed, err := redis.ParseURL(r.URL)
			if err != nil || parsed.Addr != r.Options().Addr || parsed.Password != o.Password || (parsed.TLSConfig != nil) != o.TLS {
				t.Fatalf("the URL %s is read as %+v (%v)", r.URL, parsed, err)
			}
			opts := r.Options()
			opts.MaxRetries, opts.ContextTimeoutEnabled = -1, true
			c := redis.NewClient(opts)
			defer c.Close()
			get := func(want string) {
				t.Helper()
				if got, err := c.Get(t.Context(), "k").Result(); got != want || (err != nil) != (want == "") {
					t.Errorf("got %q (%v), want %q", got, err, want)
				}
			}
			set := func(v string) {
				t.Helper()
				if err := c.Set(t.Context(), "k", v, 0).Err(); err != nil {
					t.Fatal(err)
				}
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			set("old")
			must(r.Save(t.Context()))
			set("new")
			must(r.Pause())
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := c.Get(ctx, "k").Err(); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a paused server answers %v", err)
			}
			must(r.Resume())
			get("new")
			must(r.Stop())
			if err := c.Get(t.Context(), "k").Err(); err == nil {
				t.Error("a stopped server answers")
			}
			must(r.Start(t.Context()))
			_ = c.Ping(t.Context()) // the pool finds out that its connections are gone
			get("old")
			other := RedisOptions{Dump: r.DumpFile()}
			oc := redis.NewClient(Redis(t, other).Options())
			defer oc.Close()
			if v, err := oc.Get(t.Context(), "k").Result(); v != "old" {
				t.Errorf("a server with the other's dump has %q (%v)", v, err)
			}
			must(r.Flush(t.Context()))
			get("")
		})
	}
}

// TestNothingIsLeft kills processes that have started servers, one of them while its server is paused.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	if os.Getenv("SERVERS_CHILD") != "" {
		t.Skip("this is the child")
	}
	for _, how := range []string{"exit", "kill", "kill paused"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			child := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
			child.Env = append(os.Environ(), "SERVERS_CHILD="+how, "CI=")
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			var pids []int
			dir := ""
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if v, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
					pid, _ := strconv.Atoi(v)
					pids = append(pids, pid)
				}
				if v, ok := strings.CutPrefix(lines.Text(), "dir "); ok {
					dir = v
					if how != "exit" {
						_ = child.Process.Kill()
					}
				}
			}
			_ = child.Wait()
			if dir == "" {
				t.Skip("the servers are not installed")
			}
			gone := func() bool {
				for _, pid := range pids {
					if syscall.Kill(pid, 0) == nil {
						return false
					}
				}
				_, err := os.Stat(dir)
				return errors.Is(err, fs.ErrNotExist)
			}
			for end := time.Now().Add(30 * time.Second); !gone(); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("processes %v or the folder %s are left", pids, dir)
				}
			}
		})
	}
}

func TestChild(t *testing.T) {
	how := os.Getenv("SERVERS_CHILD")
	if how == "" {
		t.Skip("runs in a process of its own")
	}
	c, r := Postgres(t).Cluster, Redis(t)
	if how == "kill paused" {
		if err := errors.Join(c.Pause(), r.Pause()); err != nil {
			t.Fatal(err)
		}
	}
	dir, _ := root()
	os.Stdout.WriteString("pid " + strconv.Itoa(c.process.cmd.Process.Pid) + "\npid " + strconv.Itoa(r.process.cmd.Process.Pid) + "\ndir " + dir + "\n")
	if how == "exit" {
		os.Exit(1) // as a test that panics: no clean-up runs
	}
	select {}
}
