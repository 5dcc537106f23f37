package check

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	"steward/internal/authz"
)

// backend is the last layer: it asks SpiceDB what is still missing, all in one bulk question.
type backend struct {
	spicedb     Backend
	fences      *fences
	permissions map[string][]string
	timeout     time.Duration
	count       *counters
	probe       probe
}

func (b *backend) fill(ctx context.Context, w *wave) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	token, err := b.fence(ctx, w.at)
	if err != nil {
		return fmt.Errorf("take a fence: %w", err)
	}
	if err := b.ask(ctx, token, w); err != nil {
		b.fences.forget(token)
		return err
	}
	return nil
}

// fence returns a token for the wave. Where one is there already, that is no step.
func (b *backend) fence(ctx context.Context, at authz.Vector) (string, error) {
	if token, ok := b.fences.known(at); ok {
		return token, nil
	}
	ctx, begin := b.probe.begin(ctx, StepFence)
	token, err := b.fences.turns.do(ctx, at)
	b.probe.end(ctx, StepFence, begin, Outcome{Err: err})
	return token, err
}

// ask fills in every missing bit of the wave, at the token.
func (b *backend) ask(ctx context.Context, token string, w *wave) error {
	qs, err := b.questions(w)
	if err != nil {
		return err
	}
	b.count.backendCalls.Add(1)
	ctx, begin := b.probe.begin(ctx, StepBackend)
	got, err := b.spicedb.CheckAt(ctx, token, w.sub, qs)
	b.probe.end(ctx, StepBackend, begin, Outcome{Asked: len(qs), Err: err})
	if err != nil {
		return err
	}
	if len(got) != len(qs) {
		return fmt.Errorf("check: %d answers to %d questions", len(got), len(qs))
	}
	w.layer = LayerBackend
	n := 0
	for i := range w.items {
		it := &w.items[i]
		missing := it.missing()
		var allowed uint64
		for m := missing; m != 0; m &= m - 1 {
			if got[n] {
				allowed |= m & -m
			}
			n++
		}
		it.learn(missing, allowed)
	}
	b.count.backend.Add(uint64(n))
	return nil
}

// questions returns the missing bits by their permissions' names, in the order of the items and of their bits.
func (b *backend) questions(w *wave) ([]authz.Question, error) {
	n := 0
	for i := range w.items {
		n += ones(w.items[i].missing())
	}
	qs := make([]authz.Question, 0, n)
	for i := range w.items {
		it := &w.items[i]
		names := b.permissions[it.Ref.Type]
		for m := it.missing(); m != 0; m &= m - 1 {
			bit := bits.TrailingZeros64(m)
			if bit >= len(names) {
				return nil, fmt.Errorf("check: %s has no permission number %d", it.Ref.Type, bit)
			}
			qs = append(qs, authz.Question{Ref: it.Ref, Permission: names[bit]})
		}
	}
	return qs, nil
}

func ones(b uint64) int { return bits.OnesCount64(b) }
