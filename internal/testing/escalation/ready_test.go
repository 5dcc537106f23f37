package escalation

import (
	"io"
	"net/http"
	"testing"

	"steward/internal/testing/world"
)

// TestReady asks how the server is, which anybody may: it writes nothing anywhere.
func TestReady(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.On(world.Many))
	ask := func() {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("got %d, %v: %s", res.StatusCode, err, text)
		}
	}
	written := func() (n uint64) {
		t.Helper()
		w.Scan(t, "SELECT count(*) FROM spicedb.relation_tuple_transaction", &n)
		return n
	}
	ask()
	stats, transactions, rows := w.SpiceDB.Stats(), written(), w.Writes(t)
	const times = 20
	for range times {
		ask()
	}
	now := w.SpiceDB.Stats()
	if now.Questions-stats.Questions < times {
		t.Errorf("SpiceDB was asked %d times", now.Questions-stats.Questions)
	}
	// One is what a replica begins to watch SpiceDB by.
	if now.Fences-stats.Fences > 1 || now.Writes != stats.Writes || written()-transactions > 1 || w.Writes(t) != rows {
		t.Errorf("SpiceDB had %+v, now %+v, and %d transactions, now %d; rows were written: %v", stats, now, transactions, written(), w.Writes(t) != rows)
	}
}
