package change_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/authz/spicedb"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/testing/property/parts"
)

// feed is SpiceDB's, in the terms of this package.
type feed struct{ *spicedb.Client }

func (f feed) Watch(ctx context.Context, cursor string, fn func(change.Event) error) error {
	return f.Client.Watch(ctx, cursor, func(e spicedb.Event) error {
		return fn(change.Event{Cursor: e.Cursor, By: e.By, Schema: e.Schema, Changed: e.Changed})
	})
}

// TestWatcher_Run holds what a change by somebody else does to what is kept, and that one of our own does nothing more than
// it has done itself.
func TestWatcher_Run(t *testing.T) {
	p := parts.Open(t)
	a := p.Account(0, 0)
	bumped := make(chan []string, 100)
	o := p.Changes.Options
	o.Bumped = func(scopes []string) {
		if p.Changes.Bumped(scopes); len(scopes) > 0 {
			bumped <- scopes
		}
	}
	next := func(what string, want ...string) {
		t.Helper()
		select {
		case got := <-bumped:
			if !slices.Equal(got, want) {
				t.Errorf("%s: bumped %q, want %q", what, got, want)
			}
		case <-time.After(deadline):
			t.Fatalf("%s: nothing was bumped", what)
		}
	}
	changes := change.New(o)
	w := change.NewWatcher(changes, feed{p.SpiceDB})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	defer func() { stop(); wait(t, ended, "Run") }()
	next("the watch begins", authz.GlobalScope)
	if !w.Leads() {
		t.Error("the only process does not lead")
	}
	if _, err := permissions(a[0].Actor, a[2], billing).do(ctx, changes, nil); err != nil {
		t.Fatal(err)
	}
	next("our own change", string(a[0].AccountID))

	if looks(t, p, a[1], a[2]) {
		t.Fatal("the right is there already") // and it is kept that it is not
	}
	byHand := relation.Parts{
		Type: relation.TypeAccount, ID: string(a[0].AccountID), Relation: relation.RelContactManagement,
		SubjectType: relation.TypeContact, SubjectID: string(a[1].ID), SubjectRelation: relation.RelPerson,
	}.String()
	for by, what := range map[string]string{"": "a change without our mark", string(domain.NewID[domain.ChangeID]()): "a change under a mark that is not ours"} {
		if err := p.SpiceDB.Write(ctx, by, []relation.Update{{Delete: true, Relationship: byHand}, {Relationship: byHand}}); err != nil {
			t.Fatal(err)
		}
		next(what, authz.GlobalScope)
		if !looks(t, p, a[1], a[2]) {
			t.Errorf("%s is not seen", what)
		}
		if err := p.SpiceDB.Write(ctx, by, []relation.Update{{Delete: true, Relationship: byHand}}); err != nil {
			t.Fatal(err)
		}
		next(what+", taken back", authz.GlobalScope)
	}
	if w.LastEvent().IsZero() || len(bumped) > 0 {
		t.Errorf("the last event came at %v, and %d more bumps", w.LastEvent(), len(bumped))
	}
}

// brokenFeed ends each watch with an error.
type brokenFeed struct {
	feed
	err   error
	tried chan string
}

func (f brokenFeed) Watch(_ context.Context, cursor string, _ func(change.Event) error) error {
	f.tried <- cursor
	return f.err
}

// TestWatcher_Disabled holds that a feed that is switched off is given up, and that another process may lead meanwhile.
func TestWatcher_Disabled(t *testing.T) {
	p := parts.Open(t)
	f := brokenFeed{feed{p.SpiceDB}, errors.Join(change.ErrFeedDisabled), make(chan string, 10)}
	w := change.NewWatcher(p.Changes, f)
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(t.Context()) }()
	wait(t, ended, "Run")
	if len(f.tried) != 1 || w.Leads() {
		t.Errorf("%d tries, leads: %v", len(f.tried), w.Leads())
	}
	other := change.NewWatcher(p.Changes, f)
	ended = make(chan struct{})
	p.Clock.Turn(15 * time.Second)
	go func() { defer close(ended); other.Run(t.Context()) }()
	wait(t, ended, "the other process")
	if len(f.tried) != 2 {
		t.Errorf("the other process has not taken over: %d tries", len(f.tried))
	}
}
