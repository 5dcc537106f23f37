package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

const (
	owner    = "olivia.owner@alderfinch.example"
	stranger = "zack.stranger@elsewhere.example"
)

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../playground", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPlaygroundOperations holds that every operation that the playground offers is one of the API, and that each does for
// the demo's owner what it says.
func TestPlaygroundOperations(t *testing.T) {
	api := schema(t)
	files, err := filepath.Glob("../../playground/*/*.graphql")
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"examples/01-my-accounts", "examples/02-add-contact", "examples/03-audit-log", "links/accept-invitation", "links/confirm-email"}
	if len(files) != len(known) {
		t.Errorf("the playground offers %d operations, this test knows %d: %v", len(files), len(known), files)
	}
	s := serveDemo(t)
	run := func(name, as string, variables map[string]any) map[string]any {
		t.Helper()
		text := read(t, name+".graphql")
		op, err := operation(api, text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answer := s.ask(s.token(as), op, text, variables)
		if answer["errors"] != nil {
			t.Errorf("%s answers %v", name, answer["errors"])
		}
		return answer
	}
	see := func(name string, answer map[string]any, path string, want any) any {
		t.Helper()
		got, err := at(answer["data"], path)
		if err == nil {
			err = matches(path, want, got)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return got
	}

	answer := run(known[0], owner, nil)
	see(known[0], answer, "viewer.accounts.edges.0.node.contacts.edges.0.node.email", "adam.admin@alderfinch.example")
	account := see(known[0], answer, "viewer.accounts.edges.0.node.id", "…")

	var variables map[string]any
	if err := json.Unmarshal([]byte(read(t, known[1]+".json")), &variables); err != nil {
		t.Fatal(err)
	}
	variables["input"].(map[string]any)["accountId"] = account
	answer = run(known[1], owner, variables)
	see(known[1], answer, "addContact.userErrors", []any{})
	see(known[1], answer, "addContact.contact.invitation.expiresAt", "…")

	answer = run(known[2], owner, nil)
	see(known[2], answer, "viewer.accounts.edges.0.node.auditLog.edges.0.node.action", "add_contact")

	variables["input"] = map[string]any{
		"accountId": account, "firstName": "Zack", "lastName": "Stranger", "email": stranger, "permissions": []string{"BILLING"},
	}
	see(known[1], run(known[1], owner, variables), "addContact.userErrors", []any{})
	token := s.mailed(stranger, `#invitation=(\S+)`)
	answer = run(known[3], stranger, map[string]any{"input": map[string]any{"token": token}})
	see(known[3], answer, "acceptInvitation.contact.permissions", []any{"BILLING"})

	answer = run(known[4], stranger, map[string]any{"input": map[string]any{"token": token}})
	see(known[4], answer, "confirmEmail.userErrors.0.field", "token") // an invitation confirms no address
}
