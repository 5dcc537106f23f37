package spicedb

import (
	"context"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"google.golang.org/protobuf/types/known/structpb"

	"steward/internal/relation"
)

// maxUpdates is what SpiceDB takes in one atomic write.
const maxUpdates = 1000

// Write applies updates in chunks of up to 1,000, each of them atomic, in their order. Where one relationship comes more
// than once, the last update of it counts. Writing and deleting are idempotent: after an *UnavailableError the caller
// does not know which chunks were applied, and repeats all of them. When Write returns nil, every Check that begins
// later sees the updates.
//
// by is the id of the change that the updates come from. It stands in the metadata of each transaction, so that whoever
// watches can tell our own changes from those of others; "" is for updates that belong to no change.
func (c *Client) Write(ctx context.Context, by string, updates []relation.Update) error {
	if c.closed.Load() {
		return ErrClosed
	}
	todo, err := toUpdates(updates)
	if err != nil {
		return err
	}
	metadata, err := metadataOf(by)
	if err != nil {
		return err
	}
	for len(todo) > 0 {
		n := min(len(todo), maxUpdates)
		request := &v1.WriteRelationshipsRequest{Updates: todo[:n], OptionalTransactionMetadata: metadata}
		c.writes.Add(1)
		if err := c.kind.write(ctx, request); err != nil {
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

// changeKey is the key of a transaction's metadata under which the id of our change stands.
const changeKey = "steward_change"

func metadataOf(by string) (*structpb.Struct, error) {
	if by == "" {
		return nil, nil
	}
	s, err := structpb.NewStruct(map[string]any{changeKey: by})
	if err != nil {
		return nil, fmt.Errorf("spicedb: write: the id of the change: %w", err)
	}
	return s, nil
}

// transact writes one chunk to a SpiceDB whose datastore takes care of writes that overlap.
func (c *Client) transact(ctx context.Context, request *v1.WriteRelationshipsRequest) error {
	err := again(ctx, func() error {
		_, err := c.permissions.WriteRelationships(ctx, request)
		return err
	})
	if err != nil {
		return translate(ctx, "write", err)
	}
	return nil
}
