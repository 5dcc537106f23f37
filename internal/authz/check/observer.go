package check

import (
	"context"
	"time"
)

// Observer is told when a wave, or something that a wave waits for, begins and ends. It must not keep what it is given,
// nor take long: the wave waits for it too. Several waves call it at once.
type Observer interface {
	// Begin returns the context that the step goes on with; a span may stand in it.
	Begin(ctx context.Context, s Step) context.Context
	// End gets the context that Begin has returned.
	End(ctx context.Context, s Step, o Outcome)
}

// Step is a wave, or something that a wave waits for.
type Step uint8

// The steps of a wave: all of it, then what it is made of. One that is not needed does not begin.
const (
	StepWave Step = iota
	StepGenerations
	StepShared
	StepFence
	StepBackend
)

// Layer is a layer that answers.
type Layer uint8

// The layers in the order of what they cost. An answer of a wave is from the last of them that it needed.
const (
	LayerMemory Layer = iota
	LayerShared
	LayerJoined
	LayerBackend
)

// Outcome is how a step ended.
type Outcome struct {
	Took  time.Duration
	Asked int   // permissions; 0 where the step does not ask for any
	Layer Layer // of a wave: the last one that it needed
	Err   error
}

// probe tells the observer, if there is one, and costs nothing if there is none.
type probe struct{ observer Observer }

func (p probe) begin(ctx context.Context, s Step) (context.Context, time.Time) {
	if p.observer == nil {
		return ctx, time.Time{}
	}
	begin := time.Now()
	return p.observer.Begin(ctx, s), begin
}

func (p probe) end(ctx context.Context, s Step, begin time.Time, o Outcome) {
	if p.observer == nil {
		return
	}
	o.Took = time.Since(begin)
	p.observer.End(ctx, s, o)
}
