package spicedb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/authzed/spicedb/pkg/datalayer"
	"github.com/authzed/spicedb/pkg/zedtoken"
	"golang.org/x/sync/errgroup"

	"steward/internal/authz"
)

// Client asks one SpiceDB. It is safe for concurrent use.
//
// Every check is answered at the revision that the datastore had at some moment after the check began: an answer is never
// from before a write that had returned. That revision is read from our own handle of the datastore, because SpiceDB's
// "fully consistent" shares one read of it between requests and can hand out an older one.
type Client struct {
	log         *slog.Logger
	permissions v1.PermissionsServiceClient
	raw         datalayer.DataLayer // our own handle: nothing between it and the datastore
	schemaHash  string
	warnAbove   uint64

	writing   chan struct{} // holds one token while a write runs, see lockWrites
	lastWrite int64         // wall clock in ns after the last write; guarded by writing
	about     uint64        // at most this many relationships are there; guarded by writing
	warned    bool          // guarded by writing

	questions, calls, items, writes atomic.Uint64

	closing sync.Once
	closers []func() error
	closed  atomic.Bool
}

var _ authz.Checker = (*Client)(nil)

const (
	chunk     = 500 // checks in one call
	inFlight  = 2   // calls of one Check at a time
	maxLength = 1024
)

// Stats counts what was asked since the start.
type Stats struct {
	Questions uint64 // calls of Check that had to ask SpiceDB: one for a level of a query
	Calls     uint64 // CheckBulkPermissions calls
	Items     uint64 // distinct checks in them
	Writes    uint64 // WriteRelationships calls
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	return Stats{c.questions.Load(), c.calls.Load(), c.items.Load(), c.writes.Load()}
}

// SchemaHash returns the SHA-256 of the schema that SpiceDB answers by, in hex.
func (c *Client) SchemaHash() string { return c.schemaHash }

// check is what is asked of SpiceDB: the tenant is not part of it.
type check struct{ typ, id, permission string }

// Check answers qs for sub in their order, all of them at one revision. It answers all or none: an error of one question,
// a deadline or an answer that depends on a condition is an error of the whole, and nothing is allowed by it. What has
// no valid id does not exist, and nothing is allowed on it.
func (c *Client) Check(ctx context.Context, sub authz.Subject, qs []authz.Question) ([]bool, error) {
	if c.closed.Load() {
		return nil, ErrClosed
	}
	if sub.Type == "" || !validID(sub.ID) {
		return nil, fmt.Errorf("spicedb: check: %q of type %q is no subject", sub.ID, sub.Type)
	}
	checks, at := distinct(qs)
	if len(checks) == 0 {
		return make([]bool, len(qs)), ctx.Err()
	}
	c.questions.Add(1)
	consistency, err := c.consistency(ctx)
	if err != nil {
		return nil, err
	}
	subject := &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: sub.Type, ObjectId: sub.ID}}
	allowed := make([]bool, len(checks))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for from := 0; from < len(checks); from += chunk {
		to := min(from+chunk, len(checks))
		g.Go(func() error { return c.ask(gctx, consistency, subject, checks[from:to], allowed[from:to]) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make([]bool, len(qs))
	for i, n := range at {
		out[i] = n >= 0 && allowed[n]
	}
	return out, nil
}

// distinct returns the different checks of qs and, for each question, the index of its check, or -1 for one on an object
// that cannot exist. Checks of the same permission stand together, as SpiceDB answers those as one.
func distinct(qs []authz.Question) (checks []check, at []int) {
	index := make(map[check]int, len(qs))
	for _, q := range qs {
		k := check{q.Ref.Type, q.Ref.ID, q.Permission}
		if _, ok := index[k]; ok || !validID(k.id) {
			continue
		}
		index[k] = len(checks)
		checks = append(checks, k)
	}
	slices.SortStableFunc(checks, func(a, b check) int {
		if d := strings.Compare(a.permission, b.permission); d != 0 {
			return d
		}
		return strings.Compare(a.typ, b.typ)
	})
	for i, k := range checks {
		index[k] = i
	}
	at = make([]int, len(qs))
	for i, q := range qs {
		n, ok := index[check{q.Ref.Type, q.Ref.ID, q.Permission}]
		if !ok {
			n = -1
		}
		at[i] = n
	}
	return checks, at
}

// consistency returns the demand to answer at the revision that the datastore has now.
//
// It asks for exactly that revision. "At least as fresh" would be as new, but the memory datastore may then choose a
// rounded point in time at which a write that has not happened yet counts too: the parts of one check could be read on
// both sides of that write, and every rounding would start with a cold dispatch cache.
func (c *Client) consistency(ctx context.Context) (*v1.Consistency, error) {
	revision, hash, err := c.raw.HeadRevision(ctx)
	if err != nil {
		return nil, translate(ctx, "read the head revision", err)
	}
	token, err := zedtoken.NewFromRevision(ctx, revision, hash, c.raw)
	if err != nil {
		return nil, translate(ctx, "read the head revision", err)
	}
	return &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: token}}, nil
}

