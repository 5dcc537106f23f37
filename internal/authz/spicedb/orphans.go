package spicedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"steward/internal/relation"
)

// SchemaError says that SpiceDB does not take schema.zed, because relationships are there that it would make meaningless.
type SchemaError struct {
	Removed  string                  // what schema.zed no longer has, for example "account#billing"
	Count    int                     // relationships that need it
	More     bool                    // there are more than Count
	Examples []relation.Relationship // a few of them
}

func (e *SchemaError) Error() string {
	n := fmt.Sprint(e.Count)
	if e.More {
		n = "more than " + n
	}
	return fmt.Sprintf("spicedb: schema.zed no longer has %s, but relationships need it (%s, for example %s): keep it in schema.zed, release a version that no longer writes them, delete them, and only then take it out",
		e.Removed, n, strings.Join(e.Examples, ", "))
}

const (
	countOrphans = 1000
	nameOrphans  = 3
)

// orphansOf returns what SpiceDB says about relationships that a schema would orphan, or nil.
func orphansOf(err error) map[string]string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetMetadata()["operation"] != "" && info.GetMetadata()["resource_type"] != "" {
			return info.GetMetadata()
		}
	}
	return nil
}

// schemaError looks for the relationships that stand in the way.
func (c *Client) schemaError(ctx context.Context, found map[string]string) error {
	typ, rel := found["resource_type"], found["relation"]
	e := &SchemaError{Removed: typ}
	filter := &v1.RelationshipFilter{ResourceType: typ, OptionalRelation: rel}
	switch found["operation"] {
	case "delete_relation":
		e.Removed = typ + "#" + rel
	case "delete_relation_reverse_check":
		e.Removed = typ + "#" + rel
		filter = &v1.RelationshipFilter{OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: typ, OptionalRelation: &v1.SubjectFilter_RelationFilter{Relation: rel}}}
	case "remove_allowed_type":
		e.Removed = found["allowed_type"] + " in " + typ + "#" + rel
		subject, subjectRelation, _ := strings.Cut(strings.TrimSuffix(strings.Fields(found["allowed_type"])[0], ":*"), "#")
		filter.OptionalSubjectFilter = &v1.SubjectFilter{SubjectType: subject, OptionalRelation: &v1.SubjectFilter_RelationFilter{Relation: subjectRelation}}
	}
	if err := c.countOrphans(ctx, filter, e); err != nil || e.Count == 0 { // then the one that SpiceDB names must do
		*e = SchemaError{Removed: e.Removed, Count: 1, More: err != nil, Examples: []relation.Relationship{found["relationship"]}}
	}
	return e
}

// countOrphans fills e with the relationships that filter matches.
func (c *Client) countOrphans(ctx context.Context, filter *v1.RelationshipFilter, e *SchemaError) error {
	token, err := c.Fence(ctx)
	if err != nil {
		return err
	}
	bounded, cancel := c.bounded(ctx)
	defer cancel()
	stream, err := c.permissions.ReadRelationships(bounded, &v1.ReadRelationshipsRequest{
		Consistency: c.kind.at(token), RelationshipFilter: filter,
	})
	if err != nil {
		return translate(ctx, "read relationships", err)
	}
	for {
		r, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return translate(ctx, "read relationships", err)
		case e.Count == countOrphans:
			e.More = true
			return nil
		}
		e.Count++
		if e.Count <= nameOrphans {
			e.Examples = append(e.Examples, text(r.GetRelationship()))
		}
	}
}
