package resolvers_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"steward/internal/authz"
	"steward/internal/domain"
)

// idsOf returns the ids of contacts as a lookup gives them: in no order.
func idsOf(cs ...domain.Contact) (ids []string) {
	for _, c := range cs {
		ids = append(ids, string(c.ID))
	}
	slices.Sort(ids)
	return ids
}

// A list of which the caller sees little among much is read by the ids of what they see: the same rows in the same order,
// by far fewer questions. What was looked up is a proposal, and every row is asked about.
func TestLists_lookup(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := newHouse(t, func(o *authz.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	a, cs := h.account("Acme", 2000)
	_, others := h.account("Beta", 60)
	slices.SortFunc(cs, func(a, b domain.Contact) int { return strings.Compare(a.LastName, b.LastName) })
	var seen []domain.Contact
	for i, c := range cs {
		if i%100 == 99 {
			seen = append(seen, c)
		} else {
			h.hide(c)
		}
	}
	want := h.byName(cs)
	for name, tc := range map[string]struct {
		finder func() ([]string, error)
		most   int // questions for the first page
	}{
		"complete":                 {func() ([]string, error) { return idsOf(append(seen, others...)...), nil }, 130},
		"with what is not seen":    {func() ([]string, error) { return idsOf(append(cs[:500:500], seen...)...), nil }, 800},
		"more than a thousand":     {func() ([]string, error) { return idsOf(append(cs[:1000:1000], seen...)...), nil }, 2000},
		"no lookup":                {nil, 2000},
		"a lookup that fails":      {func() ([]string, error) { return nil, errors.New("away") }, 2000},
		"ids that are none of his": {func() ([]string, error) { return append(idsOf(seen...), "' OR 1=1 --", "x"), nil }, 130},
	} {
		t.Run(name, func(t *testing.T) {
			h.TB, h.checker.finder = t, tc.finder
			log.Reset()
			h.lastNames(a.ID, "first: 10")
			if told := strings.Contains(log.String(), "lookup failed"); told != (name == "a lookup that fails") {
				t.Errorf("the log says %q", &log)
			}
			if n := h.times("view_contacts"); n > tc.most {
				t.Errorf("%d rows were asked about, want at most %d", n, tc.most)
			}
			if want := (authz.Question{Ref: authz.Ref{Type: "contact"}, Permission: "view_contacts"}); len(h.checker.finds) != 1 || h.checker.finds[0] != want {
				t.Errorf("looked up %v, want once %v", h.checker.finds, want)
			}
			for _, backward := range []bool{false, true} {
				for _, order := range []string{"field: LAST_NAME", "field: CREATED_AT, direction: DESC"} {
					got := slices.Concat(h.walk(a.ID, 10, order, backward)...)
					if order != "field: LAST_NAME" {
						slices.Sort(got)
					}
					if !slices.Equal(got, want) {
						t.Errorf("backward %v, %s: got %v\nwant %v", backward, order, got, want)
					}
				}
			}
		})
	}
}

// Nothing is looked up where most is seen, where one wave fills the page, and for nobody.
func TestLists_no_lookup(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.checker.finder = func() ([]string, error) { return nil, errors.New("not asked for") }
	a, cs := h.account("Acme", 600)
	slices.SortFunc(cs, func(a, b domain.Contact) int { return strings.Compare(a.LastName, b.LastName) })
	for i, c := range cs {
		if i%3 > 0 {
			h.hide(c)
		}
	}
	h.lastNames(a.ID, "first: 100")
	h.hide(cs[100:]...)
	h.lastNames(a.ID, "first: 5")
	h.actor = domain.Actor{}
	h.do(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts { totalCount } } } }`, nil)
	if len(h.checker.finds) > 0 {
		t.Errorf("looked up %v", h.checker.finds)
	}
}

// Who sees nothing learns so after one lookup, not after 10,000 questions.
func TestLists_lookup_nothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 1000)
	h.hide(cs...)
	h.checker.finder = func() ([]string, error) { return nil, nil }
	names, more, _, start, end := h.lastNames(a.ID, "first: 50")
	if names != "" || more || start != "" || end != "" || h.times("view_contacts") > 300 {
		t.Errorf("got %q, more %v, start %q, end %q after %d questions", names, more, start, end, h.times("view_contacts"))
	}
}

// The lists of several parents share their waves, and one lookup.
func TestLists_lookup_of_several(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var seen []domain.Contact
	for i := range 3 {
		_, cs := h.account(fmt.Sprint("A", i), 1200)
		slices.SortFunc(cs, func(a, b domain.Contact) int { return strings.Compare(a.LastName, b.LastName) })
		h.hide(cs...)
		h.show(cs[1000+i], cs[1100])
		seen = append(seen, cs[1000+i], cs[1100])
	}
	h.checker.finder = func() ([]string, error) { return idsOf(seen...), nil }
	a := h.do(`{ viewer { accounts { edges { node { contacts(first: 5) { edges { node { lastName } } pageInfo { hasNextPage } } } } } } }`, nil)
	got := string(mustJSON(t, a.Data))
	for _, c := range seen {
		if !strings.Contains(got, `"`+c.LastName+`"`) {
			t.Errorf("%s is missing in %s", c.LastName, got)
		}
	}
	if strings.Contains(got, `"hasNextPage":true`) || len(h.checker.finds) != 1 || h.times("view_contacts") > 1000 {
		t.Errorf("%d lookups and %d questions for %s", len(h.checker.finds), h.times("view_contacts"), got)
	}
}

// A right that is granted after the lookup is no reason to leave a row out: the list begins again.
func TestLists_lookup_restart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a, cs := h.account("Acme", 2000)
	slices.SortFunc(cs, func(a, b domain.Contact) int { return strings.Compare(a.LastName, b.LastName) })
	h.hide(cs...)
	h.show(cs[1500])
	seen := []domain.Contact{cs[1500]}
	finds := 0
	h.checker.finder = func() ([]string, error) {
		finds++
		ids := idsOf(seen...)
		if finds == 1 { // right behind the lookup
			h.show(cs[1600])
			seen = append(seen, cs[1600])
			h.checker.generation++
		}
		return ids, nil
	}
	names, more, _, _, _ := h.lastNames(a.ID, "first: 50")
	if want := cs[1500].LastName + " " + cs[1600].LastName; names != want || more || finds != 2 {
		t.Errorf("got %q after %d lookups, want %q after 2", names, finds, want)
	}
}
