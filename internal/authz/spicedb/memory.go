package spicedb

import (
	"context"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
)

// memory writes to the memory datastore, one write at a time: it can hide one of two that overlap.
type memory struct {
	client    *Client
	warnAbove uint64

	writing chan struct{} // holds one token while a write runs, see lock
	closing chan struct{}
	last    int64  // wall clock in ns after the last write; guarded by writing
	about   uint64 // at most this many relationships are there; guarded by writing
	warned  bool   // guarded by writing
}

func newMemory(c *Client, warnAbove uint64) *memory {
	if warnAbove == 0 {
		warnAbove = defaultWarnAbove
	}
	return &memory{client: c, warnAbove: warnAbove, writing: make(chan struct{}, 1), closing: make(chan struct{})}
}

// write writes one chunk. When ctx ends first it returns, but the write goes on alone and keeps the lock until it has ended.
func (m *memory) write(ctx context.Context, request *v1.WriteRelationshipsRequest) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	done := make(chan error, 1)
	detached := context.WithoutCancel(ctx)
	go func() {
		_, err := m.client.permissions.WriteRelationships(detached, request)
		m.watchSize(request.GetUpdates())
		m.unlock()
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return translate(ctx, "write", err)
		}
		return nil
	case <-ctx.Done():
		return &UnavailableError{"write", ctx.Err()}
	}
}

// exclusively runs f as a write.
func (m *memory) exclusively(ctx context.Context, f func() error) error {
	if err := m.lock(ctx); err != nil {
		return err
	}
	defer m.unlock()
	return f()
}

// close waits for the write that runs, and has later ones refused.
func (m *memory) close() error {
	close(m.closing)
	m.writing <- struct{}{}
	return nil
}

// lock waits until no other write runs and until the wall clock has passed the last one. The memory datastore names
// revisions by the wall clock and finds them by searching in order: a write under a clock that was set back would be
// filed before older ones, and checks would not see it.
func (m *memory) lock(ctx context.Context) error {
	select {
	case m.writing <- struct{}{}:
	case <-m.closing:
		return ErrClosed
	case <-ctx.Done():
		return &UnavailableError{"wait for another write", ctx.Err()}
	}
	if m.client.closed.Load() {
		<-m.writing
		return ErrClosed
	}
	if err := waitPast(ctx, m.last, wallClock); err != nil {
		<-m.writing
		return &UnavailableError{"wait for the clock, which was set back", err}
	}
	return nil
}

// unlock lets the next write in.
func (m *memory) unlock() {
	m.last = max(m.last, wallClock())
	<-m.writing
}

func wallClock() int64 { return time.Now().UnixNano() }

// waitPast returns when now is later than last, both in nanoseconds, or when ctx ends.
func waitPast(ctx context.Context, last int64, now func() int64) error {
	for {
		behind := last - now()
		if behind < 0 {
			return nil
		}
		timer := time.NewTimer(min(time.Duration(behind)+time.Microsecond, time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// watchSize warns once when there are more relationships than the memory datastore serves well. It counts only when the
// updates since the last count could have brought it there.
func (m *memory) watchSize(updates []*v1.RelationshipUpdate) {
	for _, u := range updates {
		if u.GetOperation() == v1.RelationshipUpdate_OPERATION_TOUCH {
			m.about++
		}
	}
	if m.warned || m.about <= m.warnAbove {
		return
	}
	n, err := m.client.Count(context.Background())
	if err != nil {
		m.client.log.Warn("relationships not counted", "error", err)
		return
	}
	m.about = n
	if n > m.warnAbove {
		m.warned = true
		m.client.log.Warn("too many relationships for SpiceDB in memory: checks that are not cached grow slow; set database-url, and they are kept in PostgreSQL",
			"relationships", n, "limit", m.warnAbove)
	}
}
