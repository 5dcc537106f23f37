package rediscache

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"steward/internal/authz/check"
)

const (
	writeTimeout = time.Second
	// batchSize bounds what one round trip writes, and with it how long other clients of Redis wait for it.
	batchSize = 1000
	// hsetSize bounds the fields of one HSET for the same reason.
	hsetSize = 100
)

// queue holds entries that wait to be written, no more than room.
type queue struct {
	room    int64
	waiting atomic.Int64 // entries
	batches chan []check.Entry
}

func newQueue(room int) *queue {
	return &queue{room: int64(room), batches: make(chan []check.Entry, 1024)}
}

func (q *queue) put(entries []check.Entry) bool {
	n := int64(len(entries))
	if q.waiting.Add(n) <= q.room {
		select {
		case q.batches <- entries:
			return true
		default:
		}
	}
	q.waiting.Add(-n)
	return false
}

// take waits for entries and returns up to about a batch of what has gathered; nil when ctx has ended.
func (q *queue) take(ctx context.Context) []check.Entry {
	var out []check.Entry
	select {
	case <-ctx.Done():
		return nil
	case out = <-q.batches:
	}
	for len(out) < batchSize {
		select {
		case more := <-q.batches:
			out = append(out, more...)
		default:
			q.waiting.Add(-int64(len(out)))
			return out
		}
	}
	q.waiting.Add(-int64(len(out)))
	return out
}

func (q *queue) drop() {
	for len(q.batches) > 0 {
		<-q.batches
	}
}

// Store has entries written in the background, in the order of the calls. It returns at once; what finds no room in the
// queue, or Redis away, is dropped.
//
// The last write to an object wins as a whole: of two replicas that know different permissions of it, the bits of the
// first are lost, and with them nothing but the work to ask for them again.
func (c *Cache) Store(entries []check.Entry) {
	kept := make([]check.Entry, 0, len(entries))
	for _, e := range entries {
		if e.Known != 0 && e.Allowed&^e.Known == 0 {
			kept = append(kept, e)
		}
	}
	if len(kept) > 0 && (c.breaker.open.Load() || !c.queue.put(kept)) {
		c.count.dropped.Add(uint64(len(kept)))
	}
}

// write writes until ctx ends. What fails is not tried again.
func (c *Cache) write(ctx context.Context) {
	failing := false
	for entries := c.queue.take(ctx); entries != nil; entries = c.queue.take(ctx) {
		slices.SortStableFunc(entries, func(a, b check.Entry) int { return slices.Compare(a.Key[:], b.Key[:]) })
		for batch := range slices.Chunk(entries, batchSize) {
			n := uint64(len(batch))
			if c.breaker.open.Load() {
				c.count.dropped.Add(n)
				continue
			}
			err := c.writeBatch(ctx, batch)
			if err == nil {
				c.count.stores.Add(n)
			} else if ctx.Err() == nil {
				c.count.errors.Add(1)
				c.count.dropped.Add(n)
			}
			if err != nil && !failing && ctx.Err() == nil {
				c.log.Warn("redis does not take writes; other replicas ask SpiceDB again", "error", err)
			}
			failing = err != nil
		}
	}
}

// writeBatch writes entries, sorted by their keys, in one round trip: for each key its fields, then when it expires.
func (c *Cache) writeBatch(ctx context.Context, entries []check.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	pipe := c.client.Pipeline()
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].Key == entries[0].Key {
			n++
		}
		c.writeKey(ctx, pipe, entries[:n])
		entries = entries[n:]
	}
	_, err := pipe.Exec(ctx)
	return err
}

func (c *Cache) writeKey(ctx context.Context, pipe redis.Pipeliner, entries []check.Entry) {
	key := string(appendKey(make([]byte, 0, keySize), entries[0].Key))
	for chunk := range slices.Chunk(entries, hsetSize) {
		args := make([]any, 0, 2*len(chunk))
		for i, field := range fields(chunk) {
			args = append(args, field, appendValue(make([]byte, 0, valueSize), &chunk[i], field))
		}
		pipe.HSet(ctx, key, args...)
	}
	pipe.Expire(ctx, key, jitter(c.ttl))
}

// jitter spreads d over a fifth less and a fifth more, so that what was written together does not end together.
func jitter(d time.Duration) time.Duration {
	return d - d/5 + rand.N(2*d/5+1)
}
