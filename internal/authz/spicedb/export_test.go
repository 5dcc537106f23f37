package spicedb

import (
	"context"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
)

// FullyConsistent returns a client of the same SpiceDB that leaves it to SpiceDB to be up to date.
func FullyConsistent(c *Client) *Client {
	at := func(string) *v1.Consistency {
		return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
	}
	return &Client{log: c.log, conn: c.conn, permissions: c.permissions, kind: kind{fence: func(context.Context) (string, error) { return "", nil }, at: at}}
}

// WriteCaveated writes what Write cannot: a relationship under a condition.
func WriteCaveated(t testing.TB, c *Client, typ, id, rel, subjectType, subjectID, caveat string) {
	t.Helper()
	_, err := c.permissions.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{{
		Operation: v1.RelationshipUpdate_OPERATION_TOUCH,
		Relationship: &v1.Relationship{
			Resource: &v1.ObjectReference{ObjectType: typ, ObjectId: id}, Relation: rel,
			Subject:        &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: subjectType, ObjectId: subjectID}},
			OptionalCaveat: &v1.ContextualizedCaveat{CaveatName: caveat},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
}

// WriteSchema writes another schema than the client's.
func WriteSchema(t testing.TB, c *Client, text string) {
	t.Helper()
	if _, err := c.schemas.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text}); err != nil {
		t.Fatal(err)
	}
}
