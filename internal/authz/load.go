package authz

import (
	"context"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/domain"
)

// Loader begins to load one field for all the objects of a level at once.
type Loader func(ctx context.Context, e *Engine, parents []Object, f Field) Batch

// Batch is a load on its way. The engine calls Next until it returns no more candidates, asks SpiceDB about each wave of
// them, and then takes each parent's Result.
type Batch interface {
	// Next returns the next wave of candidates: those that the field may answer, and those that are counted only, of which
	// nothing is asked but whether they exist. When it is called again, the answers about the wave before are known.
	Next(ctx context.Context) (shown, counted []Object, err error)
	// Requires names permissions that a candidate needs beyond its type's own, because a filter asks for them.
	Requires() []string
	// Loaded is how many objects the load has read so far. They count towards what an operation may load.
	Loaded() int
	// Result returns what the field of parent i answers, and the objects in it that may have children to load.
	Result(i int) (value any, kept []Object, err error)
}

// Field is the field of the query that a loader answers.
type Field struct {
	oc    *graphql.OperationContext
	field graphql.CollectedField
	name  string
}

// Name returns "Type.field", the key of the field's loader.
func (f Field) Name() string { return f.name }

// Args decodes the field's arguments into the struct that into points to, by its json tags.
func (f Field) Args(into any) error {
	raw, err := json.Marshal(f.RawArgs())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return domain.Invalid(f.field.Name, "These arguments cannot be read: check their types.")
	}
	return nil
}

// RawArgs returns the field's arguments with the variables filled in.
func (f Field) RawArgs() map[string]any { return f.field.ArgumentMap(f.oc.Variables) }

// Selects reports whether the query selects the field at the end of the path, which begins directly below.
func (f Field) Selects(path ...string) bool { return selects(f.oc, f.field.Selections, path) }

func selects(oc *graphql.OperationContext, sel ast.SelectionSet, path []string) bool {
	for _, c := range graphql.CollectFields(oc, sel, nil) {
		if c.Name == path[0] && (len(path) == 1 || selects(oc, c.Selections, path[1:])) {
			return true
		}
	}
	return false
}

// Ones returns a loader for a field that answers one object, or none, for each parent. fetch returns them in the order of
// the parents.
func Ones[T Object](fetch func(ctx context.Context, parents []Object) ([]T, error), missing func(T) bool) Loader {
	return Lists(func(ctx context.Context, parents []Object) ([][]T, error) {
		got, err := fetch(ctx, parents)
		out := make([][]T, len(got))
		for i, v := range got {
			if !missing(v) {
				out[i] = []T{v}
			}
		}
		return out, err
	}, func(vs []T) any {
		if len(vs) == 0 {
			return nil
		}
		return vs[0]
	})
}

// Lists returns a loader for a field that answers a short list for each parent, without what the caller may not see.
func Lists[T Object](fetch func(ctx context.Context, parents []Object) ([][]T, error), answer func([]T) any) Loader {
	return func(_ context.Context, e *Engine, parents []Object, _ Field) Batch {
		return &lists[T]{engine: e, fetch: fetch, answer: answer, parents: parents}
	}
}

type lists[T Object] struct {
	engine  *Engine
	fetch   func(ctx context.Context, parents []Object) ([][]T, error)
	answer  func([]T) any
	parents []Object
	rows    [][]T
	fetched bool
	loaded  int
}

func (l *lists[T]) Next(ctx context.Context) (wave, _ []Object, err error) {
	if l.fetched {
		return nil, nil, nil
	}
	l.fetched = true
	if l.rows, err = l.fetch(ctx, l.parents); err != nil {
		return nil, nil, err
	}
	for _, rows := range l.rows {
		for _, r := range rows {
			wave = append(wave, r)
		}
	}
	l.loaded = len(wave)
	return wave, nil, spend(ctx, l.loaded)
}

func (l *lists[T]) Requires() []string { return nil }

func (l *lists[T]) Loaded() int { return l.loaded }

func (l *lists[T]) Result(i int) (any, []Object, error) {
	var kept []T
	var objs []Object
	for _, r := range l.rows[i] {
		if l.engine.Visible(r) {
			kept, objs = append(kept, r), append(objs, r)
		}
	}
	return l.answer(kept), objs, nil
}
