package change

import (
	"context"
	"sync"
)

// locks hands out one lock per scope, in this process. They are taken in the order of the scopes' names, so two changes
// never wait for each other.
type locks struct {
	mu   *sync.Mutex
	held map[string]*scopeLock
}

type scopeLock struct {
	free  chan struct{}
	users int
}

func newLocks() locks { return locks{&sync.Mutex{}, map[string]*scopeLock{}} }

// acquire waits for the locks of all scopes, or until ctx ends. The returned function gives them back.
func (l locks) acquire(ctx context.Context, scopes []string) (func(), error) {
	var have []string
	release := func() {
		for i := len(have) - 1; i >= 0; i-- {
			l.release(have[i])
		}
	}
	for _, scope := range sorted(scopes) {
		if err := l.one(ctx, scope); err != nil {
			release()
			return nil, err
		}
		have = append(have, scope)
	}
	return release, nil
}

func (l locks) one(ctx context.Context, scope string) error {
	l.mu.Lock()
	lock := l.held[scope]
	if lock == nil {
		lock = &scopeLock{free: make(chan struct{}, 1)}
		lock.free <- struct{}{}
		l.held[scope] = lock
	}
	lock.users++
	l.mu.Unlock()
	select {
	case <-lock.free:
		return nil
	case <-ctx.Done():
		l.forget(scope, lock)
		return ctx.Err()
	}
}

func (l locks) release(scope string) {
	l.mu.Lock()
	lock := l.held[scope]
	l.mu.Unlock()
	lock.free <- struct{}{}
	l.forget(scope, lock)
}

func (l locks) forget(scope string, lock *scopeLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.held, scope)
	}
}
