// Package lists_test reads long lists of which a caller sees little, over a real SpiceDB and a real database: in the test
// whether a lookup shows what asking about each row shows, in the benchmark which of the two is quicker.
package lists_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"steward"
	"steward/graph/generated"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/spicedb"
	"steward/internal/authz/spicedb/migrate"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/store/sqlite"
	"steward/internal/testing/servers"
	"steward/resolvers"
)

// Page by page a list shows the same, in the same order, by waves alone and by a lookup, and the lookup asks about far less.
func TestLookup(t *testing.T) {
	t.Parallel()
	const rows, oneIn = 900, 60
	for kind, open := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			account, want := l.fill(rows, oneIn)
			var asked []int64
			for _, above := range []int{1 << 30, 50} {
				l.limit(above)
				var got []string
				for after := ""; len(got) <= rows; {
					page := l.page(account, 4, after)
					got = append(got, page.names...)
					if after = page.end; !page.more {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("with a lookup above %d: %v, want %v", above, got, want)
				}
				asked = append(asked, l.engine.Planned())
			}
			if asked[1] > asked[0]/3 {
				t.Errorf("%d questions with lookups, %d without", asked[1], asked[0])
			}
		})
	}
}

// BenchmarkLists reads the first page of 20,000 contacts of which the caller sees one in so many: by waves alone, and with a
// lookup as soon as a page needs a second wave. Cold is the first time after a change of rights, warm is again. docs/lists.md
// tells what came out.
func BenchmarkLists(b *testing.B) {
	for kind, open := range kinds {
		for _, oneIn := range []int{8, 32, 128, 20_000} {
			b.Run(fmt.Sprintf("%s/seen=1in%d", kind, oneIn), func(b *testing.B) {
				l := open(b)
				account, _ := l.fill(20_000, oneIn)
				for _, size := range []int{20, 100} {
					for mode, above := range map[string]int{"waves": 1 << 30, "lookup": 1} {
						l.limit(above)
						b.Run(fmt.Sprintf("page=%d/%s/cold", size, mode), func(b *testing.B) { l.bench(b, account, size, l.cool) })
						b.Run(fmt.Sprintf("page=%d/%s/warm", size, mode), func(b *testing.B) { l.bench(b, account, size, nil) })
					}
				}
			})
		}
	}
}

func (l *list) bench(b *testing.B, account string, size int, before func()) {
	l.TB = b
	l.page(account, size, "")
	asked := l.engine.Planned()
	for b.Loop() {
		if before != nil {
			b.StopTimer()
			before()
			b.StartTimer()
		}
		l.page(account, size, "")
	}
	b.ReportMetric(float64(l.engine.Planned()-asked)/float64(b.N), "checks/op")
}

// list is the API over a real database, with rights from a real SpiceDB.
type list struct {
	testing.TB
	db          *store.DB
	spicedb     *spicedb.Client
	generations *check.Local
	actor       domain.Actor
	engine      *authz.Engine
	exec        *executor.Executor
}

var quiet = slog.New(slog.DiscardHandler)

var kinds = map[string]func(testing.TB) *list{"memory": onMemory, "postgres": onPostgres}

