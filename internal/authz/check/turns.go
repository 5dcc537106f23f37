package check

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// errEnded is the error of a turn whose run has ended without a result.
var errEnded = errors.New("check: the call ended without a result")

// turns runs one call at a time for many callers. Whoever comes while it runs is served by the next run, together with all
// others who came meanwhile: nobody gets a result whose making began before they asked. A generation read or a fence that
// was shared in any other way could be older than a revoke that had returned.
type turns[Q, A any] struct {
	run     func(ctx context.Context, asked []Q) (A, error)
	timeout time.Duration

	mu      sync.Mutex
	running bool
	next    *turn[Q, A] // gathers callers while a run is on its way
}

type turn[Q, A any] struct {
	ctx    context.Context // of the first who asked; for what it carries, not for its end
	asked  []Q
	done   chan struct{}
	answer A
	err    error
}

// do returns the result of a run that begins after the call, or the error of ctx if that ends first.
func (t *turns[Q, A]) do(ctx context.Context, q Q) (A, error) {
	t.mu.Lock()
	if t.next == nil {
		t.next = &turn[Q, A]{ctx: context.WithoutCancel(ctx), done: make(chan struct{}), err: errEnded}
	}
	mine := t.next
	mine.asked = append(mine.asked, q)
	if !t.running {
		t.running = true
		go t.work()
	}
	t.mu.Unlock()
	select {
	case <-mine.done:
		return mine.answer, mine.err
	case <-ctx.Done():
		var none A
		return none, ctx.Err()
	}
}

// work runs until nobody waits.
func (t *turns[Q, A]) work() {
	for {
		t.mu.Lock()
		now := t.next
		t.next = nil
		t.running = now != nil
		t.mu.Unlock()
		if now == nil {
			return
		}
		t.serve(now)
	}
}

// serve carries out one run. A panic in it is the error of those who wait: on a goroutine of its own it would end the process.
func (t *turns[Q, A]) serve(now *turn[Q, A]) {
	ctx, cancel := context.WithTimeout(now.ctx, t.timeout)
	defer cancel()
	defer close(now.done)
	defer func() {
		if p := recover(); p != nil {
			now.err = fmt.Errorf("check: panic: %v\n%s", p, debug.Stack())
		}
	}()
	now.answer, now.err = t.run(ctx, now.asked)
}
