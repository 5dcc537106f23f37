package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/store/sqlite"
	"steward/internal/testing/servers"
)

func TestDB_OutboxAge(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (*store.DB, error){
		"sqlite": func(t *testing.T) (*store.DB, error) {
			return sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "steward.db"), sqlite.MigrateFirst())
		},
		"postgres": func(t *testing.T) (*store.DB, error) {
			url := servers.Postgres(t).URL
			if err := postgres.Migrate(t.Context(), url); err != nil {
				return nil, err
			}
			return postgres.Open(t.Context(), url)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := open(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			outboxAge(t, db)
		})
	}
}

func outboxAge(t *testing.T, db *store.DB) {
	first := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC)
	want := func(pending int, oldest time.Time) {
		t.Helper()
		n, at, err := db.OutboxAge(t.Context())
		if err != nil || n != pending || !at.Equal(oldest) {
			t.Errorf("%d pending since %s (%v), want %d since %s", n, at, err, pending, oldest)
		}
	}
	update := func(fn func(ctx context.Context, tx *store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx *store.Tx) error { return fn(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	want(0, time.Time{})
	var ids []domain.ChangeID
	update(func(ctx context.Context, tx *store.Tx) error {
		for i := range 3 {
			id := domain.NewID[domain.ChangeID]()
			ids = append(ids, id)
			entry := store.OutboxEntry{ID: id, Scopes: []string{"global"}, Operation: "test", Actor: "test", CreatedAt: first.Add(time.Duration(i) * time.Hour)}
			if err := tx.AppendOutbox(ctx, entry); err != nil {
				return err
			}
		}
		return nil
	})
	want(3, first)
	update(func(ctx context.Context, tx *store.Tx) error {
		return tx.MarkApplied(ctx, ids[:1], first.Add(24*time.Hour))
	})
	want(2, first.Add(time.Hour))
	update(func(ctx context.Context, tx *store.Tx) error {
		return tx.MarkApplied(ctx, ids, first.Add(24*time.Hour))
	})
	want(0, time.Time{})
}
