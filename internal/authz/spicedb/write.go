package spicedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"steward/internal/relation"
)

const (
	maxUpdates = 1000   // what SpiceDB takes in one atomic write
	page       = 10_000 // relationships in one message of an export, at most
)

// Write applies updates in chunks of up to 1,000, each of them atomic, in their order. Where one relationship comes more
// than once, the last update of it counts. Writing and deleting are idempotent: after an *UnavailableError the caller
// does not know which chunks were applied, and repeats all of them. When Write returns nil, every Check that begins
// later sees the updates.
func (c *Client) Write(ctx context.Context, updates []relation.Update) error {
	todo, err := toUpdates(updates)
	if err != nil {
		return err
	}
	for len(todo) > 0 {
		n := min(len(todo), maxUpdates)
		if err := c.writeChunk(ctx, todo[:n]); err != nil {
			return err
		}
		todo = todo[n:]
	}
	return nil
}

// toUpdates keeps the last update of each relationship.
func toUpdates(updates []relation.Update) ([]*v1.RelationshipUpdate, error) {
	last := make(map[relation.Relationship]int, len(updates))
	for i, u := range updates {
		last[u.Relationship] = i
	}
	out := make([]*v1.RelationshipUpdate, 0, len(last))
	for i, u := range updates {
		if last[u.Relationship] != i {
			continue
		}
		p, err := relation.Parse(u.Relationship)
		if err != nil {
			return nil, fmt.Errorf("spicedb: write: %w", err)
		}
		op := v1.RelationshipUpdate_OPERATION_TOUCH
		if u.Delete {
			op = v1.RelationshipUpdate_OPERATION_DELETE
		}
		out = append(out, &v1.RelationshipUpdate{Operation: op, Relationship: &v1.Relationship{
			Resource: &v1.ObjectReference{ObjectType: p.Type, ObjectId: p.ID},
			Relation: p.Relation,
			Subject: &v1.SubjectReference{
				Object:           &v1.ObjectReference{ObjectType: p.SubjectType, ObjectId: p.SubjectID},
				OptionalRelation: p.SubjectRelation,
			},
		}})
	}
	return out, nil
}

// writeChunk writes one chunk. When ctx ends first it returns, but the write goes on alone and keeps the lock until it has
// ended: the memory datastore can hide one of two writes that overlap.
func (c *Client) writeChunk(ctx context.Context, updates []*v1.RelationshipUpdate) error {
	if err := c.lockWrites(ctx); err != nil {
		return err
	}
	c.writes.Add(1)
	done := make(chan error, 1)
	detached := context.WithoutCancel(ctx)
	go func() {
		_, err := c.permissions.WriteRelationships(detached, &v1.WriteRelationshipsRequest{Updates: updates})
		c.unlockWrites(updates...)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return translate(ctx, "write", err)
		}
		return nil
	case <-ctx.Done():
		return &UnavailableError{"write", ctx.Err()}
	}
}

// lockWrites waits until no other write runs and until the wall clock has passed the last one. The memory datastore
// names revisions by the wall clock and finds them by searching in order: a write under a clock that was set back would
// be filed before older ones, and checks would not see it.
func (c *Client) lockWrites(ctx context.Context) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return &UnavailableError{"wait for another write", ctx.Err()}
	}
	if c.closed.Load() {
		<-c.writing
		return ErrClosed
	}
	if err := waitPast(ctx, c.lastWrite, wallClock); err != nil {
		<-c.writing
		return &UnavailableError{"wait for the clock, which was set back", err}
	}
	return nil
}

// unlockWrites lets the next write in, after updates were tried.
func (c *Client) unlockWrites(updates ...*v1.RelationshipUpdate) {
	c.lastWrite = max(c.lastWrite, wallClock())
	c.watchSize(updates)
	<-c.writing
}

func wallClock() int64 { return time.Now().UnixNano() }

// waitPast returns when now is later than last, both in nanoseconds, or when ctx ends.
func waitPast(ctx context.Context, last int64, now func() int64) error {
	for {
		behind := last - now()
		if behind < 0 {
			return nil
		}
		timer := time.NewTimer(min(time.Duration(behind)+time.Microsecond, time.Second))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// watchSize warns once when there are more relationships than the memory datastore serves well. It counts only when the
// updates since the last count could have brought it there.
func (c *Client) watchSize(updates []*v1.RelationshipUpdate) {
	for _, u := range updates {
		if u.GetOperation() == v1.RelationshipUpdate_OPERATION_TOUCH {
			c.about++
		}
	}
	if c.warned || c.about <= c.warnAbove {
		return
	}
	n, err := c.Count(context.Background())
	if err != nil {
		c.log.Warn("relationships not counted", "error", err)
		return
	}
	c.about = n
	if n > c.warnAbove {
		c.warned = true
		c.log.Warn("too many relationships for SpiceDB in memory: checks that are not cached grow slow; move to the set \"one server\", which keeps them in PostgreSQL",
			"relationships", n, "limit", c.warnAbove, "next_set", "PostgreSQL")
	}
}

// Each hands every relationship to fn, all of one revision, in no order, until fn returns an error, which it then returns.
func (c *Client) Each(ctx context.Context, fn func(relation.Relationship) error) error {
	if c.closed.Load() {
		return ErrClosed
	}
	at, err := c.consistency(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.permissions.ExportBulkRelationships(ctx, &v1.ExportBulkRelationshipsRequest{Consistency: at, OptionalLimit: page})
	if err != nil {
		return translate(ctx, "read all relationships", err)
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return translate(ctx, "read all relationships", err)
		}
		for _, r := range message.GetRelationships() {
			if err := fn(text(r)); err != nil {
				return err
			}
		}
	}
}

func text(r *v1.Relationship) relation.Relationship {
	s := r.GetSubject()
	return relation.Parts{
		Type: r.GetResource().GetObjectType(), ID: r.GetResource().GetObjectId(), Relation: r.GetRelation(),
		SubjectType: s.GetObject().GetObjectType(), SubjectID: s.GetObject().GetObjectId(), SubjectRelation: s.GetOptionalRelation(),
	}.String()
}

// Count returns how many relationships there are. It reads all of them.
func (c *Client) Count(ctx context.Context) (uint64, error) {
	var n uint64
	err := c.Each(ctx, func(relation.Relationship) error { n++; return nil })
	return n, err
}
