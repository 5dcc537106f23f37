package authz

import (
	"context"
	"errors"
	"slices"

	"github.com/99designs/gqlgen/graphql"
)

// maxRestarts is how often a load begins again because rights were changed between two of its waves.
const maxRestarts = 2

// fetch lets all loads go on wave by wave, one question for each wave of all of them, and settles them.
func (e *Engine) fetch(ctx context.Context, oc *graphql.OperationContext, req *request, loads []*load) ([]level, error) {
	for open := true; open; {
		var err error
		if open, err = e.wave(ctx, oc, req, loads); err != nil {
			return nil, err
		}
	}
	var next []level
	for _, ld := range loads {
		objs := ld.settle(e)
		if err := req.work(len(objs) * ld.kid.width); err != nil {
			return nil, err
		}
		e.noteViews(ctx, req, objs)
		if len(objs) > 0 {
			next = append(next, level{objs, ld.kid.sels})
		}
	}
	return next, nil
}

// wave lets each load that is not done take one step, and asks about what all of them have come up with. It reports whether
// there was anything. A load of several waves whose rights moved between two of them begins again.
func (e *Engine) wave(ctx context.Context, oc *graphql.OperationContext, req *request, loads []*load) (open bool, err error) {
	var asks asking
	var asked []*load
	for _, ld := range loads {
		if ld.done {
			continue
		}
		shown, counted, err := ld.batch.Next(ctx)
		if errors.Is(err, errTooManyObjects) {
			return false, err
		}
		if err != nil || len(shown)+len(counted) == 0 {
			ld.done, ld.err = true, err
			continue
		}
		asked = append(asked, ld)
		for _, o := range shown {
			n := o.guarded()
			asks.need(n, e.needs(oc, req, n.typ, ld.kid.sels)|ld.extra(e.policy, n))
		}
		for _, o := range counted {
			n := o.guarded()
			asks.need(n, e.viewBit(n.typ)|ld.extra(e.policy, n))
		}
	}
	at, err := e.ask(ctx, asks)
	if err != nil {
		return false, err
	}
	for _, ld := range asked {
		if ld.moved(at) && ld.restarts < maxRestarts {
			e.restart(ctx, oc, req, ld)
		}
	}
	return len(asked) > 0, nil
}

// load is one child field on its way, for all parents of its level.
type load struct {
	kid      *kid
	parents  []Object
	batch    Batch
	done     bool
	err      error
	at       []Vector // what the answers of each wave so far are true of
	restarts int
}

// moved keeps what a wave's answers are true of, and reports whether a right may have changed since an earlier wave.
func (ld *load) moved(at Vector) bool {
	if len(at.Scopes) == 0 { // nothing had to be asked
		return false
	}
	moved := slices.ContainsFunc(ld.at, at.MovedSince)
	ld.at = append(ld.at, at)
	return moved
}

// restart lets a load begin again with rows that nothing is known of yet.
func (e *Engine) restart(ctx context.Context, oc *graphql.OperationContext, req *request, ld *load) {
	req.unspend(ld.batch.Loaded())
	ld.batch = e.begin(ctx, oc, ld)
	ld.at, ld.restarts = nil, ld.restarts+1
}

func (e *Engine) begin(ctx context.Context, oc *graphql.OperationContext, ld *load) Batch {
	return ld.kid.loader(ctx, e, ld.parents, Field{oc, ld.kid.field, ld.kid.name})
}

// loads starts the loaders of a level's child fields, for the parents that exist for the caller and answer the guard.
func (e *Engine) loads(ctx context.Context, oc *graphql.OperationContext, req *request, l level) []*load {
	byKid := map[*kid]*load{}
	var out []*load
	for _, o := range l.objs {
		n := o.guarded()
		if !e.Visible(o) {
			continue
		}
		for _, sel := range l.sels {
			for _, k := range e.compile(oc, req, sel, n.typ).kids {
				if _, have := n.slot(k.field.Field); have || !n.can(k.guard) {
					continue
				}
				ld := byKid[k]
				if ld == nil {
					ld = &load{kid: k}
					byKid[k] = ld
					out = append(out, ld)
				}
				ld.parents = append(ld.parents, o)
			}
		}
	}
	for _, ld := range out {
		ld.batch = e.begin(ctx, oc, ld)
	}
	return out
}

// start begins the load of a child for one parent alone.
func (e *Engine) start(ctx context.Context, oc *graphql.OperationContext, k *kid, parent Object) *load {
	ld := &load{kid: k, parents: []Object{parent}}
	ld.batch = e.begin(ctx, oc, ld)
	return ld
}

// settle puts the results into the parents' slots and returns the objects that come next.
func (ld *load) settle(e *Engine) []Object {
	var objs []Object
	for i, p := range ld.parents {
		s := slot{err: ld.err}
		if ld.err == nil {
			var kept []Object
			s.value, kept, s.err = ld.batch.Result(i)
			for _, o := range kept {
				if e.Visible(o) {
					objs = append(objs, o)
				}
			}
		}
		p.guarded().setSlot(ld.kid.field.Field, s)
	}
	return objs
}

func (ld *load) extra(p *Policy, n *Node) uint64 {
	var b uint64
	for _, permission := range ld.batch.Requires() {
		b |= p.bits[n.ref.Type][permission]
	}
	return b
}
