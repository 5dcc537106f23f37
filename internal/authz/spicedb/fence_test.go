package spicedb_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/relation"
)

var rounds = flag.Int("fence-rounds", 150, "writes of each writer in the tests of fences")

// What one client has written, a check of another that begins later sees: also under load, also when it is a revoke.
func TestClient_Fence_sees_what_another_client_has_written(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[1:] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			open := k.cluster(t)
			a, b := open(t), open(t)
			if answers, stale := race(t, a, b, *rounds); stale > 0 {
				t.Errorf("%d of %d answers are from before a write that had returned", stale, answers)
			} else {
				t.Logf("%d answers", answers)
			}
		})
	}
}

// The control: the same, but SpiceDB is asked to be "fully consistent" and is not. It stops at the first stale answer, so
// it takes long only where the test above proves little.
func TestFullyConsistent_is_not(t *testing.T) {
	t.Parallel()
	for _, k := range kinds[1:] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			open := k.cluster(t)
			a, b := open(t), open(t)
			var answers, stale int64
			for range 20 {
				n, s := race(t, a, spicedb.FullyConsistent(b), 100)
				answers, stale = answers+n, stale+s
				if stale > 0 {
					break
				}
			}
			t.Logf("%d of %d answers were stale", stale, answers)
			if stale == 0 {
				t.Error("no answer was stale: the test of fences proves nothing here")
			}
		})
	}
}

// race has writers change rights through a, each its own, and ask for them through b; readers ask through b all the while.
func race(t *testing.T, a, b *spicedb.Client, rounds int) (answers, stale int64) {
	const writers, readers = 2, 3
	ctx, stop := context.WithCancel(t.Context())
	var reading, writing sync.WaitGroup
	var answered, old atomic.Int64
	q := ask(relation.TypePlatform, relation.PlatformID, relation.Staff)
	for i := range readers {
		reading.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.Check(ctx, user(fmt.Sprintf("w%d", i%writers)), qs(q)); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range writers {
		writing.Go(func() {
			rel := fmt.Sprintf("platform:steward#support@user:w%d", i)
			for n := range rounds {
				revoke := n%2 == 1
				if err := a.Write(t.Context(), "", []relation.Update{{Delete: revoke, Relationship: rel}}); err != nil {
					t.Error(err)
					return
				}
				got, err := b.Check(t.Context(), user(fmt.Sprintf("w%d", i)), qs(q))
				if err != nil {
					t.Error(err)
					return
				}
				answered.Add(1)
				if got[0] == revoke {
					old.Add(1)
				}
			}
		})
	}
	writing.Wait()
	stop()
	reading.Wait()
	return answered.Load(), old.Load()
}

// A token stays good for what was written before it, and shows no more than asked for.
func TestClient_CheckAt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, c *spicedb.Client) {
		q := ask(relation.TypePlatform, relation.PlatformID, relation.Staff)
		write(t, c, relation.Update{Relationship: "platform:steward#support@user:u"})
		before := c.Stats()
		token, err := c.Fence(t.Context())
		if err != nil || token == "" {
			t.Fatalf("got %q, %v", token, err)
		}
		for range 2 {
			if got, err := c.CheckAt(t.Context(), token, user("u"), qs(q)); err != nil || !got[0] {
				t.Errorf("got %v, %v", got, err)
			}
		}
		if n := c.Stats(); n.Fences-before.Fences != 1 || n.Questions-before.Questions != 2 || n.Writes != before.Writes {
			t.Errorf("stats went from %+v to %+v", before, n)
		}
		if n := must(c.Count(t.Context())); n != 1 {
			t.Errorf("%d relationships: a fence has left something behind", n)
		}
		for _, bad := range []string{"", "x", token + "x"} {
			if got, err := c.CheckAt(t.Context(), bad, user("u"), qs(q)); err == nil {
				t.Errorf("token %q: got %v", bad, got)
			}
		}
	})
}

// Once a revoke has returned nobody is answered from before it, and the same for a grant, whatever else is asked and
// written, and when a deadline has cut off the first attempt.
func TestClient_never_answers_from_before_a_write(t *testing.T) {
	t.Parallel()
	onEach(t, testNeverFromBefore)
}

func testNeverFromBefore(t *testing.T, c *spicedb.Client) {
	fill(t, c, 1, 10)
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	question := func(i int) authz.Question {
		return ask(relation.TypeAccount, fmt.Sprintf("w%d", i), relation.ViewAccount)
	}
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				i := rand.IntN(3)
				if _, err := c.Check(ctx, user(fmt.Sprintf("w%d", i)), []authz.Question{question(i)}); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 3 {
		writers.Go(func() {
			rel := fmt.Sprintf("contact:w%d#person@user:w%d", i, i)
			write(t, c, relation.Update{Relationship: fmt.Sprintf("account:w%d#contact@contact:w%d#person", i, i)})
			for n := range 100 {
				update := []relation.Update{{Delete: n%2 == 1, Relationship: rel}}
				short, cancel := context.WithTimeout(t.Context(), rand.N(time.Millisecond))
				if err := c.Write(short, "", update); err != nil {
					wantUnavailable(t, err)
					write(t, c, update...)
				}
				cancel()
				if got := can(t, c, user(fmt.Sprintf("w%d", i)), question(i)); got != (n%2 == 0) {
					t.Errorf("write %d of account w%d: answered %v from before it", n, i, got)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
}
