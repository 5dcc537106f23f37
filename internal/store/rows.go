package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// batchSize is how many rows one statement inserts, and how many keys one statement asks for.
const batchSize = 500

// insertAll adds the rows in batches. When a batch meets a unique constraint that the driver does not name, its rows are
// added one by one: the first that fails is the one whose holders name the constraint, also when the other row is in the same batch.
func insertAll[R any](ctx context.Context, tx *Tx, op string, rows []R, holders func(R) []holder) error {
	for batch := range slices.Chunk(rows, batchSize) {
		_, err := tx.idb.NewInsert().Model(&batch).Exec(ctx)
		dup, ok := errors.AsType[*DuplicateError](tx.fail(op, err))
		if err == nil || !ok || dup.Constraint != "" {
			if err != nil {
				return tx.fail(op, err)
			}
			continue
		}
		for i := range batch {
			if _, err := tx.idb.NewInsert().Model(&batch[i]).Exec(ctx); err != nil {
				return tx.failUnique(ctx, op, err, holders(batch[i]))
			}
		}
	}
	return nil
}

// selectIn returns the rows of R's table whose column has one of the values.
func selectIn[R any, V comparable](ctx context.Context, tx *Tx, column string, values []V) ([]R, error) {
	var all []R
	for batch := range slices.Chunk(distinct(values), batchSize) {
		var rows []R
		if err := tx.idb.NewSelect().Model(&rows).Where("? IN (?)", bun.Ident(column), bun.List(batch)).Scan(ctx); err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// distinct returns each value once, in the order of their first places.
func distinct[V comparable](values []V) []V {
	seen := make(map[V]bool, len(values))
	out := make([]V, 0, len(values))
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

func rowsOf[D, R any](values []D, row func(D) R) []R {
	out := make([]R, len(values))
	for i, v := range values {
		out[i] = row(v)
	}
	return out
}

func domainOf[R, D any](rows []R, value func(R) D) []D {
	out := make([]D, len(rows))
	for i, r := range rows {
		out[i] = value(r)
	}
	return out
}

func mapOf[R any, K comparable, D any](rows []R, entry func(R) (K, D)) map[K]D {
	out := make(map[K]D, len(rows))
	for _, r := range rows {
		k, v := entry(r)
		out[k] = v
	}
	return out
}

func groupOf[R any, K comparable, D any](rows []R, entry func(R) (K, D)) map[K][]D {
	out := make(map[K][]D)
	for _, r := range rows {
		k, v := entry(r)
		out[k] = append(out[k], v)
	}
	return out
}

// newestFirst sorts by time, newest first; rows of the same time by id.
func newestFirst[R any](rows []R, key func(R) (time.Time, string)) {
	slices.SortFunc(rows, func(a, b R) int {
		at, aid := key(a)
		bt, bid := key(b)
		return cmp.Or(bt.Compare(at), cmp.Compare(aid, bid))
	})
}

// execer is a built update or delete.
type execer interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}

// affected runs a write and returns how many rows it met.
func (tx *Tx) affected(ctx context.Context, op string, q execer) (int, error) {
	res, err := q.Exec(ctx)
	if err != nil {
		return 0, tx.fail(op, err)
	}
	n, err := res.RowsAffected()
	return int(n), tx.fail(op, err)
}
