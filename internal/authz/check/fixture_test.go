package check_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/domain"
	"steward/internal/relation"
)

var ada = authz.Subject{Type: relation.TypeUser, ID: "ada"}

// permissions names the bits of every definition.
var permissions = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for _, d := range relation.Definitions() {
		out[d.Type] = d.Permissions
	}
	return out
})

// contact asks for bits of a contact of an account.
func contact(account, id string, bits uint64) authz.Ask {
	return authz.Ask{Ref: authz.Ref{Type: relation.TypeContact, ID: id, Tenant: domain.AccountID(account)}, Bits: bits}
}

var errDown = errors.New("SpiceDB does not answer")

// scripted is a SpiceDB that does what a test says. By default it allows everything.
type scripted struct {
	fence func(ctx context.Context) (string, error)
	check func(ctx context.Context, token string, sub authz.Subject, qs []authz.Question) ([]bool, error)

	fences atomic.Int64
	mu     sync.Mutex
	tokens []string
	asked  [][]authz.Question
}

func (s *scripted) Fence(ctx context.Context) (string, error) {
	n := s.fences.Add(1)
	if s.fence != nil {
		return s.fence(ctx)
	}
	return fmt.Sprint("fence ", n), nil
}

func (s *scripted) CheckAt(ctx context.Context, token string, sub authz.Subject, qs []authz.Question) ([]bool, error) {
	s.mu.Lock()
	s.tokens, s.asked = append(s.tokens, token), append(s.asked, slices.Clone(qs))
	s.mu.Unlock()
	if s.check != nil {
		return s.check(ctx, token, sub, qs)
	}
	return slices.Repeat([]bool{true}, len(qs)), nil
}

// calls returns how many bulk questions were asked so far, and what the last of them asked.
func (s *scripted) calls() (n int, last []authz.Question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = len(s.asked); n > 0 {
		last = s.asked[n-1]
	}
	return n, last
}

// kept is a Shared in the test's memory.
type kept struct {
	mu sync.Mutex
	of map[check.Entry]check.Entry // by key, type and id
}

func newKept() *kept { return &kept{of: map[check.Entry]check.Entry{}} }

func (k *kept) Load(_ context.Context, entries []check.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, e := range entries {
		have := k.of[check.Entry{Key: e.Key, Type: e.Type, ID: e.ID}]
		entries[i].Known, entries[i].Allowed = have.Known, have.Allowed
	}
}

func (k *kept) Store(entries []check.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range entries {
		at := check.Entry{Key: e.Key, Type: e.Type, ID: e.ID}
		have := k.of[at]
		e.Known, e.Allowed = e.Known|have.Known, e.Allowed|have.Allowed
		k.of[at] = e
	}
}

func (k *kept) all() []check.Entry {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.of))
}

// options are those of a path with memory over a backend, in one process.
func options(b check.Backend) (check.Options, *check.Local) {
	local := check.NewLocal()
	return check.Options{
		Backend: b, Generations: local, Permissions: permissions(), Schema: "schema", MemoryBytes: 1 << 20, Timeout: 10 * time.Second,
	}, local
}

// answer fails the test unless the path answers.
func answer(t testing.TB, p *check.Path, sub authz.Subject, asks ...authz.Ask) []uint64 {
	t.Helper()
	got, err := p.Check(t.Context(), sub, asks)
	if err != nil {
		t.Fatal(err)
	}
	return got.Allowed
}

// vectors are generations that a test sets.
type vectors struct {
	mu          sync.Mutex
	incarnation string
	of          map[string]string
}

func (v *vectors) set(incarnation string, pairs ...string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.incarnation, v.of = incarnation, map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		v.of[pairs[i]] = pairs[i+1]
	}
}

func (v *vectors) Generations(context.Context, []string) (string, map[string]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.incarnation, maps.Clone(v.of), nil
}
