package failures_test

import (
	"net/http"
	"testing"
	"time"
)

// within bounds an answer while SpiceDB is away: its setting is a second, and a wave and a busy machine take some more.
const within = 6 * time.Second

// TestSpiceDB holds what works without SpiceDB: what is public, and what is kept. All else is UNAVAILABLE within the
// deadline, and a change is refused before anything of it is written.
func TestSpiceDB(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	replicas := s.replicas(t, 2, "STEWARD_SPICEDB_TIMEOUT=1s")
	for _, away := range []struct {
		name        string
		leave, back func() error
	}{
		{"stopped", s.spicedb.Stop, func() error { return s.spicedb.Start(t.Context()) }},
		{"paused", s.spicedb.Pause, s.spicedb.Resume},
	} {
		t.Run(away.name, func(t *testing.T) { s.withoutSpiceDB(t, away.leave, away.back, replicas) })
	}
	t.Run("restarted and paused, while rights change", func(t *testing.T) {
		x := &traffic{house: s.house, people: s.people()[8:16], readers: 3, extra: 2, revokes: 40, seed: seed(t), rough: true}
		x.over(replicas)
		start := func() error { return s.spicedb.Start(t.Context()) }
		rest := func() error { return nil }
		x.disturb(t, s.spicedb.Pause, rest, rest, rest, rest, s.spicedb.Resume, rest, rest, rest, s.spicedb.Stop, start, rest, rest, rest)
		x.none(t)
		misses(t, http.StatusOK, nil, replicas...)
		s.consistent(t)
	})
}

func (s *site) withoutSpiceDB(t *testing.T, leave, back func() error, replicas []*replica) {
	t.Helper()
	kept, other := s.accounts[0].programs[0], s.accounts[1].programs[0]
	replicas[0].grant(t, s.house, kept)
	replicas[0].grant(t, s.house, other)
	is(t, kept, allowed, replicas...)
	before := s.written(t)
	try(t, "take SpiceDB away", leave())
	for i, r := range replicas {
		if a := r.ask(t.Context(), kept.token, `{ service { version } viewer { serviceAccount { name } } }`, nil); a.Code != "" || a.Took > within {
			t.Errorf("replica %d: what is public: %s after %s", i, a.Body, a.Took)
		}
		is(t, kept, allowed, r)
		if got, took := r.check(t.Context(), other); got != unavailable || took > within {
			t.Errorf("replica %d: a check that nobody has kept: %s after %s", i, got, took)
		}
		for p, on := range map[person]bool{kept: false, s.accounts[2].programs[0]: true} {
			begin := time.Now()
			if code := r.set(t.Context(), s.house, p, on, ""); code != "UNAVAILABLE" || time.Since(begin) > 2*within {
				t.Errorf("replica %d: a change: %q after %s", i, code, time.Since(begin))
			}
		}
	}
	if after := s.written(t); after != before {
		t.Errorf("changes were refused, but %d rows were written", after-before)
	}
	misses(t, http.StatusServiceUnavailable, []string{"spicedb"}, replicas...)
	is(t, kept, allowed, replicas...)
	try(t, "bring SpiceDB back", back())
	becomes(t, patience, other, allowed, replicas...)
	misses(t, http.StatusOK, nil, replicas...)
	for _, p := range []person{kept, other} {
		replicas[1].revoke(t, s.house, p)
		is(t, p, refused, replicas...)
	}
	s.consistent(t)
}

// written counts what every change leaves behind.
func (s *site) written(t *testing.T) (n int) {
	t.Helper()
	s.scan(t, "SELECT (SELECT count(*) FROM authz_outbox) + (SELECT count(*) FROM audit_log)", &n)
	return n
}
