package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun_usage(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string // on standard error, or on standard output where the code is 0
	}{
		{"", 2, "expected one of"},
		{"nonsense", 2, "unexpected argument nonsense"},
		{"serve --nonsense", 2, "unknown flag --nonsense"},
		{"token", 2, "either --email E or --list"},
		{"token --list --email x", 2, "either --email E or --list"},
		{"import accounts one.csv", 2, "contacts.csv"},
		{"import accounts a.csv b.csv --reason x", 2, "go together"},
		{"staff grant --issuer x --subject y --role boss", 2, "--role must be one of"},
		{"user disable", 2, "name the user"},
		{"import accounts /nowhere/a.csv b.csv", 1, "/nowhere/a.csv cannot be read"},
		{"help", 0, "--max-depth"},
		{"help token", 0, "--ttl"},
		{"version", 0, "authorization model"},
		{"sdl", 0, "type Mutation"},
	} {
		t.Run(strings.ReplaceAll(c.args, " ", "_"), func(t *testing.T) {
			r := steward(t, strings.Fields(c.args)...)
			if c.code != 0 {
				sentence(t, r, c.code, c.want)
				return
			}
			if r.code != 0 || !strings.Contains(r.out, c.want) {
				t.Errorf("got %+v, want %q", r, c.want)
			}
		})
	}
	help := steward(t, "help").out
	for _, name := range []string{"--listen", "$STEWARD_LISTEN", "--data", "--demo", "--public-url", "--oidc-issuer", "--oidc-audience", "--smtp-url", "--log-level", "--config"} {
		contains(t, "steward help", help, name)
	}
	if sdl := steward(t, "sdl").out; strings.Contains(sdl, "@go") || !strings.Contains(sdl, "directive @can(permission: String!") {
		t.Errorf("the schema shows directives of the code generator, or not those of the policy")
	}
}

// A real installation: no demo. The operator makes an accountant, who then creates the accounts by an import.
func TestImport_accounts(t *testing.T) {
	data, dir := dataDir(t), t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	accounts := file("companies.csv", "Company,Website\nGravel & Sons,https://gravel.example\n")
	contacts := file("people.csv", "Company;First name;Last name;E-mail;Role\nGravel & Sons;Ada;Gravel;ada@gravel.example;Account owner\nGravel & Sons;Bo;Gravel;bo@gravel.example;Billing only\n")
	faulty := file("faulty.csv", "Company;First name;Last name;E-mail;Role\nGravel & Sons;Ada;Gravel;ada@gravel.example;Account owner\nGravel & Sons;Bo;Gravel;bo at gravel;Emperor\n")

	sentence(t, steward(t, "import", "accounts", accounts, contacts, "--data", data), 1, "steward staff grant --role accounting")
	login := []string{"--issuer", "https://login.example.com", "--subject", "17", "--role", "accounting", "--data", data}
	if r := steward(t, append([]string{"staff", "grant", "--email", "ana@provider.example"}, login...)...); r.code != 0 || !strings.Contains(r.out, "accounting") {
		t.Fatalf("staff grant: %+v", r)
	}
	r := steward(t, "import", "accounts", accounts, faulty, "--data", data)
	if r.code != 1 || strings.Contains(r.out, "people.csv") {
		t.Errorf("a faulty file gives %+v", r)
	}
	contains(t, "the faults", r.out, faulty+":3", "E-mail", "Role", " — ")
	contains(t, "standard error", r.err, "rights of ana@provider.example", "2 faults, nothing was imported")

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--dry-run"}, "1 accounts and 2 contacts to import; 0 accounts and 0 contacts were there already"},
		{nil, "1 accounts and 2 contacts imported; 0 accounts and 0 contacts were there already"},
		{[]string{"--as", "ana@provider.example", "--reference", "T-1", "--reason", "Asked for by letter."}, "0 accounts and 0 contacts imported; 1 accounts and 2 contacts were there already"},
	} {
		r := steward(t, append([]string{"import", "accounts", accounts, contacts, "--data", data}, c.args...)...)
		if r.code != 0 || strings.TrimSpace(r.out) != c.want {
			t.Errorf("%v gives %+v, want %q", c.args, r, c.want)
		}
	}
	sentence(t, steward(t, "import", "accounts", accounts, contacts, "--data", data, "--as", "nobody@x.example"), 1, "nobody with the e-mail address nobody@x.example")
	if r := steward(t, append([]string{"staff", "revoke"}, login...)...); r.code != 0 {
		t.Errorf("staff revoke: %+v", r)
	}
	if r := steward(t, "import", "accounts", accounts, contacts, "--data", data, "--as", "ana@provider.example"); r.code != 1 {
		t.Errorf("an import by somebody who lost the role: %+v", r)
	}
	if r := steward(t, "reconcile", "--data", data); r.code != 0 || !strings.Contains(r.out, "exactly") {
		t.Errorf("reconcile without a server: %+v", r)
	}
}

// Disabling a user through a running server counts at once, for OIDC and API tokens alike.
func TestUser_disableOnARunningServer(t *testing.T) {
	data := dataDir(t)
	s := serve(t, "--demo", "--data", data)
	const who, query = ana, `{ viewer { user { staffRoles } accounts(first: 1) { totalCount } } }`
	oidc := demoToken(t, data, who)
	secret := field(t, s.ask(oidc, `mutation { createApiToken(input: {name: "n", expiresInDays: 1}) { secret } }`), "data", "createApiToken", "secret")
	for _, on := range []bool{true, false, true} {
		if !on {
			if r := steward(t, "user", "disable", "--data", data, "--email", who); r.code != 0 {
				t.Fatalf("user disable: %+v", r)
			}
		} else if r := steward(t, "user", "enable", "--data", data, "--email", who); r.code != 0 {
			t.Fatalf("user enable: %+v", r)
		}
		for kind, token := range map[string]string{"OIDC": oidc, "API": secret} {
			answer := s.ask(token, query)
			if got := strings.Contains(answer, `"totalCount":40`); got != on {
				t.Errorf("enabled %t: the %s token is answered %s", on, kind, answer)
			}
		}
		if r := steward(t, "reconcile", "--data", data); r.code != 0 {
			t.Errorf("enabled %t: %+v", on, r)
		}
	}
}
