package failures_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestRedis holds that nothing that happens to Redis makes an answer stale, or fails one: it only takes longer.
func TestRedis(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	replicas := s.replicas(t, 2)
	t.Run("stopped", func(t *testing.T) {
		s.withoutRedis(t, s.redis.Stop, func() error { return s.redis.Start(t.Context()) }, s.people()[0], replicas)
	})
	t.Run("paused", func(t *testing.T) { s.withoutRedis(t, s.redis.Pause, s.redis.Resume, s.people()[1], replicas) })
	t.Run("restored from an old dump", func(t *testing.T) { s.oldDump(t, replicas) })
	t.Run("anything, while rights change", func(t *testing.T) { s.churnRedis(t, replicas) })
}

// withoutRedis revokes and grants while Redis is away, and after it is back.
func (s *site) withoutRedis(t *testing.T, leave, back func() error, p person, replicas []*replica) {
	t.Helper()
	replicas[0].grant(t, s.house, p)
	is(t, p, allowed, replicas...)
	try(t, "take Redis away", leave())
	is(t, p, allowed, replicas...)
	replicas[0].revoke(t, s.house, p)
	is(t, p, refused, replicas[1], replicas[0])
	replicas[1].grant(t, s.house, p)
	is(t, p, allowed, replicas...)
	misses(t, http.StatusOK, []string{"redis"}, replicas...)
	try(t, "bring Redis back", back())
	replicas[1].revoke(t, s.house, p)
	is(t, p, refused, replicas...)
	misses(t, http.StatusOK, nil, replicas...)
	is(t, p, refused, replicas...)
}

// keys counts what Redis holds.
func (s *site) keys(t *testing.T) int64 {
	t.Helper()
	c := redis.NewClient(s.redis.Options())
	defer c.Close()
	n, err := c.DBSize(t.Context()).Result()
	try(t, "count the keys of Redis", err)
	return n
}

// oldDump has Redis come back with the allow of a right that was revoked since. A replica that keeps nothing of its own
// has nothing but Redis to believe.
func (s *site) oldDump(t *testing.T, replicas []*replica) {
	p := s.people()[2]
	try(t, "empty Redis", s.redis.Flush(t.Context()))
	replicas[0].grant(t, s.house, p)
	is(t, p, allowed, replicas...)
	until(t, patience, "Redis holds the answer", func() bool { return s.keys(t) > 0 })
	try(t, "save", s.redis.Save(t.Context()))
	fresh := s.replica(t)
	is(t, p, allowed, fresh)
	replicas[1].revoke(t, s.house, p)
	try(t, "stop Redis", s.redis.Stop())
	try(t, "start Redis", s.redis.Start(t.Context()))
	if s.keys(t) == 0 {
		t.Fatal("Redis has come back empty")
	}
	misses(t, http.StatusOK, nil, replicas...) // all of them believe Redis again
	is(t, p, refused, replicas...)
	is(t, p, refused, fresh)
	is(t, p, refused, s.replica(t))
}

// churnRedis does all of it in turn while rights change and everybody is asked about.
func (s *site) churnRedis(t *testing.T, replicas []*replica) {
	x := &traffic{house: s.house, people: s.people()[4:12], readers: 3, extra: 2, revokes: 80, seed: seed(t)}
	x.over(replicas)
	ctx := context.WithoutCancel(t.Context())
	restart := func() error {
		if err := s.redis.Stop(); err != nil {
			return err
		}
		return s.redis.Start(ctx)
	}
	empty := func() error { return s.redis.Flush(ctx) }
	save := func() error { return s.redis.Save(ctx) }
	x.disturb(t, save, s.redis.Pause, s.redis.Resume, empty, restart, save, s.redis.Stop, func() error { return s.redis.Start(ctx) }, empty)
	x.none(t)
}

// disturb runs the traffic while things happen, one after the other, three rounds at least and each to its end.
func (x *traffic) disturb(t *testing.T, things ...func() error) {
	t.Helper()
	ended, rounds := make(chan struct{}), make(chan int)
	x.more.Store(true)
	go func() {
		n := 0
		for open := true; open; n++ {
			for _, do := range things {
				if err := do(); err != nil {
					t.Errorf("disturb: %v", err)
				}
				select {
				case <-ended:
					open = false
				case <-time.After(150 * time.Millisecond): // the time that the traffic has with it
				}
			}
			x.more.Store(n < 2)
		}
		rounds <- n
	}()
	x.run(t)
	close(ended)
	t.Logf("%d rounds of disturbance", <-rounds)
}
