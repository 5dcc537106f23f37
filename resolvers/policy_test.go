package resolvers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/authz"
	"steward/internal/relation"
)

func definitions() authz.Definitions {
	defs := authz.Definitions{}
	for _, d := range relation.Definitions() {
		defs[d.Type] = d.Permissions
	}
	return defs
}

// loadSDL returns the schema of the SDL files, with more SDL behind them and old replaced by new in each.
func loadSDL(t *testing.T, more string, replace ...string) *ast.Schema {
	t.Helper()
	files, err := filepath.Glob("../graph/*.graphqls")
	if err != nil || len(files) == 0 {
		t.Fatalf("no SDL found: %v", err)
	}
	replacer, replaced := strings.NewReplacer(replace...), len(replace) == 0
	sources := []*ast.Source{{Name: "more", Input: more}}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		changed := replacer.Replace(string(text))
		replaced = replaced || changed != string(text)
		sources = append(sources, &ast.Source{Name: f, Input: changed})
	}
	if !replaced {
		t.Fatalf("the SDL does not have %q", replace[0])
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		t.Fatalf("load SDL: %v", err)
	}
	return schema
}

func TestPolicy_SDL(t *testing.T) {
	schema := loadSDL(t, "")
	policy, err := authz.NewPolicy(schema, definitions())
	if err != nil {
		t.Fatal(err)
	}
	for def, want := range map[string]string{
		"account": "view_account", "contact": "view_contacts", "api_token": "view_api_token", "job": "", "platform": "",
	} {
		if got := policy.View(def); got != want {
			t.Errorf("View(%s) = %q, want %q", def, got, want)
		}
	}
	for _, f := range schema.Mutation.Fields {
		if d := f.Directives.ForName("can"); d != nil && d.Arguments.ForName("of") == nil {
			t.Errorf("mutation %s: @can without of", f.Name)
		}
	}
}

// refused are additions that must not get the server started.
var refused = map[string]struct {
	more    string
	replace []string
	want    []string // words of the error
}{
	"type without a policy": {
		more: "type Ledger { sum: Int }\nextend type Viewer { ledger: Ledger }",
		want: []string{"type Ledger", "no policy"},
	},
	"type that holds guarded ones": {
		more: "type Group { accounts: [Account!] }\nextend type Viewer { group: Group }",
		want: []string{"type Group", "no policy"},
	},
	"query without a policy": {
		more: "extend type Query { everything: [Account] }",
		want: []string{"Query.everything", "@signedIn or @public"},
	},
	"query with @can": {
		more: `extend type Query { everything: [Account] @can(permission: "view_account", of: "account") }`,
		want: []string{"Query.everything", "@signedIn or @public"},
	},
	"mutation without a policy": {
		more: "input WipeInput { accountId: ID! }\ntype WipePayload { auditId: ID }\nextend type Mutation { wipe(input: WipeInput!): WipePayload }",
		want: []string{"Mutation.wipe", "@signedIn or @public"},
	},
	"mutation without of": {
		replace: []string{`EditAccountPayload @can(permission: "edit_account", of: "account")`, `EditAccountPayload @can(permission: "edit_account")`},
		want:    []string{"Mutation.editAccount", "`of`"},
	},
	"mutation that names no object": {
		replace: []string{"input EditAccountInput {\n  accountId: ID!", "input EditAccountInput {\n  id: ID!"},
		want:    []string{"Mutation.editAccount", "EditAccountInput", "accountId"},
	},
	"mutation that cannot be null": {
		replace: []string{"editAccount(input: EditAccountInput!): EditAccountPayload @can", "editAccount(input: EditAccountInput!): EditAccountPayload! @can"},
		want:    []string{"Mutation.editAccount", "nullable"},
	},
	"unknown permission of a mutation": {
		replace: []string{`EditAccountPayload @can(permission: "edit_account"`, `EditAccountPayload @can(permission: "fly"`},
		want:    []string{"Mutation.editAccount", "fly", "account"},
	},
	"unknown permission of a type": {
		replace: []string{`@can(permission: "view_account") {`, `@can(permission: "fly") {`},
		want:    []string{"type Account", "fly"},
	},
	"unknown permission of a field": {
		more: `extend type Account { balance: Int @can(permission: "fly") }`,
		want: []string{"Account.balance", "fly"},
	},
	"unknown permission of an input field": {
		replace: []string{`phone: String @can(permission: "edit_contact_phone")`, `phone: String @can(permission: "fly")`},
		want:    []string{"EditContactInput.phone", "fly"},
	},
	"unknown permission of viewerCan": {
		more: `extend type AccountViewerCan { fly: Boolean! @answer(permission: "fly") }`,
		want: []string{"AccountViewerCan.fly", "fly"},
	},
	"unknown definition": {
		more: `type Ledger @can(permission: "view_ledger") { sum: Int }` + "\nextend type Viewer { ledger: Ledger }",
		want: []string{"type Ledger", `no definition "ledger"`},
	},
	"guarded field that cannot be null": {
		replace: []string{`pendingEmail: String @can`, `pendingEmail: String! @can`},
		want:    []string{"Contact.pendingEmail", "nullable"},
	},
	"guarded field on what is not guarded": {
		more: `extend type PageInfo { secret: String @can(permission: "view_account") }`,
		want: []string{"PageInfo.secret", "@can"},
	},
	"guarded field of another definition": {
		more: `extend type Contact { secret: String @can(permission: "view_account", of: "account") }`,
		want: []string{"Contact.secret", "@can"},
	},
	"viewerCan without a question": {
		more: "extend type AccountViewerCan { fly: Boolean! }",
		want: []string{"AccountViewerCan.fly", "@answer"},
	},
	"two policies": {
		more: `type Ledger @public @signedIn { sum: Int }` + "\nextend type Viewer { ledger: Ledger }",
		want: []string{"type Ledger", "more than one"},
	},
}

// Whoever adds a field without a policy, or with one that cannot hold, must not get the server started.
func TestPolicy_refuses(t *testing.T) {
	for name, tc := range refused {
		t.Run(name, func(t *testing.T) {
			_, err := authz.NewPolicy(loadSDL(t, tc.more, tc.replace...), definitions())
			if err == nil {
				t.Fatal("the policy was compiled")
			}
			for _, word := range tc.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("error %q does not name %q", err, word)
				}
			}
		})
	}
}
