package app

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"steward/internal/authz"
	"steward/internal/store"
	"steward/internal/store/sqlite"
)

// Replicas that start at once on a new database read each other's cursors, and so does one that starts later.
func TestOpenCursors(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "steward.db")
	db, err := sqlite.Open(ctx, path, sqlite.MigrateFirst())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	place := authz.Cursor{Order: "NAME ASC", Value: "acme", ID: "x"}
	codecs := make([]*authz.Cursors, 4)
	var wg sync.WaitGroup
	for i := range codecs {
		wg.Go(func() {
			c, err := openCursors(ctx, db)
			if err != nil {
				t.Error(err)
			}
			codecs[i] = c
		})
	}
	wg.Wait()
	later, err := openCursors(ctx, db)
	if err != nil || t.Failed() {
		t.Fatal(err)
	}
	for _, c := range codecs {
		if got, err := later.Open("after", c.Seal("Viewer.accounts", place), "Viewer.accounts", place.Order); err != nil || got != place {
			t.Errorf("got %+v (%v), want %+v", got, err, place)
		}
	}
	for _, bad := range []string{"", "c2hvcnQ", "#"} {
		if err := db.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, metaCursorKey, bad) }); err != nil {
			t.Fatal(err)
		}
		if _, err := openCursors(ctx, db); err == nil || !strings.Contains(err.Error(), `"cursor_key" of the table meta`) {
			t.Errorf("a key %q: %v", bad, err)
		}
	}
}
