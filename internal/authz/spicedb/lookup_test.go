package spicedb_test

import (
	"fmt"
	"slices"
	"testing"

	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/relation"
)

func TestClient_Lookup(t *testing.T) {
	t.Parallel()
	onEach(t, testLookup)
}

// A person is the contact of many accounts, through their contact there.
func testLookup(t *testing.T, c *spicedb.Client) {
	const accounts = 1_203
	var updates []relation.Update
	for i := range accounts {
		updates = append(updates,
			relation.Update{Relationship: fmt.Sprintf("account:a%d#contact@contact:c%d#person", i, i)},
			relation.Update{Relationship: fmt.Sprintf("account:a%d#admin@contact:c%d#person", i, i)},
			relation.Update{Relationship: fmt.Sprintf("contact:c%d#person@user:many", i)})
	}
	write(t, c, updates...)
	write(t, c, relation.Update{Relationship: "account:of_another#contact@contact:another#person"}, relation.Update{Relationship: "contact:another#person@user:another"})
	token := must(c.Fence(t.Context()))
	look := func(sub string, limit int) (ids []string, complete bool) {
		t.Helper()
		before := c.Stats().Lookups
		ids, complete, err := c.Lookup(t.Context(), token, user(sub), relation.TypeAccount, relation.ViewAccount, limit)
		if err != nil {
			t.Fatal(err)
		}
		if c.Stats().Lookups == before {
			t.Error("not counted")
		}
		slices.Sort(ids)
		if n := len(ids); n != len(slices.Compact(ids)) {
			t.Errorf("%d ids, some of them twice", n)
		}
		return ids, complete
	}
	for _, limit := range []int{1, 999, 1_000, 1_001, accounts - 1} {
		if ids, complete := look("many", limit); len(ids) != limit || complete {
			t.Errorf("limit %d: %d ids, complete: %v", limit, len(ids), complete)
		}
	}
	for _, limit := range []int{accounts, accounts + 1, 5_000} {
		if ids, complete := look("many", limit); len(ids) != accounts || !complete || slices.Contains(ids, "of_another") {
			t.Errorf("limit %d: %d ids, complete: %v", limit, len(ids), complete)
		}
	}
	if ids, complete := look("another", 10); !slices.Equal(ids, []string{"of_another"}) || !complete {
		t.Errorf("got %v, %v", ids, complete)
	}
	if ids, complete := look("nobody", 10); len(ids) != 0 || !complete {
		t.Errorf("got %v, %v", ids, complete)
	}
	write(t, c, relation.Update{Delete: true, Relationship: "contact:another#person@user:another"})
	token = must(c.Fence(t.Context()))
	if ids, _ := look("another", 10); len(ids) != 0 {
		t.Errorf("got %v after the revoke", ids)
	}
	for name, fails := range map[string]func() ([]string, bool, error){
		"no limit": func() ([]string, bool, error) {
			return c.Lookup(t.Context(), token, user("many"), relation.TypeAccount, relation.ViewAccount, 0)
		},
		"no subject": func() ([]string, bool, error) {
			return c.Lookup(t.Context(), token, authz.Subject{Type: "user", ID: "*"}, relation.TypeAccount, relation.ViewAccount, 1)
		},
		"no type": func() ([]string, bool, error) {
			return c.Lookup(t.Context(), token, user("many"), "nothing", relation.ViewAccount, 1)
		},
		"no token": func() ([]string, bool, error) {
			return c.Lookup(t.Context(), "x", user("many"), relation.TypeAccount, relation.ViewAccount, 1)
		},
	} {
		if ids, complete, err := fails(); err == nil || ids != nil || complete {
			t.Errorf("%s: got %v, %v, %v", name, ids, complete, err)
		}
	}
}

// An allow that depends on a condition is none, and no answer either.
func TestClient_conditions_are_errors(t *testing.T) {
	t.Parallel()
	c := start(t, func(o *spicedb.Options) {
		o.Schema = `caveat at_noon(hour int) { hour == 12 }
definition user {}
definition door {
	relation opener: user | user with at_noon
	permission open = opener
}`
	})
	write(t, c, relation.Update{Relationship: "door:free#opener@user:u"})
	spicedb.WriteCaveated(t, c, "door", "barred", "opener", "user", "u", "at_noon")
	if got, err := c.Check(t.Context(), user("u"), qs(ask("door", "free", "open"))); err != nil || !got[0] {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := c.Check(t.Context(), user("u"), qs(ask("door", "free", "open"), ask("door", "barred", "open"))); err == nil {
		t.Errorf("a condition was answered with %v", got)
	}
	if ids, _, err := c.Lookup(t.Context(), must(c.Fence(t.Context())), user("u"), "door", "open", 10); err == nil || ids != nil {
		t.Errorf("a condition was answered with %v", ids)
	}
}
