package failures_test

import (
	"strings"
	"testing"
	"time"

	"steward"
	"steward/internal/domain"
	"steward/internal/relation"
)

// TestElsewhere changes SpiceDB past Steward, as a command-line client may: one replica watches, and what is kept ends.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	replicas := s.replicas(t, 2)
	other := s.client(t, steward.SchemaZed)
	write := func(t *testing.T, p person, remove bool) string {
		t.Helper()
		_, contact, _ := domain.ParseGlobalID(p.contact)
		r := "account:" + p.account.key() + "#contact_management@contact:" + contact + "#person"
		try(t, "write to SpiceDB", other.Write(t.Context(), "", []relation.Update{{Delete: remove, Relationship: r}}))
		return r
	}
	a, b := s.people()[0], s.people()[1]
	t.Run("a relationship is deleted", func(t *testing.T) {
		replicas[0].grant(t, s.house, a)
		is(t, a, allowed, replicas...)
		gone := write(t, a, true)
		becomes(t, patience, a, refused, replicas...)
		if out, code := s.steward(t, "reconcile"); code != 1 || !strings.Contains(out, "missing "+gone) || !strings.Contains(out, "Differences: 1") {
			t.Errorf("reconcile: exit code %d: %s", code, out)
		}
		s.must(t, "reconcile", "--repair")
		is(t, a, allowed, replicas...)
		s.consistent(t)
	})
	t.Run("a relationship is written", func(t *testing.T) {
		is(t, b, refused, replicas...)
		more := write(t, b, false)
		becomes(t, patience, b, allowed, replicas...)
		if out, code := s.steward(t, "reconcile"); code != 1 || !strings.Contains(out, "surplus "+more) {
			t.Errorf("reconcile: exit code %d: %s", code, out)
		}
		s.must(t, "reconcile", "--repair")
		is(t, b, refused, replicas...)
	})
	t.Run("the schema is written", func(t *testing.T) { s.otherSchema(t, a, replicas) })
	t.Run("after the replica that watched is killed", func(t *testing.T) {
		replicas[0].kill(t) // the one that was started first watches
		is(t, a, allowed, replicas[1])
		begin := time.Now()
		write(t, a, true)
		becomes(t, patience, a, refused, replicas[1])
		t.Logf("another replica has seen it after %s", time.Since(begin).Round(time.Millisecond))
		s.must(t, "reconcile", "--repair")
		is(t, a, allowed, replicas[1])
	})
}

// otherSchema takes a permission's meaning away, then gives it back. Kept answers end both times.
func (s *site) otherSchema(t *testing.T, p person, replicas []*replica) {
	const ours = "permission view_contact_details = manage_contacts + platform->staff"
	text := strings.Replace(steward.SchemaZed, ours, "permission view_contact_details = platform->staff", 1)
	if text == steward.SchemaZed {
		t.Fatal("schema.zed does not say any more: " + ours)
	}
	is(t, p, allowed, replicas...)
	try(t, "write another schema", s.client(t, text).ApplySchema(t.Context()))
	becomes(t, patience, p, refused, replicas...)
	s.must(t, "migrate")
	is(t, p, allowed, replicas...)
	s.consistent(t)
}
