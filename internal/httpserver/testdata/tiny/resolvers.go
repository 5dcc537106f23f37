// Package tiny is a real gqlgen server of a few fields, each of which does one thing that a front door must cope with.
package tiny

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Secret is in the text of an error that no caller may read.
const Secret = "dial tcp 10.1.2.3:5432: password rejected"

// Resolvers answers constant data and counts what ran.
type Resolvers struct {
	Ran     atomic.Int64  // resolvers entered
	Waiting chan struct{} // gets a value when the field waits has begun to wait for the end of its context
}

var shared = gqlerror.Error{Message: "not for you", Extensions: map[string]any{"code": "FORBIDDEN", "required": "view"}}

func (r *Resolvers) Query() QueryResolver       { return queries{r} }
func (r *Resolvers) Mutation() MutationResolver { return mutations{r} }
func (r *Resolvers) Item() ItemResolver         { return items{r} }

type (
	queries   struct{ *Resolvers }
	mutations struct{ *Resolvers }
	items     struct{ *Resolvers }
)

func (q queries) Hello(_ context.Context, name *string) (string, error) {
	q.Ran.Add(1)
	if name == nil {
		return "hello", nil
	}
	return "hello " + *name, nil
}

func (q queries) Item(_ context.Context, id string) (*Item, error) {
	q.Ran.Add(1)
	return &Item{ID: id}, nil
}

func (q queries) Items(context.Context) ([]*Item, error) {
	q.Ran.Add(1)
	return []*Item{{ID: "1"}, {ID: "2"}}, nil
}

func (q queries) At(_ context.Context, t time.Time) (string, error) {
	q.Ran.Add(1)
	return t.Format(time.DateOnly), nil
}

func (q queries) Fail(_ context.Context, how string) (*string, error) {
	q.Ran.Add(1)
	switch how {
	case "forbidden":
		return nil, &shared
	case "odd code":
		return nil, &gqlerror.Error{Message: Secret, Extensions: map[string]any{"code": "EDATABASE", "host": Secret}}
	}
	return nil, errors.New(Secret)
}

func (q queries) Panics(context.Context) (*string, error) {
	q.Ran.Add(1)
	panic(Secret)
}

func (q queries) Waits(ctx context.Context, fails *bool) (*Item, error) {
	q.Ran.Add(1)
	q.Waiting <- struct{}{}
	<-ctx.Done()
	if fails != nil && *fails {
		return nil, errors.New("interrupted (9): " + Secret) // as drivers do, without wrapping the context's error
	}
	return &Item{ID: "late"}, nil
}

func (m mutations) Rename(_ context.Context, name string) (*Item, error) {
	m.Ran.Add(1)
	return &Item{ID: "1", Name: &name}, nil
}

func (m mutations) Upload(_ context.Context, file graphql.Upload) (string, error) {
	m.Ran.Add(1)
	b, err := io.ReadAll(file.File)
	return fmt.Sprintf("%s %d %d", file.Filename, file.Size, len(b)), err
}

func (m mutations) UploadAll(_ context.Context, input UploadInput) ([]string, error) {
	m.Ran.Add(1)
	var out []string
	for _, f := range input.Files {
		b, err := io.ReadAll(f.File)
		if err != nil {
			return nil, err
		}
		out = append(out, string(b))
	}
	return out, nil
}

func (i items) Self(_ context.Context, obj *Item) (*Item, error) {
	i.Ran.Add(1)
	return obj, nil
}

func (i items) Items(context.Context, *Item) ([]*Item, error) {
	i.Ran.Add(1)
	return []*Item{{ID: "1"}, {ID: "2"}}, nil
}
