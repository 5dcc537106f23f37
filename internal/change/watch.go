package change

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

// Event is something that happened in SpiceDB, whoever did it.
type Event struct {
	Cursor  string // where to go on after it
	By      string // the outbox entry that it carries out, "" when it is not ours
	Schema  bool   // the schema was written
	Changed int    // how many relationships
}

// The reasons why a feed ends for good or begins anew.
var (
	ErrFeedDisabled = errors.New("the feed of changes is disabled")
	ErrCursorGone   = errors.New("the feed of changes does not reach back to this cursor")
)

// Feed tells what happens in SpiceDB after a cursor.
type Feed interface {
	Fence(ctx context.Context) (cursor string, err error)
	Watch(ctx context.Context, cursor string, fn func(Event) error) error
}

// Watcher sees to changes that were made elsewhere, by a command-line client perhaps: kept answers end with them. Of all
// replicas one leads and watches. It is a repair and proves nothing: SpiceDB tells of a change about a second later.
//
// That two lead for a moment, or that an event is seen twice, does no harm: a generation too many costs time alone.
type Watcher struct {
	engine *Engine
	feed   Feed
	id     string
	leads  atomic.Bool
	heard  atomic.Int64 // unix milliseconds of the last event, 0 before the first
}

// NewWatcher returns a watcher over an engine and the feed of its SpiceDB.
func NewWatcher(e *Engine, feed Feed) *Watcher {
	return &Watcher{engine: e, feed: feed, id: string(domain.NewID[domain.ChangeID]())}
}

const (
	metaLeader = "watch_leader"
	metaCursor = "watch_cursor"
	leaseTime  = 15 * time.Second
	renewEvery = 5 * time.Second
)

// Leads reports whether this process watches.
func (w *Watcher) Leads() bool { return w.leads.Load() }

// LastEvent returns when something was last heard from the feed; the zero time when nothing was.
func (w *Watcher) LastEvent() time.Time {
	if ms := w.heard.Load(); ms > 0 {
		return time.UnixMilli(ms)
	}
	return time.Time{}
}

// Run watches whenever nobody else does, until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		leads, err := w.lead(ctx)
		if leads {
			err = w.follow(ctx)
		}
		if errors.Is(err, ErrFeedDisabled) {
			w.engine.Log.WarnContext(ctx, "changes that others make in SpiceDB are not seen: switch on track_commit_timestamp in its PostgreSQL", "error", err)
			return
		}
		if err != nil && ctx.Err() == nil {
			w.engine.Log.WarnContext(ctx, "the watch of SpiceDB ended; it begins again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lead takes or renews the lease, unless another process holds it.
func (w *Watcher) lead(ctx context.Context) (leads bool, err error) {
	now := w.engine.Now()
	err = w.engine.DB.Update(ctx, func(tx *store.Tx) error {
		if err := tx.LockScopes(ctx, []string{metaLeader}); err != nil {
			return err
		}
		have, err := tx.Meta(ctx, metaLeader)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		holder, until, _ := strings.Cut(have, " ")
		if ends, err := time.Parse(time.RFC3339Nano, until); err == nil && holder != w.id && now.Before(ends) {
			return nil
		}
		leads = true
		return tx.SetMeta(ctx, metaLeader, w.id+" "+now.Add(leaseTime).UTC().Format(time.RFC3339Nano))
	})
	leads = leads && err == nil
	w.leads.Store(leads)
	return leads, err
}

// follow watches for as long as the lease is renewed.
func (w *Watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer w.leads.Store(false)
	go func() {
		tick := time.NewTicker(renewEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if leads, err := w.lead(ctx); !leads {
				cancel(fmt.Errorf("the lease is lost: %w", errors.Join(err, context.Canceled)))
				return
			}
		}
	}()
	cursor, err := w.cursor(ctx)
	if err != nil {
		return err
	}
	var saved time.Time
	err = w.feed.Watch(ctx, cursor, func(e Event) error {
		w.heard.Store(w.engine.Now().UnixMilli())
		foreign, err := w.foreign(ctx, e)
		if err != nil {
			return err
		}
		if foreign {
			w.engine.Log.InfoContext(ctx, "SpiceDB was changed elsewhere: kept answers end", "relationships", e.Changed, "schema", e.Schema)
			if err := w.engine.BumpGlobal(ctx); err != nil {
				return err
			}
		}
		if now := w.engine.Now(); foreign || now.Sub(saved) > renewEvery {
			saved = now
			return w.save(ctx, e.Cursor)
		}
		return nil // seen again after a restart, and skipped again
	})
	if errors.Is(err, ErrCursorGone) {
		return errors.Join(w.save(ctx, ""), err)
	}
	return err
}

// cursor returns where the last leader ended. Where that is not known, everything kept ends, and the watch begins now.
func (w *Watcher) cursor(ctx context.Context) (string, error) {
	var cursor string
	err := w.engine.DB.View(ctx, func(tx *store.Tx) (err error) {
		cursor, err = tx.Meta(ctx, metaCursor)
		return err
	})
	if err == nil && cursor != "" || err != nil && !errors.Is(err, store.ErrNotFound) {
		return cursor, err
	}
	if cursor, err = w.feed.Fence(ctx); err != nil {
		return "", err
	}
	if err := w.engine.BumpGlobal(ctx); err != nil {
		return "", err
	}
	return cursor, w.save(ctx, cursor)
}

func (w *Watcher) save(ctx context.Context, cursor string) error {
	return w.engine.DB.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, metaCursor, cursor) })
}

// foreign reports whether an event is not the work of an outbox entry, which has bumped its scopes itself.
func (w *Watcher) foreign(ctx context.Context, e Event) (bool, error) {
	if e.Schema {
		return true, nil
	}
	if e.Changed == 0 {
		return false, nil
	}
	if e.By == "" {
		return true, nil
	}
	err := w.engine.DB.View(ctx, func(tx *store.Tx) error {
		_, err := tx.OutboxEntryByID(ctx, domain.ChangeID(e.By))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}