func onMemory(t testing.TB) *list {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "steward.db"), sqlite.MigrateFirst())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	client, err := spicedb.StartEmbedded(t.Context(), spicedb.Options{Schema: steward.SchemaZed, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &list{TB: t, db: db, spicedb: client, generations: check.NewLocal()}
}

func onPostgres(t testing.TB) *list {
	t.Helper()
	url := servers.Postgres(t).URL
	if err := errors.Join(postgres.Migrate(t.Context(), url), migrate.Postgres(t.Context(), url)); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	client, err := spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: url, Schema: steward.SchemaZed, Log: quiet, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.ApplySchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &list{TB: t, db: db, spicedb: client, generations: check.NewLocal()}
}

// limit puts a new engine over the list, which looks up above so many expected candidates.
func (l *list) limit(above int) {
	l.Helper()
	defs := authz.Definitions{}
	for _, d := range relation.Definitions() {
		defs[d.Type] = d.Permissions
	}
	policy, err := authz.NewPolicy(generated.NewExecutableSchema(generated.Config{}).Schema(), defs)
	if err != nil {
		l.Fatal(err)
	}
	l.engine = authz.New(authz.Options{
		Policy: policy, Live: l.spicedb, Loaders: resolvers.Loaders(l.db, time.Now), Finder: l, Limits: authz.Limits{LookupAbove: above},
		Checker: check.New(check.Options{
			Backend: l.spicedb, Generations: l.generations, Permissions: policy.AllPermissions(), Schema: l.spicedb.SchemaHash(),
			MemoryBytes: 64 << 20, Timeout: time.Minute,
		}),
	})
	l.exec = executor.New(generated.NewExecutableSchema(resolvers.NewConfig(resolvers.Options{DB: l.db, Engine: l.engine, Log: quiet})))
	l.exec.SetErrorPresenter(resolvers.PresentError(quiet))
	l.exec.Use(authz.Extension{Engine: l.engine})
}

// Find looks up at a fence of its own.
func (l *list) Find(ctx context.Context, sub authz.Subject, typ, permission string, limit int) (ids []string, complete bool, err error) {
	token, err := l.spicedb.Fence(ctx)
	if err != nil {
		return nil, false, err
	}
	return l.spicedb.Lookup(ctx, token, sub, typ, permission, limit)
}

// fill adds an account of n contacts, of which the caller sees one in so many. The others belong, for SpiceDB, to another
// account. It returns the account's global id and the names that the caller sees, in order.
func (l *list) fill(n, oneIn int) (account string, seen []string) {
	l.Helper()
	now := time.Now()
	u, err := signIn(l.Context(), l.db, now)
	if err != nil {
		l.Fatal(err)
	}
	l.actor = domain.Actor{Person: domain.UserPerson(u.ID), Name: u.Name, Email: u.Email}
	a := domain.Account{ID: domain.NewID[domain.AccountID](), Name: "Acme", CreatedAt: now, UpdatedAt: now}
	elsewhere := domain.NewID[domain.AccountID]()
	var updates []relation.Update
	add := func(format string, args ...any) {
		updates = append(updates, relation.Update{Relationship: fmt.Sprintf(format, args...)})
	}
	add("account:%s#platform@platform:steward", a.ID)
	add("account:%s#platform@platform:steward", elsewhere)
	contacts := make([]domain.Contact, n)
	for i := range contacts {
		c := domain.Contact{
			ID: domain.NewID[domain.ContactID](), AccountID: a.ID, LastName: fmt.Sprintf("C%05d", i), Owner: i == 0,
			Email: fmt.Sprintf("c%d@acme.example", i), State: domain.ContactActive, CreatedAt: now, UpdatedAt: now,
		}
		of := elsewhere
		if (i+1)%oneIn == 0 {
			of, seen = a.ID, append(seen, c.LastName)
		}
		add("contact:%s#account@account:%s", c.ID, of)
		contacts[i] = c
	}
	add("contact:%s#person@user:%s", contacts[1].ID, u.ID)
	add("account:%s#contact@contact:%s#person", a.ID, contacts[1].ID)
	err = errors.Join(l.db.Update(l.Context(), func(tx *store.Tx) error {
		if err := tx.InsertAccount(l.Context(), a); err != nil {
			return err
		}
		return tx.InsertContacts(l.Context(), contacts)
	}), l.spicedb.Write(l.Context(), "", updates), l.db.Analyze(l.Context()))
	if err != nil {
		l.Fatal(err)
	}
	return domain.GlobalID("Account", a.ID), seen
}

func signIn(ctx context.Context, db *store.DB, now time.Time) (domain.User, error) {
	return db.SignIn(ctx, store.Login{Issuer: "i", Subject: "ada", Email: "ada@example.org", EmailVerified: true, Name: "Ada"}, now)
}

// cool changes a right that nobody asks for: what SpiceDB and the check cache keep counts no more.
func (l *list) cool() {
	l.Helper()
	if err := l.spicedb.Write(l.Context(), "", []relation.Update{{Relationship: "platform:steward#support@user:someone"}}); err != nil {
		l.Fatal(err)
	}
	l.generations.Bump([]string{authz.GlobalScope})
}

type page struct {
	names []string
	more  bool
	end   string
}

// page reads one page of the account's contacts.
func (l *list) page(account string, size int, after string) (p page) {
	l.Helper()
	args := fmt.Sprintf("first: %d", size)
	if after != "" {
		args += fmt.Sprintf(", after: %q", after)
	}
	query := fmt.Sprintf(`{ node(id: %q) { ... on Account { contacts(%s) { edges { node { lastName } } pageInfo { hasNextPage endCursor } } } } }`, account, args)
	ctx := graphql.StartOperationTrace(authz.WithActor(l.Context(), l.actor))
	oc, errs := l.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if errs != nil {
		l.Fatal(errs)
	}
	next, ctx := l.exec.DispatchOperation(ctx, oc)
	res := next(ctx)
	var data struct {
		Node struct {
			Contacts struct {
				Edges    []struct{ Node struct{ LastName string } }
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
	}
	if err := json.Unmarshal(res.Data, &data); err != nil || len(res.Errors) > 0 {
		l.Fatal(err, res.Errors)
	}
	for _, e := range data.Node.Contacts.Edges {
		p.names = append(p.names, e.Node.LastName)
	}
	p.more, p.end = data.Node.Contacts.PageInfo.HasNextPage, data.Node.Contacts.PageInfo.EndCursor
	return p
}
