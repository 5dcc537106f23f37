package spicedb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"steward"
	"steward/internal/authz/spicedb"
	"steward/internal/authz/spicedb/migrate"
	"steward/internal/relation"
	"steward/internal/testing/servers"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	db := servers.Postgres(t)
	start := func(url string) error {
		c, err := spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: url, Schema: steward.SchemaZed, Log: quiet})
		if err == nil {
			err = c.Close()
		}
		return err
	}
	if err := start(db.URL); !errors.Is(err, spicedb.ErrMigrate) || !strings.Contains(err.Error(), "steward migrate") {
		t.Errorf("without tables: got %v", err)
	}
	admin := must(pgx.Connect(t.Context(), db.AdminURL))
	defer admin.Close(context.Background())
	exec := func(query string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	const secret = "p$HOME${PATH}%/?#@ +"
	role := "r_" + db.Name
	exec("CREATE ROLE " + role + " LOGIN PASSWORD '" + secret + "'")
	defer exec("DROP OWNED BY " + role + " CASCADE; DROP ROLE " + role)
	u := must(url.Parse(db.URL))
	u.User = url.UserPassword(role, secret)
	u.RawQuery = "application_name=a%20b&pool_max_conns=3"
	as := u.String()
	if err := migrate.Postgres(t.Context(), as); err == nil || !strings.Contains(err.Error(), "GRANT") && !strings.Contains(err.Error(), "grant it CREATE") || strings.Contains(err.Error(), secret) {
		t.Errorf("without the right to create a schema: got %v", err)
	}
	exec("GRANT CREATE ON DATABASE " + db.Name + " TO " + role)
	var all sync.WaitGroup
	for range 3 { // at the same time
		all.Go(func() {
			if err := migrate.Postgres(t.Context(), as); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := start(as); err != nil {
		t.Error(err)
	}
	var elsewhere int
	if err := admin.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&elsewhere); err != nil || elsewhere != 0 {
		t.Errorf("%d tables in the schema public, %v", elsewhere, err)
	}
	exec("UPDATE spicedb.alembic_version SET version_num = 'add-schema-tables'")
	if err := start(as); !errors.Is(err, spicedb.ErrMigrate) {
		t.Errorf("with older tables: got %v", err)
	}
	u.User = url.UserPassword(role, "wrong-word")
	for _, bad := range []string{u.String(), "postgres://x:wrong-word@127.0.0.1:1/x", "host=127.0.0.1 password=wrong-word", "postgres://%zz:wrong-word@x/y", ""} {
		for name, err := range map[string]error{"start": start(bad), "migrate": migrate.Postgres(t.Context(), bad)} {
			if err == nil || !strings.Contains(err.Error(), "database-url") || strings.Contains(err.Error(), "wrong-word") {
				t.Errorf("%s %q: got %v", name, bad, err)
			}
		}
	}
}

// Writers that get in each other's way all succeed, also when they lock the same relationships in different orders.
func TestClient_Write_while_others_write_the_same(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			open := k.cluster(t)
			clients := []*spicedb.Client{open(t)}
			if k.name != "embedded" {
				clients = append(clients, open(t))
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			var all sync.WaitGroup
			for w := range 4 {
				r := rand.New(rand.NewPCG(seed, uint64(w)))
				all.Go(func() {
					for range 25 {
						var updates []relation.Update
						for _, i := range r.Perm(12)[:8] {
							updates = append(updates, relation.Update{Delete: r.IntN(2) == 0, Relationship: fmt.Sprintf("platform:steward#support@user:u%d", i)})
						}
						if err := clients[w%len(clients)].Write(t.Context(), "", updates); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// While PostgreSQL is stopped or silent nobody waits for longer than they want to, and nothing has to be started again.
func TestStartOnPostgres_survives_its_database(t *testing.T) {
	t.Parallel()
	cluster := servers.OwnPostgres(t)
	if err := migrate.Postgres(t.Context(), cluster.URL("steward")); err != nil {
		t.Fatal(err)
	}
	c := onPostgres(t, cluster.URL("steward"))
	if err := c.ApplySchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, c, relation.Update{Relationship: "platform:steward#support@user:u"})
	goesAway(t, c, 400*time.Millisecond, cluster.Pause, cluster.Resume)
	fenceEnds(t, cluster)
	goesAway(t, c, 10*time.Second, func() error { return cluster.Stop(servers.Immediate) }, func() error { return cluster.Start(t.Context()) })
}

// fenceEnds holds that a fence without a deadline of the caller ends after Timeout.
func fenceEnds(t *testing.T, cluster *servers.Cluster) {
	c := open(t)(spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: cluster.URL("steward"), Schema: steward.SchemaZed, Log: quiet, Timeout: 300 * time.Millisecond}))
	if err := cluster.Pause(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err := c.Fence(t.Context())
	wantUnavailable(t, err)
	if d := time.Since(begin); d > 4*time.Second {
		t.Errorf("a fence of a database that is silent took %v", d)
	}
	if err := cluster.Resume(); err != nil {
		t.Fatal(err)
	}
}

// goesAway takes the server away and brings it back. Meanwhile callers wait, and for no longer than they want to.
func goesAway(t *testing.T, c *spicedb.Client, wait time.Duration, away, back func() error) {
	t.Helper()
	q := ask(relation.TypePlatform, relation.PlatformID, relation.Staff)
	token := must(c.Fence(t.Context()))
	if err := away(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(ctx context.Context) error{
		"fence": func(ctx context.Context) error { _, err := c.Fence(ctx); return err },
		"check": func(ctx context.Context) error { _, err := c.Check(ctx, user("u"), qs(q)); return err },
		"write": func(ctx context.Context) error {
			return c.Write(ctx, "", []relation.Update{{Relationship: "platform:steward#support@user:u"}})
		},
		"check_at": func(ctx context.Context) error {
			_, err := c.CheckAt(ctx, token, user(fmt.Sprint("u", rand.Uint64())), qs(q))
			return err
		},
		"lookup": func(ctx context.Context) error {
			_, _, err := c.Lookup(ctx, token, user("u"), relation.TypePlatform, relation.Staff, 1)
			return err
		},
		"schema": func(ctx context.Context) error { _, err := c.CompareSchema(ctx); return err },
		"apply":  c.ApplySchema,
		"rewatch": func(ctx context.Context) error {
			return c.Watch(ctx, token, func(spicedb.Event) error { return errors.New("it watches") })
		},
		"each":  func(ctx context.Context) error { return c.Each(ctx, func(string) error { return nil }) },
		"watch": func(ctx context.Context) error { return c.Watch(ctx, "", func(spicedb.Event) error { return nil }) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		begin := time.Now()
		if err := call(ctx); err != nil {
			wantUnavailable(t, err)
		} else {
			t.Errorf("%s: answered", name)
		}
		if d := time.Since(begin); d > wait+5*time.Second {
			t.Errorf("%s: answered after %v", name, d)
		}
		cancel()
	}
	if err := back(); err != nil {
		t.Fatal(err)
	}
	t.Logf("back after %v", eventually(t, 20*time.Second, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if _, err := c.Check(ctx, user("u"), qs(q)); err != nil {
			return err
		}
		return c.Write(ctx, "", []relation.Update{{Relationship: "platform:steward#support@user:u"}})
	}))
}
