package postgres

import (
	"testing"

	"steward/internal/store"
	"steward/internal/store/storetest"
	"steward/internal/testing/servers"
)

func TestStore(t *testing.T) {
	empty := servers.Postgres(t)
	if err := Migrate(t.Context(), empty.URL); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t testing.TB) func() *store.DB {
		url := servers.PostgresFrom(t, empty.Name).URL
		return func() *store.DB { return open(t, url) }
	})
}

// open returns the database at url, which it brings up to date.
func open(t testing.TB, url string) *store.DB {
	t.Helper()
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
