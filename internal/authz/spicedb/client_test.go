package spicedb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/relation"
)

func TestClient_Check(t *testing.T) {
	t.Parallel()
	onEach(t, testCheck)
}

func testCheck(t *testing.T, c *spicedb.Client) {
	fill(t, c, 2, 3)

	t.Run("answers_in_the_order_of_the_questions", func(t *testing.T) {
		qs := []authz.Question{
			ask(relation.TypeAccount, "a0", relation.EditAccount),
			ask(relation.TypeAccount, "a1", relation.ViewAccount),
			ask(relation.TypeAccount, "a0", relation.EditAccount), // the same again
			ask(relation.TypeContact, "a0-1", relation.RemoveContact),
			ask(relation.TypeAccount, "none", relation.ViewAccount),
			ask(relation.TypeAccount, "a0", relation.ViewAccount),
		}
		before := c.Stats()
		got, err := c.Check(t.Context(), user("a0-o"), qs)
		if err != nil {
			t.Fatal(err)
		}
		if want := []bool{true, false, true, true, false, true}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		after := c.Stats()
		if after.Questions-before.Questions != 1 || after.Calls-before.Calls != 1 || after.Items-before.Items != 5 {
			t.Errorf("stats went from %+v to %+v, want one question, one call and five items more", before, after)
		}
	})
	t.Run("more_than_a_chunk", func(t *testing.T) {
		var qs []authz.Question
		for i := range 1_234 {
			qs = append(qs, ask(relation.TypeAccount, fmt.Sprintf("a%d", i%617), [...]string{relation.ViewAccount, relation.EditAccount}[i/617]))
		}
		rand.Shuffle(len(qs), func(i, j int) { qs[i], qs[j] = qs[j], qs[i] })
		before := c.Stats()
		got, err := c.Check(t.Context(), user("a1-2"), qs) // a contact without edit_account
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range qs {
			if want := q.Ref.ID == "a1" && q.Permission == relation.ViewAccount; got[i] != want {
				t.Errorf("%s on %s: got %v, want %v", q.Permission, q.Ref.ID, got[i], want)
			}
		}
		if after := c.Stats(); after.Questions-before.Questions != 1 || after.Calls-before.Calls != 3 || after.Items-before.Items != 1_234 {
			t.Errorf("stats went from %+v to %+v", before, after)
		}
	})
	t.Run("no_questions", func(t *testing.T) {
		before := c.Stats()
		if got, err := c.Check(t.Context(), user("a0-o"), nil); err != nil || len(got) != 0 {
			t.Errorf("got %v, %v", got, err)
		}
		if c.Stats() != before {
			t.Error("it asked SpiceDB for nothing")
		}
	})
	t.Run("an_id_that_cannot_be_is_refused_and_spoils_no_other_answer", func(t *testing.T) {
		for _, id := range []string{"", "*", "a0 ", "a0#owner", "a0@user", "ü", strings.Repeat("a", 1025), "a\x00"} {
			got, err := c.Check(t.Context(), user("a0-o"), []authz.Question{
				ask(relation.TypeAccount, id, relation.ViewAccount), ask(relation.TypeAccount, "a0", relation.ViewAccount)})
			if err != nil || !slices.Equal(got, []bool{false, true}) {
				t.Errorf("id %q: got %v, %v", id, got, err)
			}
		}
	})
	t.Run("no_subject", func(t *testing.T) {
		for _, sub := range []authz.Subject{{}, {Type: "user"}, {Type: "user", ID: "*"}, {Type: "", ID: "x"}, {Type: "nothing", ID: "x"}} {
			if got, err := c.Check(t.Context(), sub, []authz.Question{ask(relation.TypeAccount, "a0", relation.ViewAccount)}); err == nil {
				t.Errorf("subject %v: got %v without an error", sub, got)
			}
		}
	})
	t.Run("one_item_in_error_fails_all", func(t *testing.T) {
		for _, bad := range []authz.Question{
			ask(relation.TypeAccount, "a0", "no_such_permission"), ask("no_such_type", "a0", relation.ViewAccount), ask(relation.TypeAccount, "a0", "")} {
			got, err := c.Check(t.Context(), user("a0-o"), []authz.Question{ask(relation.TypeAccount, "a0", relation.ViewAccount), bad})
			if err == nil || got != nil {
				t.Errorf("%v: got %v, %v", bad, got, err)
			}
			if u := (*spicedb.UnavailableError)(nil); errors.As(err, &u) {
				t.Errorf("%v: %v says that trying again may help", bad, err)
			}
		}
	})
	t.Run("no_time_left", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		got, err := c.Check(ctx, user("a0-o"), []authz.Question{ask(relation.TypeAccount, "a0", relation.ViewAccount)})
		wantUnavailable(t, err)
		if got != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var u interface{ Unavailable() bool }
	if !errors.As(err, &u) || !u.Unavailable() {
		t.Errorf("got %v, want an error that is unavailable", err)
	}
}

func TestClient_Write(t *testing.T) {
	t.Parallel()
	onEach(t, testWrite)
}

func testWrite(t *testing.T, c *spicedb.Client) {
	const support, accounting = "platform:steward#support@user:u", "platform:steward#accounting@user:u"
	q := ask(relation.TypePlatform, relation.PlatformID, relation.RelSupport)

	t.Run("can_be_repeated", func(t *testing.T) {
		for range 3 {
			write(t, c, relation.Update{Relationship: support})
			if !can(t, c, user("u"), q) {
				t.Error("not granted")
			}
		}
		for range 3 {
			write(t, c, relation.Update{Delete: true, Relationship: support})
			if can(t, c, user("u"), q) {
				t.Error("not revoked")
			}
		}
	})
	t.Run("the_last_update_of_a_relationship_counts", func(t *testing.T) {
		write(t, c, relation.Update{Relationship: support}, relation.Update{Relationship: accounting}, relation.Update{Delete: true, Relationship: support})
		if can(t, c, user("u"), q) {
			t.Error("the deletion came last")
		}
		write(t, c, relation.Update{Delete: true, Relationship: support}, relation.Update{Relationship: support})
		if !can(t, c, user("u"), q) {
			t.Error("the grant came last")
		}
	})
	t.Run("what_is_no_relationship_is_refused", func(t *testing.T) {
		before, _ := c.Count(t.Context())
		for _, bad := range []string{"", "platform:steward#support", "platform:steward#support@user:*", "platform:steward#support@user:a b",
			"platform:steward#support@user:a#x#y", "platform:steward#no_such@user:u", "nothing:x#support@user:u", "platform:steward#support@account:u"} {
			err := c.Write(t.Context(), "", []relation.Update{{Relationship: "platform:steward#support@user:innocent"}, {Relationship: bad}})
			if err == nil {
				t.Errorf("%q was written", bad)
			}
		}
		if after, _ := c.Count(t.Context()); after != before {
			t.Errorf("%d relationships, %d before", after, before)
		}
	})
	t.Run("many", func(t *testing.T) {
		var updates []relation.Update
		for i := range 2_500 {
			updates = append(updates, relation.Update{Relationship: fmt.Sprintf("platform:steward#support@user:many%d", i)})
		}
		before, was := c.Stats(), must(c.Count(t.Context()))
		write(t, c, updates...)
		if n := c.Stats().Writes - before.Writes; n != 3 {
			t.Errorf("%d writes, want 3", n)
		}
		if n := must(c.Count(t.Context())); n != was+2_500 {
			t.Errorf("%d relationships, want %d", n, was+2_500)
		}
	})
	t.Run("no_time_left", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := c.Write(ctx, "", []relation.Update{{Relationship: support}})
		wantUnavailable(t, err)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		write(t, c, relation.Update{Relationship: support}) // the lock is free again
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestClient_Each(t *testing.T) {
	t.Parallel()
	onEach(t, testEach)
}

func testEach(t *testing.T, c *spicedb.Client) {
	contacts := fill(t, c, 1, 3)
	want := relation.OfAccount("a0")
	for _, row := range contacts {
		want = append(want, relation.OfContact(row)...)
		if !row.Owner {
			want = append(want, relation.OfPermissionSet(row.AccountID, row.Permissions)...)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	var got []string
	if err := c.Each(t.Context(), func(r relation.Relationship) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	enough := errors.New("enough")
	if err := c.Each(t.Context(), func(relation.Relationship) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want the error of fn", err)
	}
}

// A relationship that somebody deleted and one that somebody added are found and undone.
func TestReconcile_against_spicedb(t *testing.T) {
	t.Parallel()
	onEach(t, testReconcile)
}

func testReconcile(t *testing.T, c *spicedb.Client) {
	contacts := fill(t, c, 1, 4)
	const gone, extra, false_ = "contact:a0-m#person@user:a0-m", "account:a0#owner@contact:a0-1#person", "permission_set:a0/ff#without_admin@account:a0"
	write(t, c, relation.Update{Delete: true, Relationship: gone}, relation.Update{Relationship: extra}, relation.Update{Relationship: false_})
	if !can(t, c, user("a0-1"), ask(relation.TypeAccount, "a0", relation.TransferOwnership)) {
		t.Fatal("the tampering had no effect")
	}
	want := func(_ context.Context, yield func(relation.Relationship) error) error {
		for _, row := range contacts {
			for _, r := range relation.OfContact(row) {
				if err := yield(r); err != nil {
					return err
				}
			}
		}
		return yield(relation.OfAccount("a0")[0])
	}
	missing, surplus, err := relation.Reconcile(t.Context(), want, c.Each)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(missing, []string{gone}) || !slices.Equal(surplus, []string{extra, false_}) {
		t.Fatalf("missing %v, surplus %v", missing, surplus)
	}
	write(t, c, relation.Repair(missing, surplus)...)
	if missing, surplus, err = relation.Reconcile(t.Context(), want, c.Each); err != nil || len(missing)+len(surplus) > 0 {
		t.Errorf("after the repair: missing %v, surplus %v, %v", missing, surplus, err)
	}
	if can(t, c, user("a0-1"), ask(relation.TypeAccount, "a0", relation.TransferOwnership)) {
		t.Error("the stranger still owns the account")
	}
}

func TestStartEmbedded(t *testing.T) {
	t.Run("a_schema_that_does_not_compile", func(t *testing.T) {
		c, err := spicedb.StartEmbedded(t.Context(), spicedb.Options{Schema: "definition user { relation"})
		if err == nil || c != nil {
			t.Errorf("got %v, %v", c, err)
		}
	})
	t.Run("the_hash_follows_the_schema", func(t *testing.T) {
		a, b, other := start(t), start(t), start(t, func(o *spicedb.Options) { o.Schema = "definition user {}" })
		if len(a.SchemaHash()) != 64 || a.SchemaHash() != b.SchemaHash() || a.SchemaHash() == other.SchemaHash() {
			t.Errorf("hashes %q, %q, and of another schema %q", a.SchemaHash(), b.SchemaHash(), other.SchemaHash())
		}
	})
	t.Run("two_side_by_side_share_nothing", func(t *testing.T) {
		a, b := start(t), start(t)
		write(t, a, relation.Update{Relationship: "platform:steward#support@user:u"})
		q := ask(relation.TypePlatform, relation.PlatformID, relation.Staff)
		if !can(t, a, user("u"), q) || can(t, b, user("u"), q) {
			t.Error("a write to one is seen in the other")
		}
	})
	t.Run("outlives_the_context_of_its_start", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := spicedb.StartEmbedded(ctx, spicedb.Options{Schema: steward.SchemaZed})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		write(t, c, relation.Update{Relationship: "platform:steward#support@user:u"})
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestClient_Close(t *testing.T) {
	one := func() *spicedb.Client {
		c, err := spicedb.StartEmbedded(t.Context(), spicedb.Options{Schema: steward.SchemaZed})
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, relation.Update{Relationship: "platform:steward#support@user:u"})
		can(t, c, user("u"), ask(relation.TypePlatform, relation.PlatformID, relation.Staff))
		return c
	}
	if err := one().Close(); err != nil { // what the first one starts for the whole process is not counted
		t.Fatal(err)
	}
	before := settled(0, 200*time.Millisecond)
	for range 3 {
		c := one()
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Check(t.Context(), user("u"), []authz.Question{ask(relation.TypePlatform, "steward", relation.Staff)}); !errors.Is(err, spicedb.ErrClosed) {
			t.Errorf("check: got %v", err)
		}
	}
	if after := settled(before, 3*time.Second); after > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", after, before, buf[:runtime.Stack(buf, true)])
	}
}

// settled returns the number of goroutines once it is at most want, or after patience.
func settled(want int, patience time.Duration) int {
	n := runtime.NumGoroutine()
	for begin := time.Now(); n > want && time.Since(begin) < patience; n = runtime.NumGoroutine() {
		runtime.Gosched()
	}
	return n
}

func TestClient_warns_once_when_it_grows_too_large(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := start(t, func(o *spicedb.Options) {
		o.WarnAbove = 100
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	add := func(n int) {
		var updates []relation.Update
		for i := range n {
			updates = append(updates, relation.Update{Relationship: fmt.Sprintf("platform:steward#support@user:u%d", i)})
		}
		write(t, c, updates...)
	}
	for range 5 {
		add(60) // the same ones again
	}
	if log.Len() > 0 {
		t.Errorf("60 relationships, and it said: %s", &log)
	}
	add(101)
	add(102)
	add(500)
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "database-url") {
		t.Errorf("%d lines, want one that names database-url: %s", n, &log)
	}
}
