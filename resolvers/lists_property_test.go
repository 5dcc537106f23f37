package resolvers_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"steward/internal/authz"
	"steward/internal/domain"
)

// Whatever the caller sees, and whatever the size of a page, its order and its direction: page by page a list shows exactly
// that, in order. Each page is full, unless it is the last or as many candidates were hidden as a page may cost.
func TestLists_property(t *testing.T) {
	t.Parallel()
	const rows = 60
	for _, budget := range []int{rows + 1, 7} {
		t.Run(fmt.Sprint("budget ", budget), func(t *testing.T) {
			h := newHouse(t, func(o *authz.Options) { o.Limits = authz.Limits{Candidates: budget, LookupAbove: 20} })
			a, cs := h.account("Acme", rows)
			rapid.Check(t, func(rt *rapid.T) {
				seen := rapid.SliceOfN(rapid.Bool(), rows, rows).Draw(rt, "seen")
				few := rapid.IntRange(1, 8).Draw(rt, "one in")
				size := rapid.IntRange(1, 9).Draw(rt, "size")
				backward, descending := rapid.Bool().Draw(rt, "backward"), rapid.Bool().Draw(rt, "descending")
				field := rapid.SampledFrom([]string{"LAST_NAME", "CREATED_AT"}).Draw(rt, "field")
				h.checker.denied = map[string]bool{}
				var want []string
				var visible []domain.Contact
				for i, c := range cs {
					if seen[i] && i%few == 0 {
						want, visible = append(want, c.LastName), append(visible, c)
					} else {
						h.hide(c)
					}
				}
				h.checker.finder = nil
				if rapid.Bool().Draw(rt, "lookup") {
					h.checker.finder = func() ([]string, error) { return idsOf(visible...), nil }
				}
				direction := "ASC"
				if descending {
					direction = "DESC"
					slices.Reverse(want)
				}
				pages := h.walk(a.ID, size, fmt.Sprintf("field: %s, direction: %s", field, direction), backward)
				if got := slices.Concat(pages...); !slices.Equal(got, want) {
					rt.Fatalf("got  %v\nwant %v", got, want)
				}
				if h.checker.finder == nil || budget < rows {
					if want := pagesOf(cs, h.sees, size, budget, backward != descending, backward); fmt.Sprint(pages) != fmt.Sprint(want) {
						rt.Fatalf("pages %v\nwant  %v", pages, want)
					}
				}
				for i, p := range pages {
					if last := i == len(pages)-1; len(p) < size && budget > rows && !last && !(backward && i == 0) {
						rt.Fatalf("page %d of %d has %d rows of %d", i+1, len(pages), len(p), size)
					}
				}
			})
		})
	}
}

// pagesOf says page by page what a list of the candidates shows: each page looks at no more candidates than the budget has.
func pagesOf(cs []domain.Contact, sees func(domain.Contact) bool, size, budget int, turned, backward bool) (pages [][]string) {
	cs = slices.Clone(cs)
	if turned {
		slices.Reverse(cs)
	}
	for {
		var page []string
		next, more := min(budget, len(cs)), len(cs) >= budget
		for i, c := range cs[:next] {
			if !sees(c) {
				continue
			}
			if len(page) == size { // one more row tells that there is a next page, which begins behind this one's last
				more = true
				break
			}
			page = append(page, c.LastName)
			if len(page) == size && slices.ContainsFunc(cs[i+1:next], sees) {
				next = i + 1
			}
		}
		if backward {
			slices.Reverse(page)
			pages = append([][]string{page}, pages...)
		} else {
			pages = append(pages, page)
		}
		if cs = cs[next:]; !more {
			return pages
		}
	}
}
