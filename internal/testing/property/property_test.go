// Package property holds the law's invariants against random sequences of everything that the service can do, by random
// people. Run more of it with
//
//	go test ./internal/testing/property -rapid.checks=1000 -steps=100
//
// A failure prints the seed that repeats it.
package property_test

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"

	"steward/internal/testing/property/parts"
)

var steps = flag.Int("steps", 40, "steps of each random sequence")

func TestMain(m *testing.M) {
	sequences := "100"
	if raceDetector { // which makes the database five times as slow, and has nothing to find: one goroutine works here
		sequences = "20"
	}
	if err := flag.Set("rapid.checks", sequences); err != nil {
		panic(err)
	}
	if err := flag.Set("rapid.nofailfile", "true"); err != nil { // the seed repeats a failure too, and leaves no file
		panic(err)
	}
	os.Exit(m.Run())
}

// TestInvariants runs random sequences, and holds every invariant after every step.
func TestInvariants(t *testing.T) {
	done := map[string]int{}
	p := parts.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		p.Reset(rt)
		m := newMachine(rt, p)
		for range *steps {
			m.take()
		}
		m.allAnswersAreLawful(readRows(p))
		for name, n := range m.done {
			done[name] += n
		}
	})
	t.Logf("operations that came through: %v", done)
	for name := range operations {
		if done[name] == 0 && !t.Failed() && !raceDetector {
			t.Errorf("no sequence has done %q", name)
		}
	}
}
