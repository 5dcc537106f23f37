package spicedb

import (
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"steward/internal/authz"
)

// lookupPage is what SpiceDB returns to one LookupResources, at most.
const lookupPage = 1000

// Lookup returns the ids of the objects of type typ on which sub has permission, by everything of token, at most limit of
// them and in no order. complete tells that there are no others. An object on which the permission depends on a
// condition is an error of the whole, as it is of a check.
func (c *Client) Lookup(ctx context.Context, token string, sub authz.Subject, typ, permission string, limit int) (ids []string, complete bool, err error) {
	if c.closed.Load() {
		return nil, false, ErrClosed
	}
	if sub.Type == "" || !validID(sub.ID) {
		return nil, false, fmt.Errorf("spicedb: look up: %q of type %q is no subject", sub.ID, sub.Type)
	}
	if limit <= 0 {
		return nil, false, fmt.Errorf("spicedb: look up: the limit %d is not above 0", limit)
	}
	l := lookup{seen: map[string]bool{}, request: &v1.LookupResourcesRequest{
		Consistency: c.kind.at(token), ResourceObjectType: typ, Permission: permission,
		Subject:       &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: sub.Type, ObjectId: sub.ID}},
		OptionalLimit: uint32(min(limit+1, lookupPage)), // a cursor is good for the same limit only
	}}
	for !complete && len(l.ids) <= limit {
		if complete, err = l.page(ctx, c); err != nil {
			return nil, false, err
		}
	}
	if len(l.ids) > limit {
		return l.ids[:limit], false, nil
	}
	return l.ids, true, nil
}

// lookup collects the ids of several pages. One object can come more than once.
type lookup struct {
	request *v1.LookupResourcesRequest
	seen    map[string]bool
	ids     []string
}

// page reads the next results; last tells that there are no others.
func (l *lookup) page(ctx context.Context, c *Client) (last bool, err error) {
	bounded, cancel := c.bounded(ctx)
	defer cancel()
	c.lookups.Add(1)
	stream, err := c.permissions.LookupResources(bounded, l.request)
	if err != nil {
		return false, translate(ctx, "look up", err)
	}
	for got := uint32(0); ; got++ {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got < l.request.GetOptionalLimit(), nil
		}
		if err != nil {
			return false, translate(ctx, "look up", err)
		}
		id := r.GetResourceObjectId()
		if r.GetPermissionship() != v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION {
			return false, fmt.Errorf("spicedb: look up %s on %s:%s: neither yes nor no: %v", l.request.GetPermission(), l.request.GetResourceObjectType(), id, r.GetPermissionship())
		}
		if !l.seen[id] {
			l.seen[id] = true
			l.ids = append(l.ids, id)
		}
		l.request.OptionalCursor = r.GetAfterResultCursor()
	}
}
