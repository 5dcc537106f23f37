package failures_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/spicedb"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/store/postgres"
)

// TestControl makes the same traffic twice, on a SpiceDB whose PostgreSQL is far away: kept answers that were filled by
// SpiceDB's own "fully consistent" must be found to be stale, or the tests beside this one prove nothing; and those that were
// filled at a fence must not.
func TestControl(t *testing.T) {
	n := seed(t)
	var db string
	s := newOwnSite(t, func(url string) string { db = url; return slowNetwork(t, url, n, 8, 150*time.Millisecond) })
	writer := s.replica(t, "STEWARD_SPICEDB_TIMEOUT=20s", "STEWARD_OPERATION_TIMEOUT=30s")
	rows, err := postgres.Open(t.Context(), db)
	try(t, "open the database", err)
	t.Cleanup(func() { _ = rows.Close() })
	for _, c := range []struct {
		name    string
		backend check.Backend
		stale   bool
	}{
		{"filled by fully_consistent", s.fullyConsistent(t), true},
		{"filled at a fence", s.client(t, steward.SchemaZed), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &traffic{house: s.house, people: s.people()[:accountsOfHouse], readers: 6, extra: 3, revokes: 60, seed: n}
			x.over([]*replica{writer})
			x.check = s.keeping(c.backend, rows)
			x.run(t)
			if !c.stale {
				x.none(t)
			} else if len(x.stale) == 0 {
				t.Error("no stale answer was found: these tests would not find one in the product either")
			}
		})
	}
}

// keeping checks in this process, by two read paths that are put together as the product's are, but for the backend.
func (s *site) keeping(b check.Backend, db *store.DB) checker {
	permissions := map[string][]string{}
	for _, d := range relation.Definitions() {
		permissions[d.Type] = d.Permissions
	}
	var paths []*check.Path
	for range 2 {
		paths = append(paths, check.New(check.Options{
			Backend: b, Generations: check.NewDatabase(db, time.Minute), Permissions: permissions, Schema: "control",
			MemoryBytes: 1 << 20, Timeout: time.Minute,
		}))
	}
	bit := slices.Index(permissions[relation.TypeContact], relation.ViewContactDetails)
	return func(ctx context.Context, r *rand.Rand, p person) (verdict, string) {
		n := r.IntN(len(paths))
		where := fmt.Sprint("path ", n)
		_, owner, _ := domain.ParseGlobalID(p.account.owner)
		got, err := paths[n].Check(ctx, authz.Subject{Type: relation.TypeServiceAccount, ID: p.is}, []authz.Ask{
			{Ref: authz.Ref{Type: relation.TypeContact, ID: owner, Tenant: domain.AccountID(p.account.key())}, Bits: 1 << bit},
		})
		switch {
		case err != nil:
			return verdict(err.Error()), where
		case bits.OnesCount64(got.Allowed[0]) == 1:
			return allowed, where
		}
		return refused, where
	}
}

// client is one of the site's SpiceDB for which the schema is this text.
func (s *site) client(t *testing.T, schema string) *spicedb.Client {
	t.Helper()
	c, err := spicedb.Dial(t.Context(), spicedb.RemoteOptions{
		Endpoint: s.spicedb.Endpoint, Key: s.spicedb.Key, CAFile: s.spicedb.CAFile, Schema: schema, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	try(t, "dial SpiceDB", err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// trusting is a Backend without fences: it asks for SpiceDB's "fully consistent".
type trusting struct {
	client v1.PermissionsServiceClient
	key    string
}

func (s *site) fullyConsistent(t *testing.T) trusting {
	t.Helper()
	conn, err := grpc.NewClient(s.spicedb.Endpoint, grpc.WithTransportCredentials(s.trust(t)))
	try(t, "dial SpiceDB", err)
	t.Cleanup(func() { _ = conn.Close() })
	return trusting{v1.NewPermissionsServiceClient(conn), s.spicedb.Key}
}

func (s *site) trust(t *testing.T) credentials.TransportCredentials {
	t.Helper()
	if _, err := os.Stat(s.spicedb.CAFile); err != nil {
		t.Fatal(err)
	}
	c, err := credentials.NewClientTLSFromFile(s.spicedb.CAFile, "")
	try(t, "read SpiceDB's authority", err)
	return c
}

// Fence implements check.Backend.
func (trusting) Fence(context.Context) (string, error) { return "none", nil }

// CheckAt implements check.Backend.
func (b trusting) CheckAt(ctx context.Context, _ string, sub authz.Subject, qs []authz.Question) ([]bool, error) {
	request := &v1.CheckBulkPermissionsRequest{Consistency: &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}}
	for _, q := range qs {
		request.Items = append(request.Items, &v1.CheckBulkPermissionsRequestItem{
			Resource: &v1.ObjectReference{ObjectType: q.Ref.Type, ObjectId: q.Ref.ID}, Permission: q.Permission,
			Subject: &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: sub.Type, ObjectId: sub.ID}},
		})
	}
	response, err := b.client.CheckBulkPermissions(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+b.key), request)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(qs))
	for i, pair := range response.GetPairs() {
		out[i] = pair.GetItem().GetPermissionship() == v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	}
	return out, nil
}
