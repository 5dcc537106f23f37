package check

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"steward/internal/authz"
)

// generations is the first layer: it reads the generations that a wave depends on, and makes the keys from them.
type generations struct {
	next    layer
	source  Generations
	schema  string
	timeout time.Duration
	count   *counters
	probe   probe
}

func (g *generations) check(ctx context.Context, sub authz.Subject, asks []authz.Ask) (authz.Answer, error) {
	ctx, begin := g.probe.begin(ctx, StepWave)
	g.count.waves.Add(1)
	asked := 0
	for _, a := range asks {
		asked += ones(a.Bits)
	}
	g.count.asked.Add(uint64(asked))
	out, layer, err := g.wave(ctx, sub, asks)
	if err != nil && !errors.Is(context.Cause(ctx), context.Canceled) { // a caller who has left is refused nothing
		g.count.errors.Add(1)
	}
	g.probe.end(ctx, StepWave, begin, Outcome{Asked: asked, Layer: layer, Err: err})
	return out, err
}

// wave reads the generations, makes the keys and hands the wave on. It also returns the last layer that was needed.
func (g *generations) wave(ctx context.Context, sub authz.Subject, asks []authz.Ask) (authz.Answer, Layer, error) {
	scopes := scopesOf(asks)
	at, err := g.read(ctx, scopes)
	if err != nil {
		return authz.Answer{}, 0, fmt.Errorf("read generations: %w", err)
	}
	w := &wave{sub: sub, at: at, items: make([]item, len(asks))}
	var last string
	key := g.key(at, "", sub)
	for i, a := range asks {
		if scope := a.Ref.Scope(); scope != last {
			key, last = g.key(at, scope, sub), scope
		}
		w.items[i] = item{Ask: a, key: key}
	}
	if err := g.next.fill(ctx, w); err != nil {
		return authz.Answer{}, 0, err
	}
	out := authz.Answer{Allowed: make([]uint64, len(asks)), At: at}
	for i := range w.items {
		if missing := w.items[i].missing(); missing != 0 {
			return authz.Answer{}, 0, fmt.Errorf("check: %d questions on %s were not answered", ones(missing), asks[i].Ref.Type)
		}
		out.Allowed[i] = w.items[i].allowed & asks[i].Bits
	}
	return out, w.layer, nil
}

func (g *generations) read(ctx context.Context, scopes []string) (authz.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	ctx, begin := g.probe.begin(ctx, StepGenerations)
	g.count.generationReads.Add(1)
	at, err := g.source.Read(ctx, scopes)
	g.probe.end(ctx, StepGenerations, begin, Outcome{Err: err})
	return at, err
}

// scopesOf returns the scopes that the answers depend on, sorted: the global one and each object's own.
func scopesOf(asks []authz.Ask) []string {
	scopes := []string{authz.GlobalScope}
	for _, a := range asks {
		if s := a.Ref.Scope(); s != "" && s != scopes[len(scopes)-1] {
			scopes = append(scopes, s)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// key names the answers of a subject about objects of a scope. Each part carries its length, so that no two lists of
// parts give the same bytes.
func (g *generations) key(at authz.Vector, scope string, sub authz.Subject) Key {
	b := make([]byte, 0, 512)
	for _, part := range [...]string{g.schema, at.Incarnation, at.Of(authz.GlobalScope), scope, at.Of(scope), sub.Type, sub.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return Key(sum[:16])
}

// Local keeps generations in memory, for the one process that has the data directory locked: nobody else changes rights.
type Local struct {
	mu   sync.RWMutex
	of   map[string]string
	last uint64
}

// NewLocal returns the generations of a process that has just begun.
func NewLocal() *Local { return &Local{of: map[string]string{}} }

// Read implements Generations.
func (l *Local) Read(_ context.Context, scopes []string) (authz.Vector, error) {
	v := authz.Vector{Scopes: scopes, Generations: make([]string, len(scopes))}
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i, s := range scopes {
		v.Generations[i] = l.of[s]
	}
	return v, nil
}

// Bump gives each scope a generation that it never had.
func (l *Local) Bump(scopes []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range scopes {
		l.last++
		l.of[s] = strconv.FormatUint(l.last, 36)
	}
}

// Source reads generations where all replicas find them: on the primary of the database, never from a copy.
type Source interface {
	Generations(ctx context.Context, scopes []string) (incarnation string, of map[string]string, err error)
}

// NewDatabase returns the generations that several processes share. Callers that come while a read is on its way share
// the next one.
func NewDatabase(source Source, timeout time.Duration) Generations {
	d := &database{turns[[]string, readout]{timeout: timeout}}
	d.turns.run = func(ctx context.Context, asked [][]string) (readout, error) {
		all := slices.Concat(asked...)
		slices.Sort(all)
		incarnation, of, err := source.Generations(ctx, slices.Compact(all))
		return readout{incarnation, of}, err
	}
	return d
}

type database struct{ turns turns[[]string, readout] }

type readout struct {
	incarnation string
	of          map[string]string
}

// Read implements Generations.
func (d *database) Read(ctx context.Context, scopes []string) (authz.Vector, error) {
	got, err := d.turns.do(ctx, scopes)
	if err != nil {
		return authz.Vector{}, err
	}
	v := authz.Vector{Incarnation: got.incarnation, Scopes: scopes, Generations: make([]string, len(scopes))}
	for i, s := range scopes {
		v.Generations[i] = got.of[s]
	}
	return v, nil
}
