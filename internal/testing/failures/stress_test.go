package failures_test

import (
	"testing"
	"time"
)

// TestStress revokes, grants and checks from three replicas at random.
func TestStress(t *testing.T) {
	s := newSite(t)
	// What is tested is that no answer is old. That one comes in time, on a machine that does all of this at once, is not.
	replicas := s.replicas(t, 3, "STEWARD_SPICEDB_TIMEOUT=20s", "STEWARD_OPERATION_TIMEOUT=30s")
	x := &traffic{house: s.house, people: s.people()[:2*accountsOfHouse], readers: 4, pace: 20 * time.Millisecond, extra: 2, revokes: *revokesFlag, seed: seed(t)}
	x.over(replicas)
	x.run(t)
	x.none(t)
	if n := x.revoked.Load(); n < int64(*revokesFlag) {
		t.Errorf("%d revokes, want %d", n, *revokesFlag)
	}
	if n := x.refusedChanges(); n > *revokesFlag/50 {
		t.Errorf("%d changes had to be tried again", n)
	}
	for _, p := range x.people {
		is(t, p, refused, replicas...)
	}
	s.consistent(t)
	var pending int
	s.scan(t, "SELECT count(*) FROM authz_outbox WHERE applied_at IS NULL", &pending)
	if pending > 0 {
		t.Errorf("%d changes are pending at the end", pending)
	}
	until(t, patience, "every replica is ready", func() bool {
		for _, r := range replicas {
			if _, status := r.missing(t.Context()); status != 200 {
				return false
			}
		}
		return true
	})
}
