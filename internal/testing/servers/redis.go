package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// RedisOptions change how a Redis is started.
type RedisOptions struct {
	TLS      bool   // TLS only, with a certificate of CAFile for 127.0.0.1
	Password string // of the default user; empty: none
	Port     int    // 0: a free one
	Args     []string
	Dump     string // a dump file to start with
}

// RedisServer is one Redis. Its URL stays the same when it is stopped and started. It keeps nothing on its own: what is
// there after a restart is what the last Save has written.
type RedisServer struct {
	Dir    string
	URL    string // redis://127.0.0.1:PORT, or rediss:// with TLS
	Port   int
	CAFile string // with TLS: the certificate that signs the server's

	options RedisOptions
	process *process
}

// StartRedis starts a Redis with its files in dir.
func StartRedis(ctx context.Context, dir string, o RedisOptions) (_ *RedisServer, err error) {
	r := &RedisServer{Dir: dir, Port: o.Port, options: o}
	if o.TLS {
		cert, err := newCertificate()
		if err != nil {
			return nil, err
		}
		r.CAFile = filepath.Join(dir, "ca.pem")
		for name, content := range map[string]string{"ca.pem": cert.ca, "cert.pem": cert.cert, "key.pem": cert.key} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				return nil, err
			}
		}
	}
	if o.Dump != "" {
		b, err := os.ReadFile(o.Dump)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(r.DumpFile(), b, 0o600); err != nil {
			return nil, err
		}
	}
	for try := 0; ; try++ {
		if o.Port == 0 {
			if r.Port, err = freePort(); err != nil {
				return nil, err
			}
		}
		if err = r.Start(ctx); err == nil {
			r.URL = r.url()
			return r, nil
		}
		if o.Port != 0 || try == 4 || !strings.Contains(err.Error(), "bind") { // somebody else was faster
			return nil, err
		}
	}
}

func (r *RedisServer) url() string {
	u := url.URL{Scheme: "redis", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port))}
	if r.options.TLS {
		u.Scheme = "rediss"
	}
	if r.options.Password != "" {
		u.User = url.UserPassword("", r.options.Password)
	}
	return u.String()
}

// Start starts a stopped server, with the data of the dump file if there is one, and returns when it takes connections.
func (r *RedisServer) Start(ctx context.Context) error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("redis-server %w: install the package redis-server", ErrMissing)
	}
	port := strconv.Itoa(r.Port)
	args := []string{"--bind", "127.0.0.1", "--dir", r.Dir, "--dbfilename", filepath.Base(r.DumpFile()), "--save", "", "--appendonly", "no", "--daemonize", "no"}
	if r.options.TLS {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no", "--tls-ca-cert-file", r.CAFile,
			"--tls-cert-file", filepath.Join(r.Dir, "cert.pem"), "--tls-key-file", filepath.Join(r.Dir, "key.pem"))
	} else {
		args = append(args, "--port", port)
	}
	if r.options.Password != "" {
		args = append(args, "--requirepass", r.options.Password)
	}
	cmd := exec.Command(path, append(args, r.options.Args...)...)
	cmd.Dir, cmd.SysProcAttr = r.Dir, attributes(syscall.SIGKILL)
	p, err := startProcess(ctx, cmd, "Ready to accept connections")
	if err == nil {
		r.process = p
	}
	return err
}

// Stop ends the server, which forgets what it holds. It may be started again.
func (r *RedisServer) Stop() error { return r.process.end(syscall.SIGKILL) }

// Pause stops the server where it is: connections stay open, and nothing answers.
func (r *RedisServer) Pause() error { return r.process.tree(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (r *RedisServer) Resume() error { return r.process.tree(syscall.SIGCONT) }

// Flush deletes every key.
func (r *RedisServer) Flush(ctx context.Context) error {
	return r.do(func(c *redis.Client) error { return c.FlushAll(ctx).Err() })
}

// Save writes the dump file, which the next Start reads.
func (r *RedisServer) Save(ctx context.Context) error {
	return r.do(func(c *redis.Client) error { return c.Save(ctx).Err() })
}

// DumpFile is where Save writes and Start reads.
func (r *RedisServer) DumpFile() string { return filepath.Join(r.Dir, "dump.rdb") }

// Options are those of a client.
func (r *RedisServer) Options() *redis.Options {
	o := &redis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(r.Port)), Password: r.options.Password}
	if r.options.TLS {
		pool := x509.NewCertPool()
		pem, _ := os.ReadFile(r.CAFile) // without it nothing is trusted, and the first command says so
		pool.AppendCertsFromPEM(pem)
		o.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	}
	return o
}

func (r *RedisServer) do(fn func(c *redis.Client) error) error {
	c := redis.NewClient(r.Options())
	return errors.Join(fn(c), c.Close())
}

// Log returns the last lines that the server has written.
func (r *RedisServer) Log() string { return r.process.log.String() }
