package observe

import (
	"context"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/relation"
)

// Live observes the checks that ask SpiceDB past everything that is kept: those of changes.
func (w *Observer) Live(next authz.Live) authz.Live { return live{next, w} }

type live struct {
	next     authz.Live
	observer *Observer
}

func (l live) Check(ctx context.Context, sub authz.Subject, qs []authz.Question) (allowed []bool, err error) {
	err = l.observer.during(ctx, callLive, len(qs), func(ctx context.Context) (err error) {
		allowed, err = l.next.Check(ctx, sub, qs)
		return err
	})
	return allowed, err
}

// Finder observes the lookups of sparse lists.
func (w *Observer) Finder(next authz.Finder) authz.Finder { return finder{next, w} }

type finder struct {
	next     authz.Finder
	observer *Observer
}

func (f finder) Find(ctx context.Context, sub authz.Subject, typ, permission string, limit int) (ids []string, complete bool, err error) {
	err = f.observer.during(ctx, callLookup, 0, func(ctx context.Context) (err error) {
		ids, complete, err = f.next.Find(ctx, sub, typ, permission, limit)
		return err
	})
	return ids, complete, err
}

// Writer observes the writes of relationships.
func (w *Observer) Writer(next change.Writer) change.Writer { return writer{next, w} }

type writer struct {
	change.Writer
	observer *Observer
}

func (w writer) Write(ctx context.Context, by string, updates []relation.Update) error {
	return w.observer.during(ctx, callWrite, 0, func(ctx context.Context) error { return w.Writer.Write(ctx, by, updates) })
}
