package resolvers_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"

	"steward/graph/generated"
	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/store/sqlite"
	"steward/resolvers"
)

// checker answers from maps: whatever is not denied is allowed. It keeps every question, call by call.
type checker struct {
	mu         sync.Mutex
	denied     map[string]bool // "contact:ID#permission", or "#permission" on every object
	calls      [][]authz.Question
	fail       error
	generation int                      // of all rights
	before     func(wave int)           // called before each wave of an operation is answered, counted from 1
	finder     func() ([]string, error) // the ids that a lookup finds; nil: too many
	finds      []authz.Question         // that were looked up
}

func (c *checker) Check(_ context.Context, _ authz.Subject, qs []authz.Question) ([]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, slices.Clone(qs))
	out := make([]bool, len(qs))
	for i, q := range qs {
		out[i] = !c.denied["#"+q.Permission] && !c.denied[q.Ref.Type+":"+q.Ref.ID+"#"+q.Permission]
	}
	return out, c.fail
}

// waves is the checker as the planner asks it.
type waves struct {
	*checker
	permissions map[string][]string
}

func (w waves) Check(ctx context.Context, sub authz.Subject, asks []authz.Ask) (authz.Answer, error) {
	if w.before != nil {
		w.before(len(w.calls) + 1)
	}
	at := authz.Vector{Scopes: []string{authz.GlobalScope}, Generations: []string{strconv.Itoa(w.generation)}}
	var qs []authz.Question
	for _, a := range asks {
		for b := a.Bits; b != 0; b &= b - 1 {
			qs = append(qs, authz.Question{Ref: a.Ref, Permission: w.permissions[a.Ref.Type][bits.TrailingZeros64(b)]})
		}
	}
	got, err := w.checker.Check(ctx, sub, qs)
	if err != nil {
		return authz.Answer{}, err
	}
	out := authz.Answer{Allowed: make([]uint64, len(asks)), At: at}
	n := 0
	for i, a := range asks {
		for b := a.Bits; b != 0; b &= b - 1 {
			if got[n] {
				out.Allowed[i] |= b & -b
			}
			n++
		}
	}
	return out, nil
}

// Find proposes what the test says, up to limit.
func (c *checker) Find(_ context.Context, _ authz.Subject, typ, permission string, limit int) (ids []string, complete bool, err error) {
	c.finds = append(c.finds, authz.Question{Ref: authz.Ref{Type: typ}, Permission: permission})
	if c.finder == nil {
		return nil, false, nil
	}
	ids, err = c.finder()
	return ids[:min(len(ids), limit)], len(ids) <= limit, err
}

func (c *checker) deny(typ string, id string, permissions ...string) {
	for _, p := range permissions {
		c.denied[typ+":"+id+"#"+p] = true
	}
}

type acceptAll struct{}

func (acceptAll) Write(context.Context, string, []relation.Update) error { return nil }
func (acceptAll) Fence(context.Context) (string, error)                  { return "", nil }

// cursorKey lets tests make cursors of their own.
var cursorKey = authz.NewCursorKey()

// house is the API over a real database, with rights from a map.
type house struct {
	testing.TB
	db      *store.DB
	checker *checker
	engine  *authz.Engine
	exec    *executor.Executor
	actor   domain.Actor
	viewed  []map[domain.AccountID][]string
	now     time.Time
}

func newHouse(t testing.TB, options ...func(*authz.Options)) *house {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "steward.db"), sqlite.MigrateFirst())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h := &house{TB: t, db: db, checker: &checker{denied: map[string]bool{}}, now: time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)}
	now := func() time.Time { return h.now }
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	policy, err := authz.NewPolicy(generated.NewExecutableSchema(generated.Config{}).Schema(), definitions())
	if err != nil {
		t.Fatal(err)
	}
	var svc *service.Service
	o := authz.Options{
		Policy: policy, Checker: waves{h.checker, policy.AllPermissions()}, Live: h.checker, Loaders: resolvers.Loaders(db, now),
		Cursors: authz.NewCursors(cursorKey), Finder: h.checker,
		Locate: func(ctx context.Context, ref authz.Ref) (authz.Ref, error) { return svc.Locate(ctx, ref) },
		Repeats: func(ctx context.Context, actor domain.Actor, key string) (bool, error) {
			return svc.Repeats(ctx, actor, key)
		},
		Viewed: func(_ context.Context, _ domain.Actor, _ string, viewed map[domain.AccountID][]string) error {
			h.viewed = append(h.viewed, viewed)
			return nil
		},
	}
	for _, f := range options {
		f(&o)
	}
	h.engine = authz.New(o)
	changes := change.New(change.Options{DB: db, Authz: h.engine, Writer: acceptAll{}, Log: log, Now: now})
	svc = service.New(service.Options{
		Room: func(context.Context) (int, error) { return 1 << 20, nil },
		DB:   db, Changes: changes, Authz: h.engine, Log: log, Now: now, LinkBase: &url.URL{Scheme: "http", Host: "127.0.0.1"},
	})
	h.exec = executor.New(generated.NewExecutableSchema(resolvers.NewConfig(resolvers.Options{
		DB: db, Engine: h.engine, Service: svc, Log: log, Demo: true, Version: "1.2.3", Model: "0123456789abcdef",
	})))
	h.exec.SetErrorPresenter(resolvers.PresentError(log))
	h.exec.Use(authz.Extension{Engine: h.engine})
	u, err := db.SignIn(t.Context(), store.Login{Issuer: "i", Subject: "ada", Email: "ada@example.org", EmailVerified: true, Name: "Ada"}, h.now)
	if err != nil {
		t.Fatal(err)
	}
	h.actor = domain.Actor{Person: domain.UserPerson(u.ID), Name: u.Name, Email: u.Email, EmailVerified: true}
	return h
}

