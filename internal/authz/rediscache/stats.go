package rediscache

import "sync/atomic"

// Stats counts since Open. Hits, Misses, Stores and Dropped count entries, the others calls.
type Stats struct {
	Loads, Hits, Misses, Errors uint64
	Stores, Dropped             uint64 // written; not written: no room, Redis away, an error
	Opened                      uint64 // how often the breaker opened
	Open                        bool   // whether it is open: Redis does not answer and is not asked
}

type counters struct{ loads, hits, misses, errors, stores, dropped, opened atomic.Uint64 }

// Stats returns the counters.
func (c *Cache) Stats() Stats {
	n := &c.count
	return Stats{
		Loads: n.loads.Load(), Hits: n.hits.Load(), Misses: n.misses.Load(), Errors: n.errors.Load(),
		Stores: n.stores.Load(), Dropped: n.dropped.Load(), Opened: n.opened.Load(), Open: c.breaker.open.Load(),
	}
}
