package resolvers

import (
	"slices"
	"strings"

	"steward/graph/model"
	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/store"
)

// orderArg is an orderBy as it stands in the query.
type orderArg struct {
	Field     string `json:"field"`
	Direction string `json:"direction"`
}

// storeOrder returns the order that was asked for, or the given one.
func storeOrder(arg *orderArg, field string) store.Order {
	if arg == nil {
		return store.Order{Field: field}
	}
	return store.Order{Field: arg.Field, Descending: arg.Direction == string(model.OrderDirectionDesc)}
}

// orderName names an order in the cursors of its list.
func orderName(o store.Order) string {
	if o.Descending {
		return o.Field + " DESC"
	}
	return o.Field + " ASC"
}

// cursorAt returns the cursor of a place in a list of that order.
func cursorAt(o store.Order, k store.Keyset) authz.Cursor {
	return authz.Cursor{Order: orderName(o), Value: k.Value, ID: k.ID}
}

// readSlice reads the slice of several lists, one for each key, nearest first. The lists are read together; one that has
// more than a statement reads is read on alone.
func readSlice[K comparable, R any](keys []K, s authz.Slice, read func(keys []K, p store.Page) (map[K][]R, error), place func(R) store.Keyset) (map[K][]R, error) {
	out := make(map[K][]R, len(keys))
	page := store.Page{Limit: min(s.Limit, store.MaxPage), Backward: s.Backward}
	if s.From != nil {
		page.From = &store.Keyset{Value: s.From.Value, ID: s.From.ID}
	}
	for some := range slices.Chunk(distinct(keys), store.MaxPage) {
		got, err := read(some, page)
		if err != nil {
			return nil, err
		}
		for _, k := range some {
			rows := nearestFirst(got[k], s.Backward)
			for more := len(rows) == page.Limit; more && len(rows) < s.Limit; {
				last := place(rows[len(rows)-1])
				next := store.Page{Limit: min(s.Limit-len(rows), store.MaxPage), Backward: s.Backward, From: &last}
				got, err := read([]K{k}, next)
				if err != nil {
					return nil, err
				}
				more = len(got[k]) == next.Limit
				rows = append(rows, nearestFirst(got[k], s.Backward)...)
			}
			out[k] = rows
		}
	}
	return out, nil
}

// nearestFirst turns a page, which is in the order of the list, around when it was read backward.
func nearestFirst[R any](rows []R, backward bool) []R {
	if backward {
		slices.Reverse(rows)
	}
	return rows
}

func distinct[K comparable](keys []K) []K {
	seen := make(map[K]bool, len(keys))
	out := make([]K, 0, len(keys))
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// pageInfo tells where a page lies.
func pageInfo[T authz.Object](p authz.Page[T]) *model.PageInfo {
	return &model.PageInfo{HasNextPage: p.HasNext, HasPreviousPage: p.HasPrev, StartCursor: p.Start, EndCursor: p.End}
}

// checkContains refuses a part of a name that is too long to be one.
func checkContains(s *string) error {
	if s == nil {
		return nil
	}
	return domain.CheckText("filter.nameContains", strings.TrimSpace(*s), 1, 100)
}
