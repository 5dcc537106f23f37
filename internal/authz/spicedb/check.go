package spicedb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"steward/internal/authz"
)

const (
	chunk     = 500 // checks in one call
	inFlight  = 2   // calls of one Check at a time
	maxLength = 1024
)

// check is what is asked of SpiceDB: the tenant is not part of it.
type check struct{ typ, id, permission string }

// Check answers qs for sub in their order, by everything that had been written before Check was called. See CheckAt.
func (c *Client) Check(ctx context.Context, sub authz.Subject, qs []authz.Question) ([]bool, error) {
	return c.answer(ctx, c.Fence, sub, qs)
}

// CheckAt answers qs for sub in their order, by everything that had been written before the Fence that returned token
// began. It answers all or none: an error of one question, a deadline or an answer that depends on a condition is an error
// of the whole, and nothing is allowed by it. What has no valid id does not exist, and nothing is allowed on it.
func (c *Client) CheckAt(ctx context.Context, token string, sub authz.Subject, qs []authz.Question) ([]bool, error) {
	return c.answer(ctx, func(context.Context) (string, error) { return token, nil }, sub, qs)
}

// answer is CheckAt, with a fence that is asked only when there is something to ask of SpiceDB.
func (c *Client) answer(ctx context.Context, fence func(context.Context) (string, error), sub authz.Subject, qs []authz.Question) ([]bool, error) {
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
	token, err := fence(ctx)
	if err != nil {
		return nil, err
	}
	consistency := c.kind.at(token)
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
	var answer pairs
	if err := c.conn.Invoke(ctx, v1.PermissionsService_CheckBulkPermissions_FullMethodName, request, &answer, grpc.ForceCodecV2(bulkCodec)); err != nil {
		return translate(ctx, "check", err)
	}
	return answers(ctx, &answer, checks, allowed)
}

// answers reads the pairs of a bulk answer. Only an unconditional yes to the very check that was asked allows it.
func answers(ctx context.Context, got *pairs, checks []check, allowed []bool) error {
	n, err := got.each(func(i int, p pair) error {
		if i >= len(checks) {
			return nil // counted, and refused below
		}
		k := checks[i]
		if string(p.id) != k.id || string(p.typ) != k.typ || string(p.permission) != k.permission {
			return fmt.Errorf("spicedb: check %s on %s:%s: answered out of order", k.permission, k.typ, k.id)
		}
		if p.failed != nil {
			return translate(ctx, fmt.Sprintf("check %s on %s:%s", k.permission, k.typ, k.id), status.ErrorProto(p.failed))
		}
		switch p.answer {
		case v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:
			allowed[i] = true
		case v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION:
		default:
			return fmt.Errorf("spicedb: check %s on %s:%s: no plain answer (%v)", k.permission, k.typ, k.id, p.answer)
		}
		return nil
	})
	if err == nil && n != len(checks) {
		err = fmt.Errorf("spicedb: check: %d answers to %d questions", n, len(checks))
	}
	if err != nil {
		clear(allowed)
	}
	return err
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
