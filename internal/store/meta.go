package store

import (
	"context"

	"github.com/uptrace/bun"
)

type metaRow struct {
	bun.BaseModel `bun:"table:meta,alias:me"`

	Key   string `bun:"key,pk"`
	Value string `bun:"value"`
}

// Meta returns a value that the installation keeps about itself, or ErrNotFound.
func (tx *Tx) Meta(ctx context.Context, key string) (string, error) {
	var row metaRow
	err := tx.idb.NewSelect().Model(&row).Where("key = ?", key).Scan(ctx)
	return row.Value, tx.fail("meta", err)
}

// SetMeta keeps a value that the installation keeps about itself, in place of an earlier one.
func (tx *Tx) SetMeta(ctx context.Context, key, value string) error {
	_, err := tx.idb.NewInsert().Model(&metaRow{Key: key, Value: value}).On("CONFLICT (key) DO UPDATE").Set("value = EXCLUDED.value").Exec(ctx)
	return tx.fail("set meta", err)
}

// MetaOnce keeps a value unless the key has one, and returns the one that the key has. Of several callers at once all get
// the same.
func (tx *Tx) MetaOnce(ctx context.Context, key, value string) (string, error) {
	if _, err := tx.idb.NewInsert().Model(&metaRow{Key: key, Value: value}).On("CONFLICT (key) DO NOTHING").Exec(ctx); err != nil {
		return "", tx.fail("meta once", err)
	}
	return tx.Meta(ctx, key)
}
