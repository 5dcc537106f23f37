package spicedb_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/authzed/spicedb/pkg/schemadsl/compiler"
	"github.com/authzed/spicedb/pkg/schemadsl/input"

	"steward"
	"steward/internal/authz/spicedb"
	"steward/internal/authz/spicedb/migrate"
	"steward/internal/relation"
	"steward/internal/testing/servers"
)

// An answer that a condition or the clock decides must not be kept, and everything keeps answers.
func TestSchema_reaches_neither_a_caveat_nor_an_expiring_relation(t *testing.T) {
	for _, f := range conditional(t, steward.SchemaZed) {
		t.Errorf("schema.zed: %s: answers are cached by who asks and what was written, so nothing else may decide them; keep such permissions out of the cache first", f)
	}
	for _, bad := range []string{
		"caveat cav(x int) { x == 1 }\ndefinition user {}",
		"caveat cav(x int) { x == 1 }\ndefinition user {}\ndefinition thing {\n relation holder: user | user with cav\n}",
		"use expiration\ndefinition user {}\ndefinition thing {\n relation holder: user with expiration\n}",
	} {
		if len(conditional(t, bad)) == 0 {
			t.Errorf("not noticed: %s", bad)
		}
	}
}

// conditional returns what of a schema makes answers depend on something that is not written.
func conditional(t *testing.T, schema string) (found []string) {
	t.Helper()
	s, err := compiler.Compile(compiler.InputSchema{Source: input.Source("schema"), SchemaString: schema}, compiler.AllowUnprefixedObjectType())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.CaveatDefinitions {
		found = append(found, "caveat "+c.GetName())
	}
	for _, d := range s.ObjectDefinitions {
		for _, r := range d.GetRelation() {
			for _, a := range r.GetTypeInformation().GetAllowedDirectRelations() {
				if a.GetRequiredCaveat() != nil || a.GetRequiredExpiration() != nil {
					found = append(found, d.GetName()+"#"+r.GetName()+" has a condition or expires")
				}
			}
		}
	}
	return found
}

// shuffled returns schema.zed in another order and without comments.
func shuffled() string {
	text := regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`).ReplaceAllString(steward.SchemaZed, "")
	parts := regexp.MustCompile(`(?s)definition \w+ \{.*?\}`).FindAllString(text, -1)
	slices.Reverse(parts)
	for i, p := range parts {
		lines := strings.Split(strings.TrimSuffix(p, "}"), "\n")
		slices.Reverse(lines[1:])
		parts[i] = strings.Join(lines, "\n") + "\n}"
	}
	return strings.Join(parts, "\n")
}

func TestClient_CompareSchema(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t).URL
	if err := migrate.Postgres(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s := servers.SpiceDB(t, url)
	near := func(schema string) *spicedb.Client {
		return open(t)(spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: url, Schema: schema, Log: quiet}))
	}
	far := func(schema string) *spicedb.Client {
		return dial(t, s, func(o *spicedb.RemoteOptions) { o.Schema = schema })
	}
	for _, c := range []*spicedb.Client{near(steward.SchemaZed), far(steward.SchemaZed)} {
		if state, err := c.CompareSchema(t.Context()); err != nil || !state.Missing || state.Same() || c.SchemaHash() != "" {
			t.Errorf("got %+v, %v, hash %q", state, err, c.SchemaHash())
		}
	}
	applied := far(shuffled())
	if err := applied.ApplySchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	embedded := start(t)
	for _, c := range []*spicedb.Client{near(steward.SchemaZed), far(steward.SchemaZed), near(shuffled()), embedded} {
		if state, err := c.CompareSchema(t.Context()); err != nil || !state.Same() {
			t.Errorf("got %+v, %v", state, err)
		}
		if h := c.SchemaHash(); len(h) != 64 || h != applied.SchemaHash() {
			t.Errorf("hash %q, and %q where it was applied", h, applied.SchemaHash())
		}
	}
	other := strings.Replace(steward.SchemaZed, "relation support: user\n", "relation support: user | service_account\n\trelation sales: user\n", 1)
	other = strings.Replace(other, "\tpermission create_account = accounting\n", "", 1)
	for _, c := range []*spicedb.Client{near(other), far(other)} {
		state, err := c.CompareSchema(t.Context())
		want := []string{
			`platform#create_account: SpiceDB has "permission create_account = accounting", which schema.zed lacks`,
			`platform#sales: SpiceDB lacks "relation sales: user"`,
			`platform#support: SpiceDB has "relation support: user", schema.zed has "relation support: service_account | user"`,
		}
		if err != nil || !slices.Equal(state.Differences, want) || c.SchemaHash() != "" {
			t.Errorf("got %q, %v, hash %q", state.Differences, err, c.SchemaHash())
		}
	}
	if _, err := near("definition user { relation").CompareSchema(t.Context()); err == nil || !strings.Contains(err.Error(), "schema.zed") {
		t.Errorf("got %v", err)
	}
}

