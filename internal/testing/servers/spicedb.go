package servers

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// SpiceDBOptions change how a SpiceDB is started.
type SpiceDBOptions struct {
	Program     string // the built internal/testing/spicedbserver; empty: it is built into the folder
	PostgresURL string // where it keeps its relationships, in the schema "spicedb", whose tables it makes
	Key         string // the preshared key; empty: a random one
	Port        int    // 0: a free one
	Plain       bool   // without TLS
}

// SpiceDBServer is one SpiceDB on PostgreSQL. Its endpoint stays the same when it is stopped and started.
type SpiceDBServer struct {
	Dir      string
	Endpoint string // 127.0.0.1:PORT, or http://127.0.0.1:PORT without TLS
	Key      string
	CAFile   string // with TLS: the certificate that signs the server's
	Port     int

	options SpiceDBOptions
	process *process
}

// SpiceDB returns a server of the test's own on the database of postgresURL, which several can share. The first call of a
// process builds the program.
func SpiceDB(t testing.TB, postgresURL string, o ...SpiceDBOptions) *SpiceDBServer {
	t.Helper()
	program, err := spicedbProgram()
	need(t, err)
	dir, err := newDir("spicedb")
	need(t, err)
	options := first(o)
	options.Program, options.PostgresURL = program, postgresURL
	s, err := StartSpiceDB(t.Context(), dir, options)
	need(t, err)
	t.Cleanup(func() { done(t, s.Stop(), dir) })
	return s
}

// builtSpiceDB names the program where somebody has built it already, as `make test` does for all packages.
const builtSpiceDB = "STEWARD_TEST_SPICEDB"

var spicedbProgram = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(builtSpiceDB); path != "" {
		return path, nil
	}
	dir, err := newDir("spicedb-program")
	if err != nil {
		return "", err
	}
	return buildSpiceDB(context.Background(), dir)
})

// buildSpiceDB builds the program into dir. It must be called from within this module.
func buildSpiceDB(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "spicedbserver")
	out, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", path, "steward/internal/testing/spicedbserver").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build spicedbserver: %w\n%s", err, out)
	}
	return path, nil
}

// StartSpiceDB starts a SpiceDB with its files in dir.
func StartSpiceDB(ctx context.Context, dir string, o SpiceDBOptions) (_ *SpiceDBServer, err error) {
	s := &SpiceDBServer{Dir: dir, Key: o.Key, Port: o.Port, options: o}
	if s.Key == "" {
		s.Key = rand.Text()
	}
	if s.options.Program == "" {
		if s.options.Program, err = buildSpiceDB(ctx, dir); err != nil {
			return nil, err
		}
	}
	if !o.Plain {
		cert, err := newCertificate()
		if err != nil {
			return nil, err
		}
		s.CAFile = filepath.Join(dir, "ca.pem")
		for name, content := range map[string]string{"ca.pem": cert.ca, "cert.pem": cert.cert, "key.pem": cert.key} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				return nil, err
			}
		}
	}
	for try := 0; ; try++ {
		if o.Port == 0 {
			if s.Port, err = freePort(); err != nil {
				return nil, err
			}
		}
		s.Endpoint = s.address()
		if o.Plain {
			s.Endpoint = "http://" + s.Endpoint
		}
		if err = s.Start(ctx); err == nil {
			return s, nil
		}
		if o.Port != 0 || try == 4 || !strings.Contains(err.Error(), "address already in use") { // somebody else was faster
			return nil, err
		}
	}
}

func (s *SpiceDBServer) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Start starts a stopped server and returns when it takes connections.
func (s *SpiceDBServer) Start(ctx context.Context) error {
	args := []string{"-listen", s.address(), "-migrate"}
	if !s.options.Plain {
		args = append(args, "-cert", filepath.Join(s.Dir, "cert.pem"), "-key-file", filepath.Join(s.Dir, "key.pem"))
	}
	cmd := exec.Command(s.options.Program, args...)
	cmd.Env = append(os.Environ(), "SPICEDB_PRESHARED="+s.Key, "SPICEDB_POSTGRES="+s.options.PostgresURL)
	cmd.Dir, cmd.SysProcAttr = s.Dir, attributes(syscall.SIGKILL)
	p, err := startProcess(ctx, cmd, "listening on")
	if err == nil {
		s.process = p
	}
	return err
}

// Stop ends the server at once, as a crash does. It may be started again.
func (s *SpiceDBServer) Stop() error { return s.process.end(syscall.SIGKILL) }

// Pause stops the server where it is: connections stay open, and nothing answers.
func (s *SpiceDBServer) Pause() error { return s.process.tree(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (s *SpiceDBServer) Resume() error { return s.process.tree(syscall.SIGCONT) }

// Log returns the last lines that the server has written.
func (s *SpiceDBServer) Log() string { return s.process.log.String() }
