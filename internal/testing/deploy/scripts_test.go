package deploy

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"steward/internal/app"
	"steward/internal/testing/servers"
)

// What the container of PostgreSQL runs when its volume is new makes two databases, of which each role reaches its own.
func TestDatabases(t *testing.T) {
	need(t, "psql")
	cluster := servers.OwnPostgres(t)
	admin, err := url.Parse(cluster.AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := admin.User.Password()
	for _, statement := range []string{"DROP DATABASE IF EXISTS steward WITH (FORCE)", "DROP ROLE steward"} { // which the cluster has made
		execute(t, cluster.AdminURL("postgres"), statement)
	}
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "deploy", "postgres", "databases.sh"))
	cmd.Env = append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(cluster.Port), "PGPASSWORD="+password, "POSTGRES_USER=postgres",
		"STEWARD_DB_PASSWORD=it's-one", "SPICEDB_DB_PASSWORD=another")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	address := func(role, password, database string) string {
		u := *admin
		u.User, u.Path = url.UserPassword(role, password), "/"+database
		return u.String()
	}
	execute(t, address("steward", "it's-one", "steward"), "CREATE TABLE x (y int)")
	execute(t, address("spicedb", "another", "spicedb"), "CREATE TABLE x (y int)")
	for _, refused := range []string{
		address("steward", "it's-one", "spicedb"), address("spicedb", "another", "steward"), address("steward", "it's-one", "postgres"), address("steward", "another", "steward"),
	} {
		if conn, err := pgx.Connect(t.Context(), refused); err == nil {
			conn.Close(t.Context())
			t.Errorf("%s is let in", refused)
		}
	}
}

// need skips a test whose program is not installed, where that is not certain to be a fault.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

func execute(t *testing.T, address, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Redis as its container starts it speaks TLS alone, wants the password, forgets what is read least, and writes nothing.
func TestRedis(t *testing.T) {
	need(t, "redis-server")
	dir := t.TempDir()
	if _, err := app.MakeCertificates(dir, []string{"redis"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy", "redis", "redis.conf"))
	if err != nil {
		t.Fatal(err)
	}
	conf, port := filepath.Join(dir, "redis.conf"), freePort(t)
	changed := strings.NewReplacer("/certificates/", dir+"/", "tls-port 6379", "tls-port "+port+"\nbind 127.0.0.1\ndir "+dir).Replace(string(text))
	if err := os.WriteFile(conf, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "deploy", "redis", "start.sh"))
	cmd.Env = append(os.Environ(), "REDIS_CONF="+conf, "REDIS_PASSWORD=secret-of-this-test")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	client := dialRedis(t, dir, port, "secret-of-this-test")
	for name, want := range map[string]string{"maxmemory-policy": "allkeys-lru", "maxmemory": "134217728", "save": "", "appendonly": "no", "port": "0"} {
		if got, err := client.ConfigGet(t.Context(), name).Result(); err != nil || got[name] != want {
			t.Errorf("%s is %q, want %q: %v", name, got[name], want, err)
		}
	}
	if err := dialRedis(t, dir, port, "").Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v", err)
	}
	if line, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/cmdline"); err == nil && strings.Contains(string(line), "secret-of-this-test") {
		t.Errorf("the password is on the command line: %q", line)
	}
}

// dialRedis returns a client that waits for the server to listen.
func dialRedis(t *testing.T, dir, port, password string) *redis.Client {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(dir, app.AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := redis.NewClient(&redis.Options{
		Addr: net.JoinHostPort("127.0.0.1", port), Password: password, MaxRetries: 100, MinRetryBackoff: 20 * time.Millisecond, MaxRetryBackoff: 100 * time.Millisecond,
		TLSConfig: &tls.Config{RootCAs: roots, ServerName: "redis", MinVersion: tls.VersionTLS12},
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
