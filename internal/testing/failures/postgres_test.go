package failures_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"steward/internal/testing/servers"
)

// TestPostgres holds that without the database nothing is answered, since nothing kept may be used without generations, and
// that everything works again once it is back.
func TestPostgres(t *testing.T) {
	t.Parallel()
	s := newOwnSite(t, nil)
	replicas := s.replicas(t, 2, "STEWARD_SPICEDB_TIMEOUT=1s")
	for _, away := range []struct {
		name        string
		leave, back func() error
	}{
		{"stopped fast", func() error { return s.cluster.Stop(servers.Fast) }, func() error { return s.cluster.Start(t.Context()) }},
		{"stopped as in a crash", func() error { return s.cluster.Stop(servers.Immediate) }, func() error { return s.cluster.Start(t.Context()) }},
		{"paused", s.cluster.Pause, s.cluster.Resume},
	} {
		t.Run(away.name, func(t *testing.T) { s.withoutPostgres(t, away.leave, away.back, replicas) })
	}
	t.Run("restarted and paused, while rights change", func(t *testing.T) {
		x := &traffic{house: s.house, people: s.people()[8:16], readers: 3, extra: 2, revokes: 40, seed: seed(t), rough: true}
		x.over(replicas)
		ctx := context.WithoutCancel(t.Context())
		rest := func() error { return nil }
		restart := func(how func() error) func() error {
			return func() error {
				if err := how(); err != nil {
					return err
				}
				return s.cluster.Start(ctx)
			}
		}
		x.disturb(t, restart(func() error { return s.cluster.Stop(servers.Fast) }), rest, rest, rest, rest, rest, rest, rest,
			s.cluster.Pause, rest, rest, s.cluster.Resume, rest, rest, rest,
			restart(func() error { return s.cluster.Stop(servers.Immediate) }), rest, rest, rest, rest, rest, rest, rest)
		x.none(t)
		misses(t, http.StatusOK, nil, replicas...)
		for _, p := range x.people {
			is(t, p, refused, replicas...)
		}
		s.consistent(t)
	})
}

func (s *site) withoutPostgres(t *testing.T, leave, back func() error, replicas []*replica) {
	t.Helper()
	p := s.accounts[0].programs[0]
	replicas[0].grant(t, s.house, p)
	is(t, p, allowed, replicas...)
	try(t, "take PostgreSQL away", leave())
	for i, r := range replicas {
		if got, took := r.check(t.Context(), p); got != unavailable || took > 2*within {
			t.Errorf("replica %d: a check whose answer is kept: %s after %s", i, got, took)
		}
		begin := time.Now()
		if code := r.set(t.Context(), s.house, p, false, ""); code != "UNAVAILABLE" || time.Since(begin) > 3*within {
			t.Errorf("replica %d: a change: %q after %s", i, code, time.Since(begin))
		}
		until(t, patience, "/readyz names the database", func() bool {
			parts, status := r.missing(t.Context())
			return status == http.StatusServiceUnavailable && slices.Contains(parts, "database")
		})
	}
	try(t, "bring PostgreSQL back", back())
	becomes(t, patience, p, allowed, replicas...)
	misses(t, http.StatusOK, nil, replicas...)
	replicas[1].revoke(t, s.house, p)
	is(t, p, refused, replicas...)
	s.consistent(t)
}
