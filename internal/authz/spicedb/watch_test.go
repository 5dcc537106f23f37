package spicedb_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"steward"
	"steward/internal/authz/spicedb"
	"steward/internal/authz/spicedb/migrate"
	"steward/internal/relation"
	"steward/internal/testing/servers"
)

// watching is a watch that runs.
type watching struct {
	events chan spicedb.Event
	ended  chan error
	stop   context.CancelFunc
}

// watch starts one and returns when SpiceDB has taken it.
func watch(t *testing.T, c *spicedb.Client, cursor string) (*watching, spicedb.Event) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	w := &watching{make(chan spicedb.Event, 1000), make(chan error, 1), stop}
	go func() { w.ended <- c.Watch(ctx, cursor, func(e spicedb.Event) error { w.events <- e; return nil }) }()
	return w, w.next(t)
}

func (w *watching) next(t *testing.T) spicedb.Event {
	t.Helper()
	select {
	case e := <-w.events:
		return e
	case err := <-w.ended:
		t.Fatalf("the watch has ended: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
	}
	return spicedb.Event{}
}

// change returns the next event that changed something.
func (w *watching) change(t *testing.T) spicedb.Event {
	t.Helper()
	for {
		if e := w.next(t); e.Changed > 0 || e.Schema {
			return e
		}
	}
}

func TestClient_Watch(t *testing.T) {
	t.Parallel()
	onEach(t, testWatch)
}

func testWatch(t *testing.T, c *spicedb.Client) {
	write(t, c, relation.Update{Relationship: "platform:steward#support@user:before"})
	w, first := watch(t, c, "")
	if first.Cursor == "" || first.Changed != 0 || first.Schema {
		t.Errorf("first: got %+v", first)
	}
	wants := func(w *watching, by string, changed int) spicedb.Event {
		t.Helper()
		e := w.change(t)
		if e.By != by || e.Changed != changed || e.Schema || e.Cursor == "" {
			t.Errorf("got %+v, want %d changes by %q", e, changed, by)
		}
		return e
	}
	update := func(by string, n int, remove bool) {
		t.Helper()
		var updates []relation.Update
		for i := range n {
			updates = append(updates, relation.Update{Delete: remove, Relationship: fmt.Sprintf("platform:steward#support@user:w%d", i)})
		}
		if err := c.Write(t.Context(), by, updates); err != nil {
			t.Fatal(err)
		}
	}
	update("entry-1", 3, false)
	wants(w, "entry-1", 3)
	update("", 1, true)
	middle := wants(w, "", 1)
	update("entry-2", 3, true)
	last := wants(w, "entry-2", 2)
	w.stop()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	again, start := watch(t, c, middle.Cursor)
	if start.Cursor != middle.Cursor {
		t.Errorf("it starts at %q, not at %q", start.Cursor, middle.Cursor)
	}
	if e := wants(again, "entry-2", 2); e.Cursor != last.Cursor {
		t.Errorf("the cursor of the same event was %q, is %q", last.Cursor, e.Cursor)
	}
	if err := c.ApplySchema(t.Context()); err != nil { // the same again is no change
		t.Fatal(err)
	}
	spicedb.WriteSchema(t, c, steward.SchemaZed+"\ndefinition new_thing {}\n")
	if e := again.change(t); !e.Schema {
		t.Errorf("got %+v, want a change of the schema", e)
	}
	enough := errors.New("enough")
	if err := c.Watch(t.Context(), first.Cursor, func(spicedb.Event) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of fn", err)
	}
	for _, bad := range []string{"x", first.Cursor + "x"} {
		if err := c.Watch(t.Context(), bad, func(spicedb.Event) error { return nil }); !errors.Is(err, spicedb.ErrCursorGone) {
			t.Errorf("cursor %q: got %v", bad, err)
		}
	}
}

// What was collected as garbage is not left out without a word.
func TestClient_Watch_knows_when_its_cursor_is_too_old(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := servers.SpiceDB(t, url)
	for name, c := range map[string]*spicedb.Client{"postgres": onPostgres(t, url), "remote": dial(t, s)} {
		write(t, c, relation.Update{Relationship: "platform:steward#support@user:old"})
		_, first := watch(t, c, "")
		write(t, c, relation.Update{Relationship: "platform:steward#support@user:older"})
		conn := must(pgx.Connect(t.Context(), url))
		must(conn.Exec(t.Context(), "UPDATE spicedb.relation_tuple_transaction SET timestamp = timestamp - interval '2 days'"))
		_ = conn.Close(t.Context())
		write(t, c, relation.Update{Delete: true, Relationship: "platform:steward#support@user:old"})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := c.Watch(ctx, first.Cursor, func(spicedb.Event) error { return nil }); !errors.Is(err, spicedb.ErrCursorGone) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
		write(t, c, relation.Update{Delete: true, Relationship: "platform:steward#support@user:older"})
	}
	other := onPostgres(t, otherDatabase(t))
	foreign := must(other.Fence(t.Context()))
	if err := onPostgres(t, url).Watch(t.Context(), foreign, func(spicedb.Event) error { return nil }); !errors.Is(err, spicedb.ErrCursorGone) {
		t.Errorf("a cursor of another database: got %v", err)
	}
}

// otherDatabase returns one whose tables were made for it alone, and not copied.
func otherDatabase(t testing.TB) string {
	t.Helper()
	url := servers.Postgres(t).URL
	if err := migrate.Postgres(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := onPostgres(t, url).ApplySchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	return url
}

// Without commit timestamps everything works but watching, which says so.
func TestClient_Watch_is_disabled_without_commit_timestamps(t *testing.T) {
	t.Parallel()
	cluster := servers.OwnPostgres(t, servers.PostgresOptions{Settings: map[string]string{"track_commit_timestamp": "off"}})
	url := cluster.URL("steward")
	if err := migrate.Postgres(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	c := onPostgres(t, url)
	if err := c.ApplySchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*spicedb.Client{"postgres": c, "remote": dial(t, servers.SpiceDB(t, url))} {
		write(t, c, relation.Update{Relationship: "platform:steward#support@user:u"})
		if !can(t, c, user("u"), ask(relation.TypePlatform, relation.PlatformID, relation.Staff)) {
			t.Errorf("%s: not granted", name)
		}
		if err := c.Watch(t.Context(), "", func(spicedb.Event) error { return nil }); !errors.Is(err, spicedb.ErrWatchDisabled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
