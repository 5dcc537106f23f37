package servers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions change how a cluster is started. The zero value is what tests want: fast, and gone after a power cut.
type PostgresOptions struct {
	Durable  bool              // write to the disk before answering, as in production
	TLS      bool              // offer TLS, with a certificate of CAFile for 127.0.0.1
	Port     int               // 0: a free one
	Settings map[string]string // of postgresql.conf, over those of this package
}

// Cluster is one PostgreSQL server. Its URLs stay the same when it is stopped and started.
type Cluster struct {
	Dir    string
	Port   int
	CAFile string // with TLS: the certificate that signs the server's

	password string
	options  PostgresOptions
	bin      string
	owner    *syscall.Credential
	process  *process
}

// How a cluster is stopped.
const (
	Fast      = syscall.SIGINT  // ends the sessions, then writes everything to the files
	Immediate = syscall.SIGQUIT // as in a crash: the next start recovers
)

// StartPostgres makes a cluster in dir, which must be empty or one that an earlier call has made, and starts it. It has
// the role "steward", which owns the databases, and is no superuser. A caller who is root runs it as the user "postgres".
func StartPostgres(ctx context.Context, dir string, o PostgresOptions) (_ *Cluster, err error) {
	c := &Cluster{Dir: dir, Port: o.Port, options: o}
	if c.bin, err = postgresBin(); err != nil {
		return nil, err
	}
	if c.owner, err = postgresOwner(); err != nil {
		return nil, err
	}
	fresh, err := c.initialise(ctx)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		if o.Port == 0 {
			if c.Port, err = freePort(); err != nil {
				return nil, err
			}
		}
		if err = c.Start(ctx); err == nil {
			break
		}
		if o.Port != 0 || try == 4 || !strings.Contains(err.Error(), "could not bind") { // somebody else was faster
			return nil, err
		}
	}
	if fresh {
		if err := c.exec(ctx, "postgres", "CREATE ROLE steward LOGIN PASSWORD '"+c.password+"'"); err != nil {
			return nil, errors.Join(err, c.Stop(Immediate))
		}
	}
	return c, nil
}

// initialise makes the cluster's files unless they are there.
func (c *Cluster) initialise(ctx context.Context) (fresh bool, err error) {
	secret := filepath.Join(c.Dir, "password")
	if b, err := os.ReadFile(secret); err == nil {
		c.password = strings.TrimSpace(string(b))
		if c.options.TLS {
			c.CAFile = filepath.Join(c.Dir, "ca.pem")
		}
		return false, nil
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	c.password = hex.EncodeToString(b[:])
	if err := c.writeOwned("password", c.password); err != nil {
		return false, err
	}
	if err := c.chown(c.Dir); err != nil {
		return false, err
	}
	// A locale that sorts as people do finds the queries that forget to say COLLATE "C".
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "initdb"), "-D", filepath.Join(c.Dir, "data"), "-U", "postgres", "--pwfile", secret,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync", "--no-instructions")
	cmd.Dir, cmd.SysProcAttr = c.Dir, c.attributes()
	if out, err := runOutput(cmd); err != nil {
		return false, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if c.options.TLS {
		cert, err := newCertificate()
		if err != nil {
			return false, err
		}
		c.CAFile = filepath.Join(c.Dir, "ca.pem")
		for name, content := range map[string]string{"ca.pem": cert.ca, "cert.pem": cert.cert, "key.pem": cert.key} {
			if err := c.writeOwned(name, content); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (c *Cluster) writeOwned(name, content string) error {
	path := filepath.Join(c.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return c.chown(path)
}

func (c *Cluster) chown(path string) error {
	if c.owner == nil {
		return nil
	}
	return os.Chown(path, int(c.owner.Uid), int(c.owner.Gid))
}

func (c *Cluster) attributes() *syscall.SysProcAttr {
	a := attributes(Immediate)
	a.Credential = c.owner
	return a
}

// Start starts a stopped cluster and returns when it takes connections.
func (c *Cluster) Start(ctx context.Context) error {
	settings := map[string]string{
		"port": strconv.Itoa(c.Port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200",
		"track_commit_timestamp": "on", "shared_buffers": "32MB", "lc_messages": "C", "log_timezone": "UTC",
	}
	if !c.options.Durable {
		maps.Copy(settings, map[string]string{"fsync": "off", "full_page_writes": "off"})
	}
	if c.options.TLS {
		maps.Copy(settings, map[string]string{"ssl": "on", "ssl_cert_file": filepath.Join(c.Dir, "cert.pem"), "ssl_key_file": filepath.Join(c.Dir, "key.pem")})
	}
	maps.Copy(settings, c.options.Settings)
	args := []string{"-D", filepath.Join(c.Dir, "data")}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), args...)
	cmd.Dir, cmd.SysProcAttr = c.Dir, c.attributes()
	p, err := startProcess(ctx, cmd, "database system is ready to accept")
	if err == nil {
		c.process = p
	}
	return err
}

// Stop ends the server, Fast or Immediate. It may be started again.
func (c *Cluster) Stop(how syscall.Signal) error { return c.process.end(how) }

// Restart stops the server and starts it again.
func (c *Cluster) Restart(ctx context.Context, how syscall.Signal) error {
	if err := c.Stop(how); err != nil {
		return err
	}
	return c.Start(ctx)
}

// Pause stops all of the server's processes where they are: connections stay open, and nothing answers.
func (c *Cluster) Pause() error { return c.process.tree(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (c *Cluster) Resume() error { return c.process.tree(syscall.SIGCONT) }

// Log returns the last lines that the server has written.
func (c *Cluster) Log() string { return c.process.log.String() }

// URL returns the address of a database, for the role that owns the databases.
func (c *Cluster) URL(database string) string { return c.url("steward", database) }

// AdminURL returns the address of a database, for the superuser.
func (c *Cluster) AdminURL(database string) string { return c.url("postgres", database) }

func (c *Cluster) url(role, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, c.password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)), Path: "/" + database,
	}
	if c.options.TLS {
		u.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {c.CAFile}}.Encode()
	}
	return u.String()
}

// CreateDatabase makes a database, as a copy of template if that is not empty, and returns its URL. Nobody may be
// connected to the template.
func (c *Cluster) CreateDatabase(ctx context.Context, name, template string) (string, error) {
	create := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " OWNER steward"
	if template != "" {
		create += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	return c.URL(name), c.exec(ctx, "postgres", create)
}

// DropDatabase ends the sessions of a database and removes it.
func (c *Cluster) DropDatabase(ctx context.Context, name string) error {
	return c.exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (c *Cluster) exec(ctx context.Context, database, query string) error {
	conn, err := pgx.Connect(ctx, c.AdminURL(database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, query)
	return errors.Join(err, conn.Close(ctx))
}

// postgresBin returns the folder with the newest PostgreSQL.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql@*/bin/initdb"} {
		paths, _ := filepath.Glob(pattern)
		found = append(found, paths...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("PostgreSQL (initdb) %w: install the package postgresql", ErrMissing)
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// postgresOwner returns whom the server runs as: root must be somebody else, everybody else is themself.
func postgresOwner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("root cannot run PostgreSQL, and the user postgres %w: %w", ErrMissing, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// runOutput is cmd.CombinedOutput on the thread that outlives the program.
func runOutput(cmd *exec.Cmd) (string, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := spawn(cmd); err != nil {
		return "", err
	}
	err := cmd.Wait()
	return out.String(), err
}