// ask fills allowed with the answers to checks.
func (c *Client) ask(ctx context.Context, at *v1.Consistency, sub *v1.SubjectReference, checks []check, allowed []bool) error {
	request := &v1.CheckBulkPermissionsRequest{Consistency: at, Items: make([]*v1.CheckBulkPermissionsRequestItem, len(checks))}
	items, resources := make([]v1.CheckBulkPermissionsRequestItem, len(checks)), make([]v1.ObjectReference, len(checks))
	for i, k := range checks {
		resources[i].ObjectType, resources[i].ObjectId = k.typ, k.id
		items[i].Resource, items[i].Permission, items[i].Subject = &resources[i], k.permission, sub
		request.Items[i] = &items[i]
	}
	c.calls.Add(1)
	c.items.Add(uint64(len(checks)))
	response, err := c.permissions.CheckBulkPermissions(ctx, request)
	if err != nil {
		return translate(ctx, "check", err)
	}
	return answers(response.GetPairs(), checks, allowed)
}

// answers reads the pairs of a bulk answer. Only an unconditional yes to the very check that was asked allows it.
func answers(pairs []*v1.CheckBulkPermissionsPair, checks []check, allowed []bool) error {
	if len(pairs) != len(checks) {
		return fmt.Errorf("spicedb: check: %d answers to %d questions", len(pairs), len(checks))
	}
	for i, pair := range pairs {
		k, r := checks[i], pair.GetRequest()
		if r.GetResource().GetObjectId() != k.id || r.GetResource().GetObjectType() != k.typ || r.GetPermission() != k.permission {
			return fmt.Errorf("spicedb: check %s on %s:%s: answered out of order", k.permission, k.typ, k.id)
		}
		if e := pair.GetError(); e != nil {
			return fmt.Errorf("spicedb: check %s on %s:%s: %s (code %d)", k.permission, k.typ, k.id, e.GetMessage(), e.GetCode())
		}
		switch p := pair.GetItem().GetPermissionship(); p {
		case v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:
			allowed[i] = true
		case v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION:
		default:
			return fmt.Errorf("spicedb: check %s on %s:%s: no plain answer (%v)", k.permission, k.typ, k.id, p)
		}
	}
	return nil
}

// validID reports whether SpiceDB can hold an object of that id. A wildcard is none.
func validID(s string) bool {
	if s == "" || len(s) > maxLength {
		return false
	}
	for i := range len(s) {
		b := s[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case strings.IndexByte("/_|-=+", b) >= 0:
		default:
			return false
		}
	}
	return true
}

func (c *Client) onClose(f func() error) { c.closers = append(c.closers, f) }

// Close waits for the write that runs, ends the server and frees what it holds. Checks that run get an error. A second
// call does nothing.
func (c *Client) Close() error {
	var err error
	c.closing.Do(func() {
		c.writing <- struct{}{} // never given back: later writes are refused by closed, and none is cut short
		c.closed.Store(true)
		for _, f := range slices.Backward(c.closers) {
			err = errors.Join(err, f())
		}
	})
	return err
}
