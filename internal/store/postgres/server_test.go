package postgres

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"steward/internal/store"
	"steward/internal/testing/servers"
)

func set(ctx context.Context, key, value string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.SetMeta(ctx, key, value) }
}

func get(t testing.TB, db *store.DB, key string) (v string) {
	t.Helper()
	err := db.View(t.Context(), func(tx *store.Tx) (err error) { v, err = tx.Meta(t.Context(), key); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return v
}

func incarnation(t testing.TB, db *store.DB) string {
	t.Helper()
	s, _, err := db.Generations(t.Context(), []string{"global"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRestart holds that a restart costs no request, that no answer is given while the server is away, and that the
// incarnation is another one afterwards.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := servers.OwnPostgres(t)
	db := open(t, c.URL("steward"))
	warm := func() {
		t.Helper()
		var wg sync.WaitGroup
		for range 2 * (Readers + Writers) { // every connection of the pools
			wg.Go(func() {
				if _, _, err := db.Generations(t.Context(), []string{"global"}); err != nil {
					t.Errorf("generations: %v", err)
				}
				if err := db.Update(t.Context(), set(t.Context(), "k", "v")); err != nil {
					t.Errorf("update: %v", err)
				}
				get(t, db, "k")
			})
		}
		wg.Wait()
	}
	for _, how := range []os.Signal{servers.Fast, servers.Immediate} {
		warm()
		before := incarnation(t, db)
		if again := incarnation(t, db); again != before || before == "" {
			t.Errorf("the incarnation is %q, then %q", before, again)
		}
		if how == servers.Fast {
			if err := c.Restart(t.Context(), servers.Fast); err != nil {
				t.Fatal(err)
			}
		} else {
			if err := c.Stop(servers.Immediate); err != nil {
				t.Fatal(err)
			}
			_, _, err1 := db.Generations(t.Context(), []string{"global"})
			err2 := db.Update(t.Context(), set(t.Context(), "k", "w"))
			err3 := db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Meta(t.Context(), "k"); return err })
			for _, err := range []error{err1, err2, err3, db.Ping(t.Context())} {
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrOutcomeUnknown) {
					t.Errorf("while the server is away: got %v, want %v", err, store.ErrUnavailable)
				}
			}
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		warm()
		if after := incarnation(t, db); after == before {
			t.Errorf("the incarnation is %q before and after a restart", after)
		}
	}
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.SetMeta(t.Context(), "k", "lost"); err != nil {
			return err
		}
		if err := c.Restart(t.Context(), servers.Fast); err != nil {
			return err
		}
		return tx.SetMeta(t.Context(), "k", "lost too")
	})
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("a restart within a change: got %v, want %v", err, store.ErrUnavailable)
	}
	if v := get(t, db, "k"); v != "v" {
		t.Errorf("it left %q", v)
	}
}

