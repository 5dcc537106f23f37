package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"steward/internal/authz"
	"steward/internal/store"
)

// metaCursorKey is where the key of the cursors is kept. It lies with the rows, so that all replicas read each other's
// cursors, and those of yesterday.
const metaCursorKey = "cursor_key"

// openCursors returns the codec of the cursors. The first process that asks makes the key.
func openCursors(ctx context.Context, db *store.DB) (*authz.Cursors, error) {
	text, err := cursorKey(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("the key of the cursors: %w", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(key) != authz.CursorKeySize {
		return nil, fmt.Errorf("the row %q of the table meta is no key: delete it, and a new one is made; cursors given out before are then refused", metaCursorKey)
	}
	return authz.NewCursors(key), nil
}

func cursorKey(ctx context.Context, db *store.DB) (text string, err error) {
	err = db.View(ctx, func(tx *store.Tx) (err error) {
		text, err = tx.Meta(ctx, metaCursorKey)
		return err
	})
	if !errors.Is(err, store.ErrNotFound) {
		return text, err
	}
	err = db.Update(ctx, func(tx *store.Tx) (err error) {
		text, err = tx.MetaOnce(ctx, metaCursorKey, base64.RawURLEncoding.EncodeToString(authz.NewCursorKey()))
		return err
	})
	return text, err
}
