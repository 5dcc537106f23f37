//go:build !race

package spicedb_test

import (
	"runtime"
	"testing"

	"steward/internal/authz"
	"steward/internal/relation"
)

// Of the allocations of a check most are SpiceDB's way in and out, whatever the schema: 101 for one that its cache answers,
// 113 where the answer is read as messages. With a google/cel-go that is too new it would be over a thousand.
func TestClient_Check_allocations(t *testing.T) {
	const contacts, permissions, warm, cold = 100, 12, 106, 132
	c := start(t)
	rows := fill(t, c, 1, contacts)
	var qs []authz.Question
	for _, row := range rows[2:] {
		for _, p := range contactPage[:permissions] {
			qs = append(qs, ask(relation.TypeContact, string(row.ID), p))
		}
	}
	check := func() float64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if _, err := c.Check(t.Context(), user("a0-m"), qs); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return float64(after.Mallocs-before.Mallocs) / float64(len(qs))
	}
	check()
	if n := check(); n > warm {
		t.Errorf("%.1f allocations an item that SpiceDB's cache answers, at most %d", n, warm)
	}
	write(t, c, relation.Update{Relationship: "platform:steward#support@user:someone"}) // a new revision: nothing is cached
	if n := check(); n > cold {
		t.Errorf("%.1f allocations an item that nothing answers, at most %d", n, cold)
	}
}
