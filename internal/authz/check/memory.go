package check

import (
	"context"

	"github.com/maypok86/otter/v2"
)

// memory keeps answers in this process. It forgets what was used least once it holds too many bytes; nothing in it ever
// grows old, since the key of a wave changes with every change of rights.
type memory struct {
	next  layer
	kept  *otter.Cache[place, mask]
	count *counters
}

type mask struct{ known, allowed uint64 }

// overhead is about what an answer costs beside its id: key, masks, and the cache's own bookkeeping.
const overhead = 160

func newMemory(next layer, bytes uint64, count *counters) *memory {
	return &memory{next: next, count: count, kept: otter.Must(&otter.Options[place, mask]{
		MaximumWeight: bytes,
		Weigher:       func(p place, _ mask) uint32 { return uint32(overhead + len(p.id)) },
	})}
}

func (m *memory) fill(ctx context.Context, w *wave) error {
	var at []int
	var found int
	for i := range w.items {
		it := &w.items[i]
		if kept, ok := m.kept.GetIfPresent(it.place()); ok {
			found += ones(it.Bits & kept.known)
			it.learn(kept.known, kept.allowed)
		}
		if it.missing() != 0 {
			at = append(at, i)
		}
	}
	m.count.memory.Add(uint64(found))
	if len(at) == 0 {
		return nil
	}
	rest := w.pick(at)
	if err := m.next.fill(ctx, rest); err != nil {
		return err
	}
	for i := range rest.items {
		it := &rest.items[i]
		m.kept.Set(it.place(), mask{it.known, it.allowed})
	}
	w.merge(rest, at)
	return nil
}
