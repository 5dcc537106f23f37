package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/authz"
	"steward/internal/config"
	"steward/internal/demo"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openDemoCore opens a core with the demo's data in a directory of its own.
func openDemoCore(t *testing.T) (*core, *seed) {
	t.Helper()
	dir, err := openDir(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCore(t.Context(), config.Config{}, dir, coreOptions{log: quiet(), linkBase: linkBase(config.Config{Listen: "127.0.0.1:8080"}, nil), demo: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &seed{core: c}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, s
}

func relationships(t *testing.T, c *core) []relation.Relationship {
	t.Helper()
	var all []relation.Relationship
	if err := c.spicedb.Each(t.Context(), func(r relation.Relationship) error { all = append(all, r); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func generation(t *testing.T, c *core, scope string) string {
	t.Helper()
	_, of, err := c.db.Generations(t.Context(), []string{scope})
	if err != nil {
		t.Fatal(err)
	}
	return of[scope]
}

func TestReconcile(t *testing.T) {
	c, s := openDemoCore(t)
	reconcile := func(repair bool) Outcome {
		t.Helper()
		out, err := c.operate(t.Context(), Command{Name: CommandReconcile, Repair: repair})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := reconcile(true); out.Differs || len(out.Lines) != 1 {
		t.Fatalf("a fresh demo differs: %v", out.Lines)
	}
	whole := relationships(t, c)
	bill, err := s.contact(t.Context(), "Alder & Finch Bakery", "bill.billing@alderfinch.example")
	if err != nil {
		t.Fatal(err)
	}
	right := "account:" + string(bill.AccountID) + "#billing@contact:" + string(bill.ID) + "#person"
	stray := "account:" + string(bill.AccountID) + "#admin@contact:" + string(bill.ID) + "#person"
	staff := "platform:steward#support@user:" + bill.Person.ID
	err = c.spicedb.Write(t.Context(), "", []relation.Update{{Delete: true, Relationship: right}, {Relationship: stray}, {Relationship: staff}})
	if err != nil {
		t.Fatal(err)
	}
	edit := authz.Question{Ref: authz.Ref{Type: relation.TypeAccount, ID: string(bill.AccountID), Tenant: bill.AccountID}, Permission: relation.EditAccount}
	can := func() bool {
		t.Helper()
		got, err := c.engine.Can(t.Context(), s.actors["bill.billing@alderfinch.example"], edit)
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	if !can() {
		t.Fatal("the stray relationship gives no right, so its repair would prove nothing")
	}
	out := reconcile(false)
	for _, want := range []string{"missing " + right, "surplus " + stray, "surplus " + staff} {
		if !slices.Contains(out.Lines, want) {
			t.Errorf("reconcile does not tell %q: %v", want, out.Lines)
		}
	}
	if !out.Differs || len(out.Lines) != 4 || !can() {
		t.Errorf("reconcile without repair says %+v", out)
	}
	before := generation(t, c, string(bill.AccountID))
	if out := reconcile(true); out.Differs || !strings.Contains(out.Lines[3], "Differences repaired: 3: 1 relationships written, 2 deleted") {
		t.Errorf("the repair says %v", out.Lines)
	}
	if can() || !slices.Equal(relationships(t, c), whole) {
		t.Error("after the repair the relationships are not those of before")
	}
	if generation(t, c, string(bill.AccountID)) == before {
		t.Error("the repair gave the account no new generation")
	}
}

// What SpiceDB holds after changes is what a start from the rows gives, also with a disabled staff member, tokens and jobs.
func TestRowsOf_areWhatChangesWrite(t *testing.T) {
	c, s := openDemoCore(t)
	user := domain.UserID(s.by(domain.StaffSupport).Person.ID)
	if err := c.service.SetUserDisabled(t.Context(), user, true); err != nil {
		t.Fatal(err)
	}
	if _, err := c.service.CreateAPIToken(t.Context(), s.actors["zack.stranger@elsewhere.example"], service.CreateToken{Name: "own", ExpiresInDays: 1}); err != nil {
		t.Fatal(err)
	}
	var rows []relation.Relationship
	err := c.db.View(t.Context(), func(tx *store.Tx) error {
		return rowsOf(tx).Each(t.Context(), func(r relation.Relationship) error { rows = append(rows, r); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	missing, surplus, err := relation.Reconcile(t.Context(), func(_ context.Context, yield func(relation.Relationship) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	}, c.spicedb.Each)
	if err != nil || len(missing)+len(surplus) > 0 {
		t.Errorf("missing %v, surplus %v, %v", missing, surplus, err)
	}
	for _, part := range []string{"api_token:", "job:", "platform:steward#accounting@user:"} {
		if !slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(r, part) }) {
			t.Errorf("the rows mean no %s", part)
		}
	}
	if slices.ContainsFunc(rows, func(r string) bool { return strings.HasSuffix(r, "@user:"+string(user)) }) {
		t.Error("a disabled user still means something")
	}
}

// What a killed process left between the rows and SpiceDB is applied, with a new generation, when the next one starts.
func TestOpenCore_finishesPendingChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	open := func() *core {
		t.Helper()
		dir, err := openDir(path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := openCore(t.Context(), config.Config{}, dir, coreOptions{log: quiet(), linkBase: linkBase(config.Config{Listen: "127.0.0.1:8080"}, nil)})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	err := c.db.Update(t.Context(), func(tx *store.Tx) error {
		return tx.AppendOutbox(t.Context(), store.OutboxEntry{ID: "left", Scopes: []string{authz.GlobalScope}, Operation: "test", CreatedAt: time.Now(),
			Updates: []store.RelationUpdate{{Delete: true, Relationship: "platform:steward#support@user:x"}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	before := generation(t, c, authz.GlobalScope)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = open()
	defer c.Close()
	err = c.db.View(t.Context(), func(tx *store.Tx) error {
		e, err := tx.OutboxEntryByID(t.Context(), "left")
		if err == nil && e.AppliedAt.IsZero() {
			t.Error("the entry is still pending")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if generation(t, c, authz.GlobalScope) == before {
		t.Error("there is no new generation")
	}
}

func TestPeople_areInTheFiles(t *testing.T) {
	_, contacts := demo.Files()
	for _, p := range demo.People() {
		for _, account := range p.Accounts {
			line := false
			for row := range strings.Lines(string(contacts)) {
				line = line || strings.HasPrefix(row, account+",") && strings.Contains(row, ","+p.Email+",")
			}
			if !line {
				t.Errorf("contacts.csv has no %s on %s", p.Email, account)
			}
		}
	}
}

func TestSDL_isASchema(t *testing.T) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Input: SDL()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(schema.Types), len(parsedSchema().Types); got != want {
		t.Errorf("the SDL has %d types, the API %d", got, want)
	}
	if strings.Contains(SDL(), "@go") {
		t.Error("the SDL shows directives of the code generator")
	}
	if parsedSchema().Directives["goField"] == nil {
		t.Error("SDL changed the schema itself")
	}
}

func TestClosers(t *testing.T) {
	var order []string
	var c closers
	first, last := errors.New("first"), errors.New("last")
	c.simple("a", func() error { order = append(order, "a"); return first })
	c.add("b", func(ctx context.Context) error {
		order = append(order, "b")
		if _, ok := ctx.Deadline(); !ok || ctx.Err() != nil {
			t.Error("there is no fresh deadline")
		}
		return nil
	})
	c.simple("c", func() error { order = append(order, "c"); return last })
	err := c.Close()
	if !slices.Equal(order, []string{"c", "b", "a"}) || !errors.Is(err, first) || !errors.Is(err, last) {
		t.Errorf("closed %v with %v", order, err)
	}
	if err := c.Close(); err != nil || len(order) != 3 {
		t.Errorf("a second Close closes %v with %v", order[3:], err)
	}
}

func TestLinkBaseAndHosts(t *testing.T) {
	for _, c := range []struct {
		public, listening, link string
		hosts                   []string
	}{
		{"", "127.0.0.1:8080", "http://127.0.0.1:8080/", []string{"127.0.0.1", "localhost", "::1", "127.0.0.1"}},
		{"", "[::1]:80", "http://[::1]:80/", []string{"127.0.0.1", "localhost", "::1", "::1"}},
		{"", "0.0.0.0:8080", "http://localhost:8080/", nil},
		{"", "[::]:8080", "http://localhost:8080/", nil},
		{"https://steward.example.com", "0.0.0.0:8080", "https://steward.example.com/", []string{"steward.example.com"}},
		{"https://example.com:444/steward/", "10.1.2.3:80", "https://example.com:444/steward/", []string{"example.com:444"}},
	} {
		addr, err := net.ResolveTCPAddr("tcp", c.listening)
		if err != nil {
			t.Fatal(err)
		}
		cfg := config.Config{PublicURL: c.public, Listen: "127.0.0.1:0"}
		if got := linkBase(cfg, addr).String(); got != c.link {
			t.Errorf("%+v: links lead to %s", c, got)
		}
		if got := publicHosts(cfg, addr); !slices.Equal(got, c.hosts) {
			t.Errorf("%+v: hosts are %v", c, got)
		}
	}
}
