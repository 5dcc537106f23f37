package rediscache_test

import (
	"context"
	"testing"

	"steward/internal/authz/check"
	"steward/internal/authz/rediscache"
	"steward/internal/testing/servers"
)

func BenchmarkLoad(b *testing.B) {
	for name, entries := range map[string][]check.Entry{"one": objects(1, 1), "hundred": objects(1, 100)} {
		b.Run(name, func(b *testing.B) {
			c := open(b, rediscache.Options{URL: servers.Redis(b).URL, Timeout: patient})
			stored(b, c, entries)
			b.ReportAllocs()
			for b.Loop() {
				c.Load(context.Background(), entries)
			}
			if s := c.Stats(); s.Misses > 0 {
				b.Error(s)
			}
		})
	}
}