// answer is a GraphQL response.
type answer struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
}

// do runs one operation as the house's actor and checks that nothing was asked beside the plan.
func (h *house) do(query string, variables map[string]any) answer {
	h.Helper()
	ctx := graphql.StartOperationTrace(authz.WithActor(h.Context(), h.actor))
	oc, errs := h.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query, Variables: variables})
	if errs != nil {
		h.Fatalf("%s: %v", query, errs)
	}
	unplanned := h.engine.Unplanned()
	h.checker.calls, h.checker.finds = nil, nil
	next, ctx := h.exec.DispatchOperation(ctx, oc)
	raw, err := json.Marshal(next(ctx))
	if err != nil {
		h.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		h.Fatal(err)
	}
	if n := h.engine.Unplanned() - unplanned; n != 0 {
		h.Errorf("%d questions were asked beside the plan by %s", n, query)
	}
	return a
}

// want runs a query that answers no error, and compares the answer with JSON text.
func (h *house) want(query, data string) {
	h.Helper()
	a := h.do(query, nil)
	for _, e := range a.Errors {
		h.Errorf("%s: %s %v", query, e.Message, e.Path)
	}
	h.same(query, a.Data, data)
}

func (h *house) same(what string, got any, want string) {
	h.Helper()
	var v any
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		h.Fatal(err)
	}
	wanted, _ := json.MarshalIndent(v, "", " ")
	have, _ := json.MarshalIndent(got, "", " ")
	if string(have) != string(wanted) {
		h.Errorf("%s\ngot  %s\nwant %s", what, have, wanted)
	}
}

// asked checks how many calls the last operation took, and that none of them asks the same twice.
func (h *house) asked(calls int) {
	h.Helper()
	if len(h.checker.calls) != calls {
		h.Errorf("%d calls, want %d: %v", len(h.checker.calls), calls, h.checker.calls)
	}
	for _, qs := range h.checker.calls {
		seen := map[authz.Question]bool{}
		for _, q := range qs {
			if seen[q] {
				h.Errorf("asked twice in one call: %v", q)
			}
			seen[q] = true
		}
	}
}

func (h *house) update(fn func(tx *store.Tx) error) {
	h.Helper()
	if err := h.db.Update(h.Context(), fn); err != nil {
		h.Fatal(err)
	}
}

// account adds an account with n contacts: the first owns it, the second is the caller, if there is one. Their last names are
// "C00", "C01" and so on.
func (h *house) account(name string, n int) (domain.Account, []domain.Contact) {
	h.Helper()
	a := domain.Account{ID: domain.NewID[domain.AccountID](), Name: name, CreatedAt: h.now, UpdatedAt: h.now}
	contacts := make([]domain.Contact, n)
	for i := range contacts {
		contacts[i] = domain.Contact{
			ID: domain.NewID[domain.ContactID](), AccountID: a.ID, FirstName: "F", LastName: fmt.Sprintf("C%02d", i),
			Email: fmt.Sprintf("c%02d@%s.example", i, strings.ToLower(name)), Owner: i == 0, State: domain.ContactActive,
			CreatedAt: h.now.Add(time.Duration(i) * time.Second), UpdatedAt: h.now,
		}
		if i == 1 && h.actor.Person.Kind == domain.PersonUser {
			contacts[i].Person = h.actor.Person
		}
	}
	h.update(func(tx *store.Tx) error {
		if err := tx.InsertAccount(h.Context(), a); err != nil {
			return err
		}
		return tx.InsertContacts(h.Context(), contacts)
	})
	return a, contacts
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
