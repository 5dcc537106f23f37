package spicedb_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/authz/spicedb/migrate"
	"steward/internal/testing/servers"
)

// kinds are the three kinds of client. A cluster is one store of relationships, which open may be called on several times.
var kinds = []struct {
	name    string
	cluster func(t testing.TB) (open func(t testing.TB) *spicedb.Client)
}{
	{"embedded", func(testing.TB) func(testing.TB) *spicedb.Client {
		return func(t testing.TB) *spicedb.Client { t.Helper(); return start(t) }
	}},
	{"postgres", func(t testing.TB) func(testing.TB) *spicedb.Client {
		url := database(t)
		return func(t testing.TB) *spicedb.Client { t.Helper(); return onPostgres(t, url) }
	}},
	{"remote", func(t testing.TB) func(testing.TB) *spicedb.Client {
		s := servers.SpiceDB(t, database(t))
		return func(t testing.TB) *spicedb.Client { t.Helper(); return dial(t, s) }
	}},
}

// onEach runs a test on each kind, with a client of a store of its own that holds the schema.
func onEach(t *testing.T, test func(t *testing.T, c *spicedb.Client)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k.cluster(t)(t))
		})
	}
}

var template struct {
	sync.Mutex
	made bool
}

// database returns a database of the test's own that holds SpiceDB's tables and the schema.
func database(t testing.TB) (url string) {
	t.Helper()
	const name = "spicedb_template"
	template.Lock()
	defer template.Unlock()
	if !template.made {
		cluster := servers.Postgres(t).Cluster
		url, err := cluster.CreateDatabase(t.Context(), name, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := migrate.Postgres(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		c := open(t)(spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: url, Schema: steward.SchemaZed, Log: quiet}))
		if err := c.ApplySchema(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil { // nobody may be connected to a template
			t.Fatal(err)
		}
		template.made = true
	}
	return servers.PostgresFrom(t, name).URL
}

var quiet = slog.New(slog.DiscardHandler)

// open returns a function that takes what a constructor returns and closes the client at the end of the test.
func open(t testing.TB) func(c *spicedb.Client, err error) *spicedb.Client {
	return func(c *spicedb.Client, err error) *spicedb.Client {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return c
	}
}

func onPostgres(t testing.TB, url string) *spicedb.Client {
	t.Helper()
	return open(t)(spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: url, Schema: steward.SchemaZed, Log: quiet, Timeout: 20 * time.Second}))
}

func dial(t testing.TB, s *servers.SpiceDBServer, change ...func(*spicedb.RemoteOptions)) *spicedb.Client {
	t.Helper()
	o := spicedb.RemoteOptions{Endpoint: s.Endpoint, Key: s.Key, CAFile: s.CAFile, Schema: steward.SchemaZed, Log: quiet, Timeout: 20 * time.Second}
	for _, f := range change {
		f(&o)
	}
	return open(t)(spicedb.Dial(t.Context(), o))
}

// eventually calls f until it returns nil, for as long as patience lasts.
func eventually(t testing.TB, patience time.Duration, f func(ctx context.Context) error) time.Duration {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return time.Since(begin)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not in %v: %v", patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func qs(all ...authz.Question) []authz.Question { return all }
