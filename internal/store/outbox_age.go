package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// OutboxAge returns how many changes are not applied yet, and when the oldest of them was made: the zero time when there
// is none. It is one statement over an index of what is pending, without a transaction.
func (db *DB) OutboxAge(ctx context.Context) (pending int, oldest time.Time, err error) {
	var created sql.NullInt64
	err = db.reader.NewSelect().TableExpr("authz_outbox").ColumnExpr("COUNT(*), MIN(created_at)").
		Where("applied_at IS NULL").Scan(ctx, &pending, &created)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("outbox age: %w", db.engine.Translate(err))
	}
	if created.Valid {
		oldest = time.UnixMilli(created.Int64).UTC()
	}
	return pending, oldest, nil
}
