package imports

import (
	"testing"
	"time"

	"steward/internal/testing/world"
)

// The product imports 10,000 contacts in under a minute on two cores, by the program and by the mutation.
const (
	manyAccounts = 100
	manyContacts = 100 // of each
	allowed      = time.Minute
)

func TestSpeed(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes it many times slower: run it without")
	}
	t.Run("by the program", func(t *testing.T) {
		data := install(t) // builds the program first
		within(t, func() { importByProgram(t, data) })
	})
	t.Run("by the mutation", func(t *testing.T) {
		w := world.New(t)
		within(t, func() { importByMutation(t, w) })
	})
}

func within(t *testing.T, do func()) {
	t.Helper()
	begin := time.Now()
	do()
	took := time.Since(begin)
	t.Logf("%d contacts in %s", manyAccounts*manyContacts, took.Round(time.Millisecond))
	if took > allowed {
		t.Errorf("it took longer than %s", allowed)
	}
}

func importByProgram(t testing.TB, data string) {
	out := must(t, data, write(t, generate("Big", 1, manyAccounts, manyContacts))...)
	if want := "100 accounts and 10000 contacts imported; 0 accounts and 0 contacts were there already\n"; out != want {
		t.Errorf("the program says %q, want %q", out, want)
	}
}

func importByMutation(t testing.TB, w *world.World) {
	got := imported(t, w, w.As(t, world.Accounting), generate("Big", 1, manyAccounts, manyContacts))
	if want := (summary{AccountsCreated: manyAccounts, ContactsCreated: manyAccounts * manyContacts}); got.State != "DONE" || got.Summary != want {
		t.Errorf("the job ended as %+v, want %+v", got, want)
	}
}

// BenchmarkImport10000 imports 10,000 contacts into an empty installation. The program's time includes its start.
func BenchmarkImport10000(b *testing.B) {
	b.Run("program", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			data := install(b)
			b.StartTimer()
			importByProgram(b, data)
		}
	})
	b.Run("mutation", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w := world.New(b)
			b.StartTimer()
			importByMutation(b, w)
		}
	})
}
