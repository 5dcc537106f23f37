package check

import (
	"context"
	"sync"
	"time"

	"steward/internal/authz"
)

// fences hands out points in time at which the backend has everything that the generations of a vector stand for. One
// serves all waves until a generation moves: it was taken after those generations were read.
type fences struct {
	turns turns[authz.Vector, string]

	mu          sync.Mutex
	token       string
	incarnation string
	covers      map[string]string // scope -> the generation that was read before the token was taken
}

// maxCovered bounds the scopes that are remembered; beyond it a fence is taken anew.
const maxCovered = 100_000

// newFences returns fences of a backend. The timeout bounds one fence, whoever waits for it.
func newFences(b Backend, timeout time.Duration, count *counters) *fences {
	f := &fences{covers: map[string]string{}}
	f.turns.timeout = timeout
	f.turns.run = func(ctx context.Context, asked []authz.Vector) (string, error) {
		count.fences.Add(1)
		token, err := b.Fence(ctx)
		if err == nil {
			f.remember(token, asked)
		}
		return token, err
	}
	return f
}

// known returns the token that is there, if it covers the vector.
func (f *fences) known(at authz.Vector) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token == "" || f.incarnation != at.Incarnation {
		return "", false
	}
	for i, scope := range at.Scopes {
		if have, ok := f.covers[scope]; !ok || have != at.Generations[i] {
			return "", false
		}
	}
	return f.token, true
}

// remember keeps a token in place of the one before. Fences are taken one after the other, so the newer one covers all
// that the older one did.
func (f *fences) remember(token string, asked []authz.Vector) {
	f.mu.Lock()
	defer f.mu.Unlock()
	incarnation := asked[len(asked)-1].Incarnation
	if incarnation != f.incarnation || len(f.covers) > maxCovered {
		clear(f.covers)
	}
	f.token, f.incarnation = token, incarnation
	for _, at := range asked {
		if at.Incarnation != incarnation {
			continue
		}
		for i, scope := range at.Scopes {
			f.covers[scope] = at.Generations[i]
		}
	}
}

// forget drops a token that the backend did not take.
func (f *fences) forget(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token == token {
		f.token = ""
	}
}
