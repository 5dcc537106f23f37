package world

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"steward/internal/app"
	"steward/internal/config"
)

// Replica is one of the servers of a World.
type Replica struct {
	App  *app.App
	URL  string // "http://127.0.0.1:PORT"
	http *http.Client
}

// Replica returns the replica of a number, from 0 on, for tests that choose: on Many there are 0 and 1.
func (w *World) Replica(i int) *Replica { return w.replicas[i] }

// Replicas returns all of them.
func (w *World) Replicas() []*Replica { return w.replicas }

// any returns one of the replicas, by chance.
func (w *World) any() *Replica {
	if w.chance == nil {
		return w.replicas[0]
	}
	return w.replicas[w.chance.n(len(w.replicas))]
}

// startReplica serves until the test ends; then the server ends as it does on Ctrl-C.
func (w *World) startReplica(t testing.TB, cfg config.Config, o app.Options) *Replica {
	t.Helper()
	a, err := app.New(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("the server closed with: %v", err)
		}
	})
	return &Replica{App: a, URL: "http://" + a.Addr().String(), http: w.http}
}

var seedFlag = flag.Uint64("seed", 0, "repeat the chance of a failed test, which has printed this number")

// Seed returns the seed of a test's chance, and has the test print it when it fails.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := *seedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -seed=%d", seed)
	return seed
}

// chance may be asked by several tests at once; then only what each is answered in all is repeated, and not in which order.
type chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newChance(t testing.TB) *chance {
	t.Helper()
	return &chance{r: rand.New(rand.NewPCG(Seed(t), 0))}
}

func (c *chance) n(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.IntN(n)
}
