// Package check answers permission checks quickly and never from before a revoke that has returned.
//
// One wave, which is all that one level of a query asks of one subject, goes down through layers with one job each; every
// layer fills in what it knows and hands on what is missing:
//
//	generations   reads the generation of every scope that the wave depends on; with them the keys are made
//	memory        answers that this process keeps, bounded in bytes
//	shared        answers that all replicas keep, in Redis; may be absent
//	flight        joins a question that another wave of this process is asking already
//	backend       asks SpiceDB, at a point in time after the generations were read (the fence)
//
// Why that is never stale: a change of rights is written to SpiceDB, then its scopes get new generations, then it is
// answered. A wave that starts after the answer reads the new generations, so it looks under keys that nobody has filled
// from before the change: whoever fills a key has read its generations first and asks SpiceDB at a fence taken after
// that. What comes late lands under a key that nobody reads any more.
//
// A key holds the hash of the schema, the generations and the subject; below it stands a bit per permission and object.
// Errors are never kept and never allow anything.
package check

import (
	"context"
	"sync/atomic"
	"time"

	"steward/internal/authz"
)

// Key names the answers of one subject under one vector of generations.
type Key [16]byte

// Entry is what is known of one object under a key. Allowed is a subset of Known.
type Entry struct {
	Key            Key
	Type, ID       string
	Known, Allowed uint64
}

// Shared keeps answers outside of this process, for all replicas. It never fails: what cannot be read is missing, what
// cannot be written is lost.
type Shared interface {
	// Load sets Known and Allowed of each entry that is kept, in one round trip.
	Load(ctx context.Context, entries []Entry)
	// Store keeps entries. It returns at once and works in the background.
	Store(entries []Entry)
}

// Backend is SpiceDB.
type Backend interface {
	// Fence returns a token; CheckAt with it sees everything that had been written before Fence was called.
	Fence(ctx context.Context) (token string, err error)
	// CheckAt answers questions of one subject at the fence or later: all of them, or none.
	CheckAt(ctx context.Context, token string, sub authz.Subject, qs []authz.Question) ([]bool, error)
}

// Generations reads the generations of scopes. What it returns was current at a moment after the call began.
type Generations interface {
	Read(ctx context.Context, scopes []string) (authz.Vector, error)
}

// Options are the parts of a Path. All but Shared and Observer are required.
type Options struct {
	Backend     Backend
	Generations Generations
	Shared      Shared // nil: none
	// Permissions names, for each definition, what the bits of an ask stand for.
	Permissions map[string][]string
	// Schema stands for the schema that the backend answers by, and for Permissions: answers under another one are not found.
	Schema string
	// MemoryBytes bounds what this process keeps; 0 keeps nothing.
	MemoryBytes uint64
	// Timeout bounds each call of the backend and each read of generations.
	Timeout  time.Duration
	Observer Observer // nil: nobody watches
}

// Path is the read path, from the first layer to the last. It is an authz.Checker.
type Path struct {
	first *generations
	count *counters
}

var _ authz.Checker = (*Path)(nil)

// layer fills in what is missing in a wave, or fails. An error answers nothing.
type layer interface {
	fill(ctx context.Context, w *wave) error
}

// New puts the layers together.
func New(o Options) *Path {
	count, probe := &counters{}, probe{o.Observer}
	last := &backend{spicedb: o.Backend, fences: newFences(o.Backend, o.Timeout, count), permissions: o.Permissions, timeout: o.Timeout, count: count, probe: probe}
	var next layer = newFlight(last, count)
	if o.Shared != nil {
		next = &shared{next: next, store: o.Shared, count: count, probe: probe}
	}
	if o.MemoryBytes > 0 {
		next = newMemory(next, o.MemoryBytes, count)
	}
	return &Path{
		first: &generations{next: next, source: o.Generations, schema: o.Schema, timeout: o.Timeout, count: count, probe: probe},
		count: count,
	}
}

// Check answers a wave through all layers.
func (p *Path) Check(ctx context.Context, sub authz.Subject, asks []authz.Ask) (authz.Answer, error) {
	return p.first.check(ctx, sub, asks)
}

// wave is all that one level of a query asks of one subject, on its way down.
type wave struct {
	sub   authz.Subject
	at    authz.Vector
	layer Layer // the last one that was needed so far
	items []item
}

// item is one object of a wave, with what is known of it so far.
type item struct {
	authz.Ask
	key            Key
	known, allowed uint64
}

func (i *item) missing() uint64 { return i.Bits &^ i.known }

// learn adds answers to what is known.
func (i *item) learn(known, allowed uint64) {
	i.known |= known
	i.allowed |= allowed & known
}

func (i *item) entry() Entry {
	return Entry{Key: i.key, Type: i.Ref.Type, ID: i.Ref.ID, Known: i.known, Allowed: i.allowed}
}

// place is where the answers about an item are kept.
type place struct {
	key     Key
	typ, id string
}

func (i *item) place() place { return place{i.key, i.Ref.Type, i.Ref.ID} }

// rest returns the items of the wave that still miss an answer, as a wave of its own, and where each stands in w.
func (w *wave) rest() (*wave, []int) {
	var at []int
	for i := range w.items {
		if w.items[i].missing() != 0 {
			at = append(at, i)
		}
	}
	return w.pick(at), at
}

func (w *wave) pick(at []int) *wave {
	out := &wave{sub: w.sub, at: w.at, layer: w.layer, items: make([]item, len(at))}
	for n, i := range at {
		out.items[n] = w.items[i]
	}
	return out
}

// merge takes over what was learnt of the items that were picked.
func (w *wave) merge(from *wave, at []int) {
	w.layer = max(w.layer, from.layer)
	for n, i := range at {
		w.items[i].learn(from.items[n].known, from.items[n].allowed)
	}
}

// Stats counts permissions: how many were asked, and which layer answered them. The last four count calls.
type Stats struct {
	Waves, Asked, Memory, Shared, Joined, Backend uint64

	GenerationReads, Fences, BackendCalls, Errors uint64
}

type counters struct {
	waves, asked, memory, shared, joined, backend atomic.Uint64

	generationReads, fences, backendCalls, errors atomic.Uint64
}

// Stats returns the counters.
func (p *Path) Stats() Stats {
	c := p.count
	return Stats{
		Waves: c.waves.Load(), Asked: c.asked.Load(), Memory: c.memory.Load(), Shared: c.shared.Load(), Joined: c.joined.Load(),
		Backend: c.backend.Load(), GenerationReads: c.generationReads.Load(), Fences: c.fences.Load(),
		BackendCalls: c.backendCalls.Load(), Errors: c.errors.Load(),
	}
}
