package authz

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"

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
	// Result returns what the field of parent i answers, and the objects in it that may have children to load.
	Result(i int) (value any, kept []Object, err error)
}

// Field is the field of the query that a loader answers.
type Field struct {
	oc    *graphql.OperationContext
	field graphql.CollectedField
}

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

// Selects reports whether the field of that name is selected directly below.
func (f Field) Selects(name string) bool {
	for _, c := range graphql.CollectFields(f.oc, f.field.Selections, nil) {
		if c.Name == name {
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
	return wave, nil, spend(ctx, len(wave))
}

func (l *lists[T]) Requires() []string { return nil }

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

// Cursor is a place in an ordered list: the value that the list is ordered by, and the id that breaks ties. It names a
// row's place, not the row, so it holds when rights change or the row is gone.
type Cursor struct {
	Order string `json:"o"`
	Value string `json:"v"`
	ID    string `json:"i"`
}

// String returns the cursor as the API gives it out.
func (c Cursor) String() string {
	b, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads a cursor of a list in that order; it refuses one of another order, naming the argument.
func ParseCursor(arg, s, order string) (Cursor, error) {
	var c Cursor
	b, err := base64.RawURLEncoding.DecodeString(s)
	if len(s) > 1024 || err != nil || json.Unmarshal(b, &c) != nil || c.ID == "" {
		return c, domain.Invalid(arg, "This is not a cursor of this list: take one from pageInfo or an edge of it.")
	}
	if c.Order != order {
		return c, domain.Invalid(arg, "This cursor belongs to another order of the list: take one from a page in the order that you ask for.")
	}
	return c, nil
}
