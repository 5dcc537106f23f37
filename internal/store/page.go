package store

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"
)

// MaxPage is the largest Limit of a Page.
const MaxPage = 1000

// Page is a part of an ordered list. Rows come in the list's order, backward or not.
type Page struct {
	Limit    int     // 1 to MaxPage rows
	Backward bool    // the last rows before From, instead of the first after it
	From     *Keyset // nil: from the list's start, or its end when Backward
}

// Keyset is a place in an ordered list: that of a row, which need not exist any more. A page never contains the row at its own From.
type Keyset struct {
	Value string // the ordered field as it is compared: a name key, or milliseconds since 1970
	ID    string
}

// Order sorts a list by one field; rows that are equal in it are sorted by id, in the same direction.
type Order struct {
	Field      string // one of the Order constants of the noun; empty is the noun's first
	Descending bool
}

// The fields that lists can be ordered by.
const (
	OrderName      = "NAME"       // accounts
	OrderLastName  = "LAST_NAME"  // contacts; equal last names are sorted by first name
	OrderCreatedAt = "CREATED_AT" // accounts and contacts
	OrderAt        = "AT"         // audit entries
)

// column is what a list is ordered by.
type column struct {
	name string
	time bool // stored as milliseconds
}

// sorted is an order and a page, checked, in terms of SQL.
type sorted struct {
	col  column
	desc bool // of the query: the order's direction, turned around for a backward page
	page Page
}

// sort checks order and page against the columns that fields name. first is what an empty field means.
func sort(order Order, page Page, first string, fields map[string]column) (sorted, error) {
	if order.Field == "" {
		order.Field = first
	}
	col, ok := fields[order.Field]
	if !ok {
		return sorted{}, fmt.Errorf("%w: order by %q", ErrBadPage, order.Field)
	}
	if page.Limit < 1 || page.Limit > MaxPage {
		return sorted{}, fmt.Errorf("%w: limit %d is not within 1 and %d", ErrBadPage, page.Limit, MaxPage)
	}
	if page.From != nil && col.time {
		if _, err := strconv.ParseInt(page.From.Value, 10, 64); err != nil {
			return sorted{}, fmt.Errorf("%w: keyset %q is not a time", ErrBadPage, page.From.Value)
		}
	}
	return sorted{col: col, desc: order.Descending != page.Backward, page: page}, nil
}

// after keeps the rows beyond the page's From.
func (s sorted) after(q *bun.SelectQuery) *bun.SelectQuery {
	from := s.page.From
	if from == nil {
		return q
	}
	var value any = withoutNUL(from.Value)
	if s.col.time {
		value, _ = strconv.ParseInt(from.Value, 10, 64) // sort has parsed it
	}
	op := ">"
	if s.desc {
		op = "<"
	}
	return q.Where("(?, id) ? (?, ?)", bun.Ident(s.col.name), bun.Safe(op), value, withoutNUL(from.ID))
}

// orderBy returns the SQL after ORDER BY.
func (s sorted) orderBy() bun.Safe {
	dir := "ASC"
	if s.desc {
		dir = "DESC"
	}
	return bun.Safe(fmt.Sprintf("%s %s, id %s", s.col.name, dir, dir))
}

// limited applies keyset, order and limit to a query over one list.
func (s sorted) limited(q *bun.SelectQuery) *bun.SelectQuery {
	return s.after(q).OrderExpr("?", s.orderBy()).Limit(int64(s.page.Limit))
}

// inOrder puts the rows of a query back into the order of the list.
func inOrder[T any](s sorted, rows []T) []T {
	if s.page.Backward {
		slices.Reverse(rows)
	}
	return rows
}

func millisValue(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// each calls fn for every row of a list that next reads in batches; next returns the rows after the id, at most MaxPage.
func each[T any](next func(after string) ([]T, error), id func(T) string, fn func(T) error) error {
	for after := ""; ; {
		rows, err := next(after)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := fn(r); err != nil {
				return err
			}
		}
		if len(rows) < MaxPage {
			return nil
		}
		after = id(rows[len(rows)-1])
	}
}
