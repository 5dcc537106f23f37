package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// way is one way of answering the page. prepare is not measured.
type way struct {
	name    string
	prepare func(ctx context.Context) error
	do      func(ctx context.Context) error
}

// series are the durations of one way.
type series struct {
	name  string
	times []time.Duration
}

func (s series) median() time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	slices.Sort(s.times)
	return s.times[len(s.times)/2]
}

// measure lets all ways take turns until the time is over, after two rounds that do not count.
func measure(ctx context.Context, budget time.Duration, ways []way) (map[string]series, error) {
	out := map[string]series{}
	var end time.Time
	order := rand.New(rand.NewPCG(1, 2))
	for round := 0; round < 3 || time.Now().Before(end); round++ {
		if round == 2 {
			end = time.Now().Add(budget)
		}
		for _, i := range order.Perm(len(ways)) { // nobody always comes after the same one, which leaves its garbage behind
			w := ways[i]
			if w.prepare != nil {
				if err := w.prepare(ctx); err != nil {
					return nil, fmt.Errorf("%s: %w", w.name, err)
				}
			}
			begin := time.Now()
			err := w.do(ctx)
			took := time.Since(begin)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if round >= 2 {
				s := out[w.name]
				s.name, s.times = w.name, append(s.times, took)
				out[w.name] = s
			}
		}
	}
	return out, nil
}
