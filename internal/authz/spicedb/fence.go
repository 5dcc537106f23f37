package spicedb

import (
	"context"
	"fmt"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/spicedb/pkg/datalayer"
	"github.com/authzed/spicedb/pkg/datastore"
	"github.com/authzed/spicedb/pkg/zedtoken"

	"steward/internal/relation"
)

// Fence returns a token: CheckAt, Lookup and Watch with it see everything that had been written before Fence was called, by
// whomever. Tokens cannot be compared or merged; who needs a newer one calls Fence again.
func (c *Client) Fence(ctx context.Context) (token string, err error) {
	if c.closed.Load() {
		return "", ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return "", &UnavailableError{"fence", err}
	}
	c.fences.Add(1)
	return c.kind.fence(ctx)
}

// exactly demands an answer at exactly the revision of token.
//
// On memory "at least as fresh" would be as new, but the datastore may then choose a rounded point in time at which a write
// that has not happened yet counts too: the parts of one check could be read on both sides of that write, and every
// rounding would start with a cold dispatch cache.
func exactly(token string) *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: &v1.ZedToken{Token: token}}}
}

// atLeast demands an answer at the revision of token or at a newer one.
func atLeast(token string) *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: token}}}
}

// headOf returns a fence that reads the head revision from our own handle of the datastore: nothing stands between the two
// that would share one read between callers. On PostgreSQL that read is one statement, whose snapshot is taken after the
// call began. A caller that gives up leaves the statement to finish, for as long as timeout says: to cancel it would cost the
// connection.
func headOf(handle datastore.Datastore, timeout time.Duration) func(ctx context.Context) (string, error) {
	if outer, ok := handle.(datastore.UnwrappableDatastore); ok {
		handle = outer.Unwrap() // what it takes off drops deadlines, and then a statement without an answer would never end
	}
	raw := datalayer.NewDataLayer(handle)
	read := func(ctx context.Context) (string, error) {
		revision, hash, err := raw.HeadRevision(ctx)
		if err != nil {
			return "", err
		}
		token, err := zedtoken.NewFromRevision(ctx, revision, hash, raw)
		return token.GetToken(), err
	}
	type result struct {
		token string
		err   error
	}
	return func(ctx context.Context) (string, error) {
		out := make(chan result, 1)
		go func() {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
			defer cancel()
			token, err := read(bounded)
			out <- result{token, err}
		}()
		select {
		case r := <-out:
			if r.err != nil {
				return "", &UnavailableError{"fence", r.err}
			}
			return r.token, nil
		case <-ctx.Done():
			return "", &UnavailableError{"fence", ctx.Err()}
		}
	}
}

// nobody is the id of no object and of no subject: ours are UUIDs, "steward", and pairs of these.
const nobody = "="

// barrier is the fence of a SpiceDB elsewhere: a delete that matches nothing. It is a transaction of its own, so its token is
// at or after every write that had returned before it began, and it changes nothing: even where somebody had written the
// one relationship that it names, that one would mean nothing.
func (c *Client) barrier(ctx context.Context) (token string, err error) {
	request := &v1.DeleteRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{
		ResourceType: relation.TypePlatform, OptionalResourceId: nobody, OptionalRelation: relation.RelSupport,
		OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: relation.TypeUser, OptionalSubjectId: nobody},
	}}
	err = again(ctx, func() error {
		response, err := c.permissions.DeleteRelationships(ctx, request)
		token = response.GetDeletedAt().GetToken()
		return err
	})
	if err != nil {
		return "", translate(ctx, "fence", err)
	}
	return token, nil
}

// DatastoreID returns what tells this SpiceDB's datastore from every other, whichever of its servers answers.
func (c *Client) DatastoreID(ctx context.Context) (string, error) {
	token, err := c.Fence(ctx)
	if err != nil {
		return "", err
	}
	decoded, err := zedtoken.Decode(&v1.ZedToken{Token: token})
	if err != nil {
		return "", fmt.Errorf("spicedb: read a token: %w", err)
	}
	return decoded.GetV1().GetDatastoreUniqueIdPrefix(), nil
}
