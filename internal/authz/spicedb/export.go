package spicedb

import (
	"context"
	"errors"
	"io"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"steward/internal/relation"
)

// resumptions is how often in a row an export that was cut off is taken up again without having got any further.
const resumptions = 5

// Each hands every relationship to fn, all of one revision, in no order, until fn returns an error, which it then returns.
// It reads in pages; when the connection breaks between two of them it goes on where it was.
func (c *Client) Each(ctx context.Context, fn func(relation.Relationship) error) error {
	token, err := c.Fence(ctx)
	if err != nil {
		return err
	}
	e := export{client: c, fn: fn, request: &v1.ExportBulkRelationshipsRequest{Consistency: exactly(token), OptionalLimit: c.kind.page}}
	for stuck := 0; ; stuck++ {
		before := e.request.GetOptionalCursor()
		cut, err := e.run(ctx)
		if !cut || ctx.Err() != nil || c.closed.Load() {
			return err
		}
		if e.request.GetOptionalCursor() != before {
			stuck = 0
		}
		if stuck == resumptions {
			return err
		}
		select {
		case <-time.After(longestPause):
		case <-ctx.Done():
			return err
		}
	}
}

// export reads relationships, page after page.
type export struct {
	client  *Client
	fn      func(relation.Relationship) error
	request *v1.ExportBulkRelationshipsRequest // its cursor is behind the last page that fn has seen
}

// run reads until the end. cut tells that its error is of the connection, which may come back.
func (e *export) run(ctx context.Context) (cut bool, err error) {
	streaming, cancel := context.WithCancel(ctx)
	defer cancel()
	broken := func(err error) (bool, error) {
		err = translate(ctx, "read all relationships", err)
		var u *UnavailableError
		return errors.As(err, &u), err
	}
	stream, err := e.client.permissions.ExportBulkRelationships(streaming, e.request)
	if err != nil {
		return broken(err)
	}
	for {
		message, err := receive(e.client, cancel, stream.Recv)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return broken(err)
		}
		for _, r := range message.GetRelationships() {
			if err := e.fn(text(r)); err != nil {
				return false, err
			}
		}
		e.request.OptionalCursor = message.GetAfterResultCursor()
	}
}

// receive returns the next message of a stream, which it cancels when that takes longer than one call may.
func receive[T any](c *Client, cancel context.CancelFunc, next func() (T, error)) (T, error) {
	if c.timeout <= 0 {
		return next()
	}
	timer := time.AfterFunc(c.timeout, cancel)
	message, err := next()
	if !timer.Stop() && err != nil {
		err = status.Error(codes.DeadlineExceeded, "no message in time")
	}
	return message, err
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
