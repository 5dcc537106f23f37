package postgres

import (
	"testing"

	"steward/internal/store"
	"steward/internal/testing/servers"
)

// BenchmarkGenerations is what each wave of checks waits for. "parallel" is many requests at once.
func BenchmarkGenerations(b *testing.B) {
	db := open(b, servers.Postgres(b).URL)
	scopes := []string{"account:1", "account:2", "global"}
	err := db.Update(b.Context(), func(tx *store.Tx) error { return tx.BumpGenerations(b.Context(), scopes) })
	if err != nil {
		b.Fatal(err)
	}
	read := func() {
		if _, of, err := db.Generations(b.Context(), scopes); err != nil || len(of) != len(scopes) {
			b.Fatal(of, err)
		}
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				read()
			}
		})
	})
}
