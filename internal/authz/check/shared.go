package check

import "context"

// shared looks into what all replicas keep, and adds to it what was answered below.
type shared struct {
	next  layer
	store Shared
	count *counters
	probe probe
}

func (s *shared) fill(ctx context.Context, w *wave) error {
	entries := make([]Entry, len(w.items))
	for i := range w.items {
		entries[i] = Entry{Key: w.items[i].key, Type: w.items[i].Ref.Type, ID: w.items[i].Ref.ID}
	}
	within, begin := s.probe.begin(ctx, StepShared)
	s.store.Load(within, entries)
	s.probe.end(within, StepShared, begin, Outcome{})
	w.layer = max(w.layer, LayerShared)
	var found int
	for i := range w.items {
		it := &w.items[i]
		found += ones(it.missing() & entries[i].Known)
		it.learn(entries[i].Known, entries[i].Allowed)
	}
	s.count.shared.Add(uint64(found))
	rest, at := w.rest()
	if len(at) == 0 {
		return nil
	}
	if err := s.next.fill(ctx, rest); err != nil {
		return err
	}
	w.merge(rest, at)
	answered := make([]Entry, len(rest.items))
	for i := range rest.items {
		answered[i] = rest.items[i].entry()
	}
	s.store.Store(answered)
	return nil
}
