package failures_test

import (
	"context"
	"sync"
	"testing"
)

// TestReplicaPaused stops a replica at any moment of its work, revokes on another one, and lets it go on: its first answer is
// refused, whatever it was doing and whatever it keeps.
func TestReplicaPaused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	replicas := s.replicas(t, 2)
	awake, sleeper := replicas[0], replicas[1]
	p := s.people()[0]
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 { // so that it is paused within a wave, and comes late with what that was answered
		readers.Go(func() {
			for ctx.Err() == nil {
				_, _ = sleeper.check(ctx, p)
			}
		})
	}
	for range 10 {
		awake.grant(t, s.house, p)
		is(t, p, allowed, sleeper, awake)
		try(t, "pause", sleeper.Pause())
		awake.revoke(t, s.house, p)
		is(t, p, refused, awake)
		try(t, "go on", sleeper.Resume())
		is(t, p, refused, sleeper)
		is(t, p, refused, sleeper, awake)
	}
	stop()
	readers.Wait()
	s.consistent(t)
}