// TestStandby makes the server a standby and then promotes it: a promotion shows by the timeline.
func TestStandby(t *testing.T) {
	t.Parallel()
	c := servers.OwnPostgres(t)
	db := open(t, c.URL("steward"))
	if s := incarnation(t, db); !strings.HasPrefix(s, "00000001-") {
		t.Errorf("the incarnation is %q, want the first timeline in it", s)
	}
	if err := c.Stop(servers.Fast); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "data", "standby.signal"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Generations(t.Context(), []string{"global"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("on a standby: got %v, want %v", err, store.ErrUnavailable)
	}
	if _, err := Open(t.Context(), c.URL("steward")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("opening a standby: got %v, want %v", err, store.ErrUnavailable)
	}
	// A connection that was made without looking, as the server may become a standby afterwards.
	config, err := parse(c.URL("steward"))
	if err != nil {
		t.Fatal(err)
	}
	config.ValidateConnect = nil
	careless := stdlib.OpenDB(*config)
	defer careless.Close()
	e := &engine{}
	if e.generations, err = generationsQuery(t.Context(), careless); err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Generations(t.Context(), bun.NewDB(careless, pgdialect.New()), []string{"global"}); !errors.Is(err, errStandby) {
		t.Errorf("on a standby: got %v, want %v", err, errStandby)
	}
	mustExec(t, admin(t, c.AdminURL("steward")), "SELECT pg_promote()")
	if s := incarnation(t, db); !strings.HasPrefix(s, "00000002-") {
		t.Errorf("the incarnation is %q, want the second timeline in it", s)
	}
	if err := db.Update(t.Context(), set(t.Context(), "k", "v")); err != nil {
		t.Error(err)
	}
}

// TestNoTimeline takes away the right to ask for the timeline, as some managed servers do.
func TestNoTimeline(t *testing.T) {
	t.Parallel()
	d := servers.Postgres(t)
	mustExec(t, admin(t, d.AdminURL), "REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC")
	if s := incarnation(t, open(t, d.URL)); !strings.HasPrefix(s, "-") || len(s) < 5 {
		t.Errorf("the incarnation is %q, want the start time alone", s)
	}
}

// TestOutcomeUnknown has the server wait for a standby that is not there, within the commit.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	c := servers.OwnPostgres(t)
	db := open(t, c.URL("steward"))
	conn := admin(t, c.AdminURL("steward"))
	waiting := func() (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	mustExec(t, conn, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	mustExec(t, conn, "SELECT pg_reload_conf()")
	cutOff(t, db, "the session is ended", waiting, func(context.CancelFunc) {
		mustExec(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	})
	cutOff(t, db, "the caller leaves", waiting, func(cancel context.CancelFunc) { cancel() })
	cutOff(t, db, "the server dies", waiting, func(context.CancelFunc) {
		if err := c.Stop(servers.Immediate); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"the session is ended", "the caller leaves", "the server dies"} {
		if get(t, db, key) != "written" {
			t.Errorf("%s: this commit has not happened, and proves nothing", key)
		}
	}
}

func cutOff(t *testing.T, db *store.DB, name string, waiting func() int, cut func(cancel context.CancelFunc)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for waiting() > 0 { // what was cut off before
		if t.Context().Err() != nil {
			t.Fatal("a commit still waits")
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- db.Update(ctx, set(ctx, name, "written")) }()
	for waiting() == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the commit does not wait")
		}
	}
	cut(cancel)
	if err := <-ended; !errors.Is(err, store.ErrOutcomeUnknown) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s: got %v, want %v", name, err, store.ErrOutcomeUnknown)
	}
}

// TestPools has more changes wait for one lock than there are connections: reading goes on.
func TestPools(t *testing.T) {
	t.Parallel()
	db := open(t, servers.Postgres(t).URL)
	ctx, cancel := context.WithCancel(t.Context())
	held, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.Update(t.Context(), func(tx *store.Tx) error {
			err := tx.LockScopes(t.Context(), []string{"a"})
			close(held)
			<-ctx.Done()
			return err
		})
	}()
	<-held
	var wg sync.WaitGroup
	for range Writers + 4 {
		wg.Go(func() {
			err := db.Update(ctx, func(tx *store.Tx) error { return tx.LockScopes(ctx, []string{"a"}) })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("waiting ended with %v", err)
			}
		})
	}
	patience, enough := context.WithTimeout(t.Context(), 20*time.Second)
	defer enough()
	for full := false; !full; { // reads while the pool fills, and once more when it is full
		full = db.Stats().Writers.InUse == Writers
		err1 := db.View(patience, func(tx *store.Tx) error { _, err := tx.StaffMembers(patience); return err })
		_, _, err2 := db.Generations(patience, []string{"a"})
		if err := errors.Join(err1, err2, db.Ping(patience)); err != nil {
			t.Error(err)
			break
		}
	}
	cancel()
	wg.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTranslate_Busy(t *testing.T) {
	t.Parallel()
	d := servers.Postgres(t)
	db := open(t, d.URL)
	if err := db.Update(t.Context(), set(t.Context(), "k", "v")); err != nil {
		t.Fatal(err)
	}
	holder, waiter := admin(t, d.URL), admin(t, d.URL)
	mustExec(t, holder, "BEGIN; UPDATE meta SET value = 'w'")
	for _, limit := range []string{"lock_timeout", "statement_timeout"} {
		mustExec(t, waiter, "SET "+limit+" = 10")
		_, err := waiter.Exec(t.Context(), "UPDATE meta SET value = 'x'")
		if err = translate(err); !errors.Is(err, store.ErrBusy) {
			t.Errorf("%s: got %v, want %v", limit, err, store.ErrBusy)
		}
		mustExec(t, waiter, "RESET "+limit)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := db.Update(ctx, set(ctx, "k", "x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if err := translate(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
}

// TestTooManyConnections fills the server.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	c := servers.OwnPostgres(t, servers.PostgresOptions{Settings: map[string]string{"max_connections": "8", "superuser_reserved_connections": "2"}})
	db := open(t, c.URL("steward"))
	for full := false; !full; {
		conn, err := pgx.Connect(t.Context(), c.URL("steward"))
		if full = err != nil; !full {
			t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
		} else if err := translate(err); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v, want %v", err, store.ErrUnavailable)
		}
	}
	if _, err := Open(t.Context(), c.URL("steward")); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, store.ErrUnavailable)
	}
	get(t, db, "k")
}
