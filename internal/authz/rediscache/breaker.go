package rediscache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	failuresToOpen = 5
	firstPause     = 100 * time.Millisecond
	longestPause   = 2 * time.Second
	// calm is how long Redis must have answered for the next pause to be the first one again.
	calm = 10 * time.Second
	// quiet is how often the log hears of a Redis that comes and goes.
	quiet = time.Minute
)

// breaker keeps waves from waiting for a Redis that does not answer. Open after some failures in a row, it lets nothing
// through; a trial in the background, which no wave waits for, closes it.
type breaker struct {
	open     atomic.Bool
	failures atomic.Int32

	mu       sync.Mutex
	pause    time.Duration
	closedAt time.Time
	toldAt   time.Time // when the log heard that it opened; it hears of the closing if it heard of the opening
	told     bool
	opened   chan struct{} // of capacity 1: wakes watch
}

func newBreaker() *breaker { return &breaker{opened: make(chan struct{}, 1)} }

func (b *breaker) succeeded() {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

// failed counts a failure. It returns whether that opened the breaker, and whether that is worth a line in the log.
func (b *breaker) failed() (opened, news bool) {
	if b.failures.Add(1) < failuresToOpen || !b.open.CompareAndSwap(false, true) {
		return false, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	calmed := b.pause == 0 || time.Since(b.closedAt) > calm
	if calmed {
		b.pause = firstPause
	}
	if news = calmed || time.Since(b.toldAt) > quiet; news {
		b.toldAt, b.told = time.Now(), true
	}
	select {
	case b.opened <- struct{}{}:
	default:
	}
	return true, news
}

// watch tries again while the breaker is open, after longer and longer pauses, until ctx ends. It calls closed when the
// log should hear that Redis is back.
func (b *breaker) watch(ctx context.Context, try func(context.Context) error, closed func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.opened:
		}
		for b.open.Load() {
			select {
			case <-ctx.Done():
				return
			case <-time.After(b.nextPause()):
			}
			if try(ctx) == nil && b.close() {
				closed()
			}
		}
	}
}

func (b *breaker) nextPause() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	pause := b.pause
	b.pause = min(2*pause, longestPause)
	return pause
}

func (b *breaker) close() (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	news, b.told, b.closedAt = b.told, false, time.Now()
	b.failures.Store(0)
	b.open.Store(false)
	return news
}
