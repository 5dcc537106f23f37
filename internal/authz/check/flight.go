package check

import (
	"context"
	"errors"
	"sync"
)

// flight joins questions that another wave of this process is asking already, under the same key. That is as true as
// finding the answer in memory a moment later: whoever asks under a key does so at a fence after its generations.
type flight struct {
	next  layer
	count *counters

	mu    sync.Mutex
	under map[place]*call
}

// call is a wave on its way; its items are read once done is closed.
type call struct {
	done chan struct{}
	at   map[place]int
	wave *wave
	err  error
	left bool // it failed because its caller has left
}

func newFlight(next layer, count *counters) *flight {
	return &flight{next: next, count: count, under: map[place]*call{}}
}

// joined is an item that waits for another wave's answer.
type joined struct {
	item int
	call *call
}

func (f *flight) fill(ctx context.Context, w *wave) error {
	own, at, others := f.divide(w)
	if own != nil {
		f.ask(ctx, own)
		if own.err != nil {
			return own.err
		}
		w.merge(own.wave, at)
	}
	return f.await(ctx, w, others)
}

// divide takes the items that nobody asks about yet as a call of their own, and finds the calls of the others.
func (f *flight) divide(w *wave) (own *call, at []int, others []joined) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range w.items {
		it := &w.items[i]
		if it.missing() == 0 {
			continue
		}
		if c := f.under[it.place()]; c != nil && it.missing()&^c.wave.items[c.at[it.place()]].Bits == 0 {
			others = append(others, joined{i, c})
			continue
		}
		at = append(at, i)
	}
	if len(at) == 0 {
		return nil, nil, others
	}
	own = &call{done: make(chan struct{}), at: make(map[place]int, len(at)), wave: w.pick(at)}
	for n := range own.wave.items {
		it := &own.wave.items[n]
		it.Bits = it.missing() // what is known already is not asked, and so not there to be joined
		own.at[it.place()] = n
		if f.under[it.place()] == nil {
			f.under[it.place()] = own
		}
	}
	return own, at, others
}

// ask carries out a call and lets those who joined it go on, also when it panics.
func (f *flight) ask(ctx context.Context, c *call) {
	answers := c.wave.pick(indices(len(c.wave.items))) // others read c.wave.items[i].Bits meanwhile
	err := errEnded
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if c.err = err; err == nil {
			c.wave = answers
		}
		c.left = err != nil && ctx.Err() != nil
		for p := range c.at {
			if f.under[p] == c {
				delete(f.under, p)
			}
		}
		close(c.done)
	}()
	err = f.next.fill(ctx, answers)
}

// await takes over what others asked. What they did not get this wave asks itself.
func (f *flight) await(ctx context.Context, w *wave, others []joined) error {
	var failed []int
	next := f.next
	for _, j := range others {
		select {
		case <-j.call.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if away(j.call.err) && !j.call.left {
			return j.call.err // to ask again would only make this wave's caller wait twice
		}
		it := &w.items[j.item]
		if j.call.err == nil {
			answer := &j.call.wave.items[j.call.at[it.place()]]
			f.count.joined.Add(uint64(ones(it.missing() & answer.known)))
			it.learn(answer.known, answer.allowed)
			w.layer = max(w.layer, LayerJoined)
		}
		if it.missing() != 0 {
			failed = append(failed, j.item)
		}
		if j.call.left {
			next = f // SpiceDB may be well, and all who joined ask again: one of them for all
		}
	}
	if len(failed) == 0 {
		return nil
	}
	again := w.pick(failed)
	if err := next.fill(ctx, again); err != nil {
		return err
	}
	w.merge(again, failed)
	return nil
}

// away reports whether an error says that nothing answers now.
func away(err error) bool {
	var a interface{ Unavailable() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &a) && a.Unavailable()
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
