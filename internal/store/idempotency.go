package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"
)

// IdempotentResult is what a mutation answered to an actor's idempotency key.
type IdempotentResult struct {
	Actor     string // for example "user:ID"
	Key       string
	Operation string
	InputHash []byte // of the input without the key: the same key with another input is a conflict
	Result    json.RawMessage
	CreatedAt time.Time
}

type idempotencyRow struct {
	bun.BaseModel `bun:"table:idempotency_keys,alias:ik"`

	Actor     string                    `bun:"actor,pk"`
	Key       string                    `bun:"key,pk"`
	Operation string                    `bun:"operation"`
	InputHash []byte                    `bun:"input_hash"`
	Result    jsonText[json.RawMessage] `bun:"result"`
	CreatedAt millis                    `bun:"created_at"`
}

// IdempotentResult returns what was answered to the key, or ErrNotFound.
func (tx *Tx) IdempotentResult(ctx context.Context, actor, key string) (IdempotentResult, error) {
	var r idempotencyRow
	err := tx.idb.NewSelect().Model(&r).Where("actor = ? AND key = ?", actor, key).Scan(ctx)
	return IdempotentResult{
		Actor: r.Actor, Key: r.Key, Operation: r.Operation, InputHash: r.InputHash, Result: r.Result.V, CreatedAt: r.CreatedAt.Time,
	}, tx.fail("idempotent result", err)
}

// SaveIdempotentResult keeps the answer to a key. A key that the actor has used is a DuplicateError of ConstraintIdempotencyKey.
func (tx *Tx) SaveIdempotentResult(ctx context.Context, r IdempotentResult) error {
	row := idempotencyRow{
		Actor: r.Actor, Key: r.Key, Operation: r.Operation, InputHash: r.InputHash, Result: jsonText[json.RawMessage]{r.Result}, CreatedAt: millis{r.CreatedAt},
	}
	_, err := tx.idb.NewInsert().Model(&row).Exec(ctx)
	return tx.failUnique(ctx, "save idempotent result", err, []holder{{ConstraintIdempotencyKey, "idempotency_keys", "actor = ? AND key = ?", []any{r.Actor, r.Key}}})
}

// PruneIdempotency forgets the keys that were used before that time and returns how many.
func (tx *Tx) PruneIdempotency(ctx context.Context, before time.Time) (int, error) {
	return tx.affected(ctx, "prune idempotency", tx.idb.NewDelete().Model((*idempotencyRow)(nil)).Where("created_at < ?", millis{before}))
}
