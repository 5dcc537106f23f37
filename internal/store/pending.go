package store

import (
	"context"

	"steward/internal/domain"
)

// PendingChange names a change in the outbox that is not applied yet.
type PendingChange struct {
	ID     domain.ChangeID
	Scopes []string
}

// PendingChanges returns every change that is not applied yet, oldest first, without what it changes.
func (tx *Tx) PendingChanges(ctx context.Context) ([]PendingChange, error) {
	var rows []struct {
		ID     domain.ChangeID    `bun:"id"`
		Scopes jsonText[[]string] `bun:"account_scopes"`
	}
	err := tx.idb.NewSelect().TableExpr("authz_outbox").Column("id", "account_scopes").
		Where("applied_at IS NULL").OrderExpr("seq").Scan(ctx, &rows)
	out := make([]PendingChange, len(rows))
	for i, r := range rows {
		out[i] = PendingChange{r.ID, r.Scopes.V}
	}
	return out, tx.fail("pending changes", err)
}
