package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// Database is an empty database of a test's own.
type Database struct {
	URL      string // for the role that owns it
	AdminURL string // for the superuser
	Name     string
	Cluster  *Cluster // shared by all tests of the process: it must not be stopped
}

var (
	sharedCluster = sync.OnceValues(func() (*Cluster, error) {
		dir, err := newDir("postgres")
		if err != nil {
			return nil, err
		}
		return StartPostgres(context.Background(), dir, PostgresOptions{})
	})
	databases atomic.Int64
)

// Postgres returns a new empty database, which is dropped when the test ends. The first call of a process starts the
// cluster, which ends with the process.
func Postgres(t testing.TB) *Database {
	t.Helper()
	return PostgresFrom(t, "")
}

// PostgresFrom is Postgres with the content of another database on the same cluster, which nobody may be connected to.
func PostgresFrom(t testing.TB, template string) *Database {
	t.Helper()
	c, err := sharedCluster()
	need(t, err)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	url, err := c.CreateDatabase(t.Context(), name, template)
	need(t, err)
	t.Cleanup(func() {
		if err := c.DropDatabase(context.WithoutCancel(t.Context()), name); err != nil {
			t.Error(err)
		}
	})
	return &Database{URL: url, AdminURL: c.AdminURL(name), Name: name, Cluster: c}
}

// OwnPostgres returns a cluster of the test's own, which it may stop and start. It holds the empty database "steward".
func OwnPostgres(t testing.TB, o ...PostgresOptions) *Cluster {
	t.Helper()
	dir, err := newDir("postgres")
	need(t, err)
	c, err := StartPostgres(t.Context(), dir, first(o))
	need(t, err)
	t.Cleanup(func() { done(t, c.Stop(Immediate), dir) })
	_, err = c.CreateDatabase(t.Context(), "steward", "")
	need(t, err)
	return c
}

// Redis returns a server of the test's own, which it may stop and start.
func Redis(t testing.TB, o ...RedisOptions) *RedisServer {
	t.Helper()
	dir, err := newDir("redis")
	need(t, err)
	r, err := StartRedis(t.Context(), dir, first(o))
	need(t, err)
	t.Cleanup(func() { done(t, r.Stop(), dir) })
	return r
}

func first[T any](options []T) (o T) {
	if len(options) > 0 {
		o = options[0]
	}
	return o
}

func done(t testing.TB, err error, dir string) {
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		t.Error(err)
	}
}

func need(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