// A schema that would orphan relationships is refused, and the error says which stand in the way.
func TestClient_ApplySchema_names_what_stands_in_the_way(t *testing.T) {
	t.Parallel()
	const base = "definition user {}\ndefinition platform {\n relation support: user\n}\n"
	for _, k := range []string{"postgres", "remote"} {
		t.Run(k, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			with := func(schema string) *spicedb.Client {
				return open(t)(spicedb.StartOnPostgres(t.Context(), spicedb.PostgresOptions{URL: url, Schema: schema, Log: quiet}))
			}
			if k == "remote" {
				s := servers.SpiceDB(t, url)
				with = func(schema string) *spicedb.Client {
					return dial(t, s, func(o *spicedb.RemoteOptions) { o.Schema = schema })
				}
			}
			if err := with(base + "definition team {\n relation member: user | team#member\n}\ndefinition door {\n relation opener: team#member | user\n}").ApplySchema(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := with(base)
			updates := []relation.Update{{Relationship: "door:d#opener@team:t#member"}, {Relationship: "door:d#opener@user:u"}}
			for i := range 1_100 {
				updates = append(updates, relation.Update{Relationship: fmt.Sprintf("team:t#member@user:u%d", i)})
			}
			write(t, c, updates...)
			for name, x := range map[string]struct {
				schema, removed string
				count           int
				more            bool
			}{
				"definition":   {base + "definition door {\n relation opener: user\n}", "team", 1000, true},
				"relation":     {base + "definition team {\n relation member: user | team#member\n}\ndefinition door {}", "door#opener", 2, false},
				"allowed_type": {base + "definition team {\n relation member: user | team#member\n}\ndefinition door {\n relation opener: team#member\n}", "user in door#opener", 1, false},
				"subject":      {base + "definition team {\n relation member: user | team#member\n}\ndefinition door {\n relation opener: user\n}", "team#member in door#opener", 1, false},
			} {
				c := with(x.schema)
				err := c.ApplySchema(t.Context())
				var e *spicedb.SchemaError
				if !errors.As(err, &e) {
					t.Errorf("%s: got %v", name, err)
					continue
				}
				if name == "definition" && e.Removed == "team#member in door#opener" { // both stand in the way
					x.removed, x.count, x.more = e.Removed, 1, false
				}
				if e.Removed != x.removed || e.Count != x.count || e.More != x.more || len(e.Examples) != min(3, x.count) {
					t.Errorf("%s: got %+v", name, e)
				}
				if text := e.Error(); !strings.Contains(text, x.removed) || !strings.Contains(text, e.Examples[0]) || !strings.Contains(text, "delete them") {
					t.Errorf("%s: %s", name, text)
				}
				if c.SchemaHash() != "" {
					t.Errorf("%s: it has a hash", name)
				}
			}
		})
	}
}
