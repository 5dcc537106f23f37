// Package rediscache keeps answers of permission checks in Redis, where all replicas find them.
//
// Redis is a helper and no authority. Nothing here decides that something is allowed: an answer is only handed on from one
// replica to another, under the check.Key that the replica which asks has just made. That key holds the hash of the schema,
// the random generations of every scope the answer depends on, and the subject; a change of rights makes generations that
// were never in Redis before. So whatever happens to Redis costs time and never gives an answer from before a change:
//
//	flushed, restarted, away, slow      misses: SpiceDB is asked
//	restored from an old dump           its keys are of generations that nobody reads any more
//	a write that comes late or twice    the same, or the answer that is there already
//	a foreign or damaged value          a miss: see the seal in pack.go
//
// What does decide is who may write to Redis: give Steward a user of its own, who alone may touch steward:*. It needs hmget,
// hset and expire; cluster|slots in a cluster, select for a database other than 0. For example:
//
//	ACL SETUSER steward on >password ~steward:* +hmget +hset +expire
//
// Hashes expire an hour after the last write to them; a maxmemory with allkeys-lru bounds what they take.
package rediscache

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"steward/internal/authz/check"
)

// Options say where Redis is and how long to wait for it. URL is required.
type Options struct {
	URL    string // the forms stand at server
	CAFile string // PEM of the authorities that certificates must come from, instead of the system's
	Log    *slog.Logger

	Timeout time.Duration // of a Load; 50 ms
	TTL     time.Duration // of a hash since the last write to it, give or take a fifth; 1 h
	Queue   int           // how many entries may wait to be written; 50,000
}

// Cache is a check.Shared.
type Cache struct {
	client  redis.UniversalClient
	log     *slog.Logger
	timeout time.Duration
	ttl     time.Duration

	breaker *breaker
	queue   *queue
	count   counters

	stop context.CancelFunc
	done sync.WaitGroup
}

var _ check.Shared = (*Cache)(nil)

// Open returns a cache. It checks the options and does not wait for Redis, nor fail without it. Its work in the background
// ends with Close, not with ctx.
func Open(ctx context.Context, o Options) (*Cache, error) {
	s, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	client, err := s.client(o.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Cache{
		client: client, log: o.Log, timeout: orDefault(o.Timeout, 50*time.Millisecond), ttl: orDefault(o.TTL, time.Hour),
		breaker: newBreaker(), queue: newQueue(orDefault(o.Queue, 50_000)),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	redis.SetLogger(libraryLog{c.log}) // there is one for the whole process
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.done.Go(func() { c.breaker.watch(ctx, c.try, c.back) })
	c.done.Go(func() { c.greet(ctx); c.write(ctx) })
	return c, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Close ends the work in the background. What waits to be written is lost, which costs others the time to ask again.
func (c *Cache) Close() error {
	c.stop()
	err := c.client.Close() // whoever waits for a reply is let go
	c.done.Wait()
	c.breaker.open.Store(true) // nothing loads or stores any more
	c.queue.drop()
	if err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Load sets Known and Allowed of the entries that are kept, with one HMGET per key, all in one round trip (in a cluster:
// one to each node concerned, at the same time). On any error, and after the deadline, it sets none.
func (c *Cache) Load(ctx context.Context, entries []check.Entry) {
	if len(entries) == 0 {
		return
	}
	c.count.loads.Add(1)
	if c.breaker.open.Load() {
		c.count.misses.Add(uint64(len(entries)))
		return
	}
	q := newQuestion(entries)
	err := c.ask(ctx, q)
	hits := 0
	switch {
	case err == nil:
		c.breaker.succeeded()
		hits = q.answer(entries)
	case ended(ctx): // the caller went away, or had less time than we give: that says nothing about Redis
	default:
		c.failed(err)
	}
	c.count.hits.Add(uint64(hits))
	c.count.misses.Add(uint64(len(entries) - hits))
}

func (c *Cache) ask(ctx context.Context, q *question) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	pipe := c.client.Pipeline()
	q.commands(ctx, pipe)
	_, err := pipe.Exec(ctx)
	return err
}

// ended also knows a deadline that has passed before the context's timer fires.
func ended(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

func (c *Cache) failed(err error) {
	c.count.errors.Add(1)
	opened, news := c.breaker.failed()
	if opened {
		c.count.opened.Add(1)
	}
	if news {
		c.away("redis does not answer", err)
	}
}

// try asks what a Load asks, of a key that nobody has: whoever may not read is not back.
func (c *Cache) try(ctx context.Context) error {
	var k check.Key
	rand.Read(k[:])
	return c.ask(ctx, newQuestion([]check.Entry{{Key: k, Type: "trial"}}))
}

func (c *Cache) back() { c.log.Info("redis answers again") }

// greet opens the first connection before a wave needs it, and tells the operator of a wrong address or password at once.
func (c *Cache) greet(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := c.client.HMGet(within, prefix, "").Err(); err != nil && ctx.Err() == nil {
		c.away("redis cannot be reached", err)
	}
}

// away tells the log that Redis is of no use. A login that it refuses is the settings' fault, so the line names the setting.
func (c *Cache) away(text string, err error) {
	if redis.IsAuthError(err) {
		text = "redis refuses the user or the password of redis-url"
	}
	c.log.Warn(text+"; permission checks go on without it, slower", "error", err)
}

// libraryLog takes what go-redis would print to the standard error: reconnections, failovers.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, v...))
}
