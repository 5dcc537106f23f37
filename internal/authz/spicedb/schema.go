package spicedb

import (
	"context"
	"fmt"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// SchemaState says how the schema that SpiceDB answers by compares with schema.zed.
type SchemaState struct {
	Missing     bool     // SpiceDB has none yet
	Differences []string // sentences; comments and the order in which things are declared make none
}

// Same reports that SpiceDB answers by schema.zed.
func (s SchemaState) Same() bool { return !s.Missing && len(s.Differences) == 0 }

// SchemaHash returns the SHA-256 of schema.zed without its comments and in a fixed order, in hex. It is empty until SpiceDB
// was seen to answer by it: by CompareSchema, or by ApplySchema.
func (c *Client) SchemaHash() string {
	if h := c.schemaHash.Load(); h != nil {
		return *h
	}
	return ""
}

// CompareSchema compares what SpiceDB answers by with schema.zed.
func (c *Client) CompareSchema(ctx context.Context) (SchemaState, error) {
	if c.closed.Load() {
		return SchemaState{}, ErrClosed
	}
	want, err := normalise("schema.zed", c.schema)
	if err != nil {
		return SchemaState{}, err
	}
	back, err := c.schemas.ReadSchema(ctx, &v1.ReadSchemaRequest{})
	if status.Code(err) == codes.NotFound {
		return SchemaState{Missing: true}, nil
	}
	if err != nil {
		return SchemaState{}, translate(ctx, "read the schema", err)
	}
	have, err := normalise("the schema of SpiceDB", back.GetSchemaText())
	if err != nil {
		return SchemaState{}, err
	}
	state := SchemaState{Differences: differences(have, want)}
	if state.Same() {
		c.answersBy(want)
	}
	return state, nil
}

// ApplySchema writes schema.zed. Where relationships would lose the relation that they are of, SpiceDB refuses it, and the
// error is a *SchemaError. It is for a start or an operator, never for a request.
func (c *Client) ApplySchema(ctx context.Context) error {
	if c.closed.Load() {
		return ErrClosed
	}
	want, err := normalise("schema.zed", c.schema)
	if err != nil {
		return err
	}
	err = c.kind.exclusively(ctx, func() error {
		return again(ctx, func() error {
			_, err := c.schemas.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: c.schema})
			return err
		})
	})
	if o := orphansOf(err); o != nil {
		return c.schemaError(ctx, o)
	}
	if _, ours := status.FromError(err); !ours {
		return err
	}
	if err != nil {
		return translate(ctx, "write the schema", err)
	}
	c.answersBy(want)
	return nil
}

func (c *Client) answersBy(n normalised) {
	hash := n.hash()
	c.schemaHash.Store(&hash)
}

// difference says where two declarations of one name differ; one of them may be missing.
func difference(name, have, want string) string {
	switch {
	case have == "":
		return fmt.Sprintf("%s: SpiceDB lacks %q", name, want)
	case want == "":
		return fmt.Sprintf("%s: SpiceDB has %q, which schema.zed lacks", name, have)
	}
	return fmt.Sprintf("%s: SpiceDB has %q, schema.zed has %q", name, have, want)
}
