package spicedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"steward/internal/relation"
)

// Event is one transaction of SpiceDB. One that has changed nothing only moves the cursor.
type Event struct {
	Cursor  string // Watch with it goes on behind this event
	By      string // the id of our change, see Write; "" for everybody else's
	Schema  bool   // the schema was written
	Changed int    // relationships written or deleted
}

// ErrWatchDisabled says that this SpiceDB reports no changes.
var ErrWatchDisabled = errors.New("spicedb: watch: this SpiceDB reports no changes: PostgreSQL must run with track_commit_timestamp=on, and SpiceDB must be started after that")

// ErrCursorGone says that SpiceDB no longer knows what has happened since the cursor: whoever watches must take everything
// for changed and watch from now.
var ErrCursorGone = errors.New("spicedb: watch: what has happened since the cursor is no longer known")

// aliveEvery is how often a watch that waits makes sure that SpiceDB still answers.
const aliveEvery = 2 * time.Second

// Watch hands every change of relationships and of the schema since cursor to fn, in their order, until ctx ends, fn returns
// an error, which it then returns, or SpiceDB ends the stream. "" is a cursor from now. The first event has changed
// nothing: its cursor is where the watch starts. Changes come late, on PostgreSQL up to about a second; a relationship
// that expires is none.
func (c *Client) Watch(ctx context.Context, cursor string, fn func(Event) error) (err error) {
	if c.closed.Load() {
		return ErrClosed
	}
	if cursor == "" {
		cursor, err = c.Fence(ctx)
	} else {
		err = c.known(ctx, cursor)
	}
	if err != nil {
		return err
	}
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := c.watches.Watch(watching, &v1.WatchRequest{
		OptionalStartCursor: &v1.ZedToken{Token: cursor},
		OptionalUpdateKinds: []v1.WatchKind{
			v1.WatchKind_WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES, v1.WatchKind_WATCH_KIND_INCLUDE_SCHEMA_UPDATES, v1.WatchKind_WATCH_KIND_INCLUDE_CHECKPOINTS,
		},
	})
	if err != nil {
		return watchError(ctx, err)
	}
	if err := fn(Event{Cursor: cursor}); err != nil {
		return err
	}
	go c.stayAlive(watching, cancel)
	for {
		r, err := stream.Recv()
		if err != nil {
			if cause := context.Cause(watching); cause != nil && ctx.Err() == nil {
				err = cause
			}
			return watchError(ctx, err)
		}
		event := Event{Cursor: r.GetChangesThrough().GetToken(), By: byOf(r), Schema: r.GetSchemaUpdated(), Changed: len(r.GetUpdates())}
		if err := fn(event); err != nil {
			return err
		}
	}
}

// byOf returns the id of our change. Where SpiceDB reports several transactions as one it is nobody's.
func byOf(r *v1.WatchResponse) string {
	if len(r.GetFullRevisionMetadata()) > 1 {
		return ""
	}
	return r.GetOptionalTransactionMetadata().GetFields()[changeKey].GetStringValue()
}

// known returns ErrCursorGone for a cursor that SpiceDB cannot go on from. A watch itself would not say so on PostgreSQL: it
// would leave out what has been collected as garbage.
func (c *Client) known(ctx context.Context, cursor string) error {
	_, err := c.permissions.CheckBulkPermissions(ctx, &v1.CheckBulkPermissionsRequest{
		Consistency: exactly(cursor),
		Items: []*v1.CheckBulkPermissionsRequestItem{{ // whatever the answer, it takes the revision of the cursor to give it
			Resource:   &v1.ObjectReference{ObjectType: relation.TypePlatform, ObjectId: nobody},
			Permission: relation.RelSupport,
			Subject:    &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: relation.TypeUser, ObjectId: nobody}},
		}},
	})
	if err == nil || status.Code(err) == codes.Unknown { // a cursor of another datastore, or anything: the watch itself says which
		return nil
	}
	return watchError(ctx, err)
}

// stayAlive ends a watch whose SpiceDB no longer answers: a stream on which nothing happens looks the same.
func (c *Client) stayAlive(ctx context.Context, cancel context.CancelCauseFunc) {
	if c.kind.alive == nil {
		return
	}
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := c.kind.alive(ctx); err != nil && ctx.Err() == nil {
			cancel(err)
			return
		}
	}
}

func watchError(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		switch status.Code(err) {
		case codes.FailedPrecondition, codes.Unimplemented:
			return fmt.Errorf("%w: %w", ErrWatchDisabled, err)
		case codes.InvalidArgument, codes.OutOfRange:
			return fmt.Errorf("%w: %w", ErrCursorGone, err)
		}
		if errors.Is(err, io.EOF) {
			err = status.Error(codes.Unavailable, "SpiceDB has ended the stream")
		}
	}
	return translate(ctx, "watch", err)
}
