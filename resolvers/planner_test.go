package resolvers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

// Two levels stand under the caller: accounts, then their owners and contacts. Each is one question, however many rows it has.
func TestPlanner_one_question_per_level(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		h.account(fmt.Sprintf("A%d", i), 8)
	}
	const contact = `{ node { firstName email phone viewerCan { editContact removeContact } invitation { email } } }`
	for name, tc := range map[string]struct {
		query string
		calls int
	}{
		"nested lists": {`{ viewer { accounts { edges { node { name owner { email } contacts(first: 10) { edges ` + contact + ` } } } } } }`, 2},
		"deeper": {`{ viewer { viewerCan { createAccount } accounts { edges { node { viewerCan { editAccount }
			contacts(first: 10) { edges { node { account { name owner { email apiTokens { name } } } } } } } } } } }`, 5},
		"aliases": {`{ viewer { one: accounts(first: 2) { edges { node { a: name own: owner { email } } } }
			two: accounts(last: 2) { totalCount all: edges { item: node { phone own: owner { phone }
			x: contacts(first: 3) { edges ` + contact + ` } y: contacts(last: 3) { totalCount edges ` + contact + ` } } } } } }`, 2},
		"fragments": {`query { ...Q viewer { ... on Viewer { accounts { edges { ...E } } } } }
			fragment Q on Query { viewer { accounts { edges { node { name } } } } }
			fragment E on AccountEdge { node { ... on Node { id } ...A ... on Account { owner { ...C } } } }
			fragment A on Account { owner { email viewerCan { editContact } } viewerCan { editAccount } }
			fragment C on Contact { phone ... on Node { id } ... { invitation { email } } }`, 2},
		"edges twice":          {`{ viewer { accounts { a: edges { node { name } } b: edges { node { owner { email } viewerCan { editAccount } } } edges { cursor } pageInfo { endCursor } } } }`, 2},
		"skip and include":     {`query ($no: Boolean = false) { viewer { accounts { edges { node { name owner @skip(if: true) { email } contacts @include(if: $no) { edges { node { email } } } } } } } }`, 1},
		"own lists":            {`{ viewer { contacts { email account { name viewerCan { addContact } owner { email } } } apiTokens { name viewerCan { revokeApiToken } } } }`, 3},
		"one root, two fields": {`{ a: viewer { contacts { email } } b: viewer { contacts { email } } }`, 2},
		"audit log":            {`{ viewer { accounts { edges { node { auditLog { totalCount edges { node { action } } } } } } } }`, 1},
		"nothing guarded":      {`{ viewer { user { name email emailVerified staffRoles } serviceAccount { name } mailbox { subject } } service { version } }`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h.TB = t
			a := h.do(tc.query, nil)
			for _, e := range a.Errors {
				t.Errorf("%s %v", e.Message, e.Path)
			}
			h.asked(tc.calls)
			if strings.Contains(string(mustJSON(t, a.Data)), `"node":null`) {
				t.Error("a node is missing")
			}
		})
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlanner_node_and_nodes(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 3)
	b, _ := h.account("Beta", 2)
	token := domain.APIToken{ID: domain.NewID[domain.APITokenID](), Person: h.actor.Person, Name: "ci", Hash: []byte("x"), CreatedBy: h.actor.Person, CreatedAt: h.now, ExpiresAt: h.now.Add(time.Hour),
		Scope: domain.Scope{Permissions: []string{"view_account"}, Accounts: []domain.AccountID{a.ID}}}
	entry := domain.AuditEntry{ID: domain.NewID[domain.AuditID](), AccountID: a.ID, At: h.now, Actor: h.actor.Person, ActorName: "Ada", Action: "edit_contact",
		TargetKind: "contact", TargetID: string(cs[0].ID), TargetName: "C00", Before: map[string]string{"phone": "1", "a": "x"}, After: map[string]string{"phone": "2"}}
	global := domain.AuditEntry{ID: domain.NewID[domain.AuditID](), At: h.now, Actor: h.actor.Person, Action: "create_api_token"}
	job := domain.Job{ID: domain.NewID[domain.JobID](), Kind: "import_accounts", State: domain.JobFailed, Person: h.actor.Person, CreatedAt: h.now,
		Problems: []domain.ImportProblem{{File: "contacts", Line: 2, Column: "E-mail", Message: "m", Mend: "n"}, {File: "accounts", Line: 1}}}
	h.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertAPIToken(h.Context(), token), tx.InsertAudit(h.Context(), entry, global), tx.InsertJob(h.Context(), job, nil))
	})
	ids := []string{
		domain.GlobalID("Account", a.ID), domain.GlobalID("Contact", cs[0].ID), domain.GlobalID("ApiToken", token.ID), domain.GlobalID("AuditEntry", entry.ID),
		domain.GlobalID("ImportJob", job.ID), domain.GlobalID("Account", b.ID), domain.GlobalID("Account", a.ID),
		domain.GlobalID("AuditEntry", global.ID), domain.GlobalID("Account", domain.NewID[domain.AccountID]()), "nonsense", domain.GlobalID("User", h.actor.Person.ID),
		domain.GlobalID("Contact", domain.ContactID(a.ID)), domain.GlobalID("ApiToken", domain.NewID[domain.APITokenID]()), domain.GlobalID("AuditEntry", domain.NewID[domain.AuditID]()),
		domain.GlobalID("ImportJob", domain.NewID[domain.JobID]()),
	}
	h.checker.deny("account", string(b.ID), "view_account")
	const fields = `__typename id
		... on Account { name owner { email } } ... on Contact { email account { name } } ... on ApiToken { name scope { permissions accountIds } lastUsedAt expiresAt viewerCan { revokeApiToken } }
		... on AuditEntry { actorKind byApiToken targetId reason changes { field before after } } ... on ImportJob { state problems { line column } summary { accountsCreated } finishedAt }`
	got := h.do(`query ($ids: [ID!]!) { nodes(ids: $ids) { `+fields+` } }`, map[string]any{"ids": ids})
	if len(got.Errors) > 0 {
		t.Error(got.Errors)
	}
	h.asked(2)
	account := `{"__typename": "Account", "id": "` + ids[0] + `", "name": "Acme", "owner": {"email": "c00@acme.example"}}`
	wanted := []string{
		account,
		`{"__typename": "Contact", "id": "` + ids[1] + `", "email": "c00@acme.example", "account": {"name": "Acme"}}`,
		`{"__typename": "ApiToken", "id": "` + ids[2] + `", "name": "ci", "scope": {"permissions": ["view_account"], "accountIds": ["` + ids[0] + `"]},
			"lastUsedAt": null, "expiresAt": "2026-03-01T10:30:00.000Z", "viewerCan": {"revokeApiToken": true}}`,
		`{"__typename": "AuditEntry", "id": "` + ids[3] + `", "actorKind": "USER", "byApiToken": false, "targetId": "` + ids[1] + `", "reason": null,
			"changes": [{"field": "a", "before": "x", "after": null}, {"field": "phone", "before": "1", "after": "2"}]}`,
		`{"__typename": "ImportJob", "id": "` + ids[4] + `", "state": "FAILED", "problems": [{"line": 2, "column": "E-mail"}, {"line": 1, "column": null}],
			"summary": {"accountsCreated": 0}, "finishedAt": null}`,
		`null`, account, `null`, `null`, `null`, `null`, `null`, `null`, `null`, `null`,
	}
	h.same("nodes", got.Data, `{"nodes": [`+strings.Join(wanted, ",")+`]}`)
	for i, id := range ids {
		one := h.do(`query ($id: ID!) { node(id: $id) { `+fields+` } }`, map[string]any{"id": id})
		if len(one.Errors) > 0 {
			t.Error(one.Errors)
		}
		h.same("node "+id, one.Data, `{"node": `+wanted[i]+`}`)
	}
	many := h.do(`query ($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": make101(ids[0])})
	if len(many.Errors) != 1 || many.Errors[0].Extensions["code"] != "BAD_USER_INPUT" {
		t.Errorf("101 nodes: %+v", many.Errors)
	}
}

func make101(id string) []string {
	out := make([]string, 101)
	for i := range out {
		out[i] = id
	}
	return out
}

// What the caller may not see is absent everywhere, without an error.
func TestPlanner_hidden(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 4)
	b, _ := h.account("Beta", 2)
	h.checker.deny("account", string(b.ID), "view_account")
	h.checker.deny("contact", string(cs[0].ID), "view_contacts")
	h.checker.deny("contact", string(cs[2].ID), "view_contacts")
	h.want(`{ viewer { accounts { totalCount edges { node { name owner { id } contacts { totalCount edges { node { lastName } } } } } } } }`,
		`{"viewer": {"accounts": {"totalCount": 1, "edges": [{"node": {"name": "Acme", "owner": null,
		"contacts": {"totalCount": 2, "edges": [{"node": {"lastName": "C01"}}, {"node": {"lastName": "C03"}}]}}}]}}}`)
	own := string(mustJSON(t, h.do(`{ viewer { contacts { account { name } } } }`, nil).Data))
	cs[1].State = domain.ContactDeactivated
	h.update(func(tx *store.Tx) error { return tx.UpdateContact(h.Context(), cs[1]) })
	h.want(`{ viewer { contacts { account { name } } } }`, `{"viewer": {"contacts": [{"account": null}]}}`)
	if strings.Count(own, `{"account":null}`) != 1 || strings.Count(own, `{"account":{"name":"Acme"}}`) != 1 {
		t.Errorf("own contacts: %s", own)
	}
	h.want(`{ node(id: "`+domain.GlobalID("Account", b.ID)+`") { id } }`, `{"node": null}`)
	h.want(`{ nodes(ids: ["`+domain.GlobalID("Contact", cs[0].ID)+`", "`+domain.GlobalID("Account", a.ID)+`"]) { __typename } }`,
		`{"nodes": [null, {"__typename": "Account"}]}`)
}

// A refused field is null; one error for each type and field tells why, where first, and how often.
func TestPlanner_refused(t *testing.T) {
	h := newHouse(t)
	_, cs := h.account("Acme", 4)
	h.checker.deny("contact", string(cs[1].ID), "view_contact_details")
	h.checker.deny("contact", string(cs[3].ID), "view_contact_details", "manage_service_accounts", "edit_contact")
	h.checker.denied["#view_audit_log"] = true
	a := h.do(`{ viewer { accounts { edges { node { auditLog { totalCount } contacts { edges { node { email again: email state invitation { email } apiTokens { name } viewerCan { editContact viewContactDetails } } } } } } } } }`, nil)
	h.asked(2)
	h.same("refused", a.Data, `{"viewer": {"accounts": {"edges": [{"node": {"auditLog": null, "contacts": {"edges": [
		{"node": {"email": "c00@acme.example", "again": "c00@acme.example", "state": "ACTIVE", "invitation": null, "apiTokens": [], "viewerCan": {"editContact": true, "viewContactDetails": true}}},
		{"node": {"email": null, "again": null, "state": null, "invitation": null, "apiTokens": [], "viewerCan": {"editContact": true, "viewContactDetails": false}}},
		{"node": {"email": "c02@acme.example", "again": "c02@acme.example", "state": "ACTIVE", "invitation": null, "apiTokens": [], "viewerCan": {"editContact": true, "viewContactDetails": true}}},
		{"node": {"email": null, "again": null, "state": null, "invitation": null, "apiTokens": null, "viewerCan": {"editContact": false, "viewContactDetails": false}}}]}}}]}}}`)
	var got []string
	for _, e := range a.Errors {
		x := e.Extensions
		got = append(got, fmt.Sprintf("%v %v.%v %v %v x%v", x["code"], x["type"], x["field"], x["required"], x["reason"], x["count"]))
	}
	want := []string{
		"FORBIDDEN Account.auditLog view_audit_log permission_not_held x1",
		"FORBIDDEN Contact.apiTokens manage_service_accounts permission_not_held x1",
		"FORBIDDEN Contact.email view_contact_details permission_not_held x4",
		"FORBIDDEN Contact.invitation view_contact_details permission_not_held x2",
		"FORBIDDEN Contact.state view_contact_details permission_not_held x2",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, e := range a.Errors {
		if len(e.Path) == 0 {
			t.Errorf("%s has no path", e.Message)
		}
	}
}

// A failed check fails what needs it; it never answers less without saying so.
func TestPlanner_check_fails(t *testing.T) {
	h := newHouse(t)
	h.account("Acme", 2)
	h.checker.fail = errors.New("secret of the driver")
	a := h.do(`{ viewer { accounts { edges { node { name } } } } }`, nil)
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "UNAVAILABLE" || strings.Contains(a.Errors[0].Message, "secret") {
		t.Errorf("%+v", a.Errors)
	}
	h.same("data", a.Data, `{"viewer": null}`)
}

func TestPlanner_anonymous(t *testing.T) {
	h := newHouse(t)
	a, _ := h.account("Acme", 2)
	h.actor = domain.Actor{}
	got := h.do(`{ viewer { user { name } } node(id: "`+domain.GlobalID("Account", a.ID)+`") { id } service { version authorizationModel } change(id: "x") { id } }`, nil)
	h.asked(0)
	h.same("anonymous", got.Data, `{"viewer": null, "node": null, "service": {"version": "1.2.3", "authorizationModel": "0123456789abcdef"}, "change": null}`)
	if len(got.Errors) != 2 || got.Errors[0].Extensions["code"] != "UNAUTHENTICATED" || got.Errors[1].Extensions["code"] != "UNAUTHENTICATED" {
		t.Errorf("%+v", got.Errors)
	}
}

// Fewer objects with many fields each are as much work. Aliases count, and so do fragments, wherever they stand.
func TestPlanner_too_many_fields(t *testing.T) {
	h := newHouse(t)
	a, _ := h.account("Acme", 100)
	id := domain.GlobalID("Account", a.ID)
	var wide strings.Builder
	for i := range 60 {
		fmt.Fprintf(&wide, " f%d: firstName", i)
	}
	ask := func(fields string) answer {
		const level = `contacts(first: 100) { edges { node { `
		return h.do(`query { node(id: "`+id+`") { ... on Account { `+level+` account { `+level+fields+strings.Repeat(" }", 10)+` fragment Wide on Contact {`+wide.String()+` }`, nil)
	}
	if got := ask("...Wide @skip(if: true) lastName"); len(got.Errors) > 0 {
		t.Error(got.Errors)
	}
	for name, fields := range map[string]string{"in place": wide.String() + " ...Wide @skip(if: true)", "in a fragment": "...Wide"} {
		got := ask(fields)
		h.same(name, got.Data, `{"node": null}`)
		if len(got.Errors) != 1 || got.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || !strings.Contains(got.Errors[0].Message, "300,000") {
			t.Errorf("%s: %v", name, got.Errors)
		}
	}
}

// Lists within lists multiply. An operation that leads to too many objects ends with one error, before it has loaded them.
func TestPlanner_too_many_objects(t *testing.T) {
	h := newHouse(t)
	a, _ := h.account("Acme", 100)
	id := domain.GlobalID("Account", a.ID)
	const level = `contacts(first: 100) { edges { node { lastName account { `
	two := h.do(`{ node(id: "`+id+`") { ... on Account { `+level+level+` name`+strings.Repeat(" }", 8)+` } } }`, nil)
	if len(two.Errors) > 0 {
		t.Error(two.Errors)
	}
	three := h.do(`{ node(id: "`+id+`") { ... on Account { `+level+level+level+` name`+strings.Repeat(" }", 12)+` } } }`, nil)
	h.same("three levels", three.Data, `{"node": null}`)
	if len(three.Errors) != 1 || three.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || !strings.Contains(three.Errors[0].Message, "50,000") {
		t.Errorf("%+v", three.Errors)
	}
}

// What is only counted is asked about nothing but its existence, and what the filter needs.
func TestPlanner_total(t *testing.T) {
	h := newHouse(t)
	h.account("Acme", 40)
	a := h.do(`{ viewer { accounts { edges { node { contacts(first: 2, filter: {state: ACTIVE}) { totalCount edges { node { email viewerCan { editContact } } } } } } } } }`, nil)
	h.same("total", a.Data["viewer"].(map[string]any)["accounts"].(map[string]any)["edges"].([]any)[0].(map[string]any)["node"].(map[string]any)["contacts"].(map[string]any)["totalCount"], `40`)
	h.asked(2)
	for permission, want := range map[string]int{"view_contacts": 40, "view_contact_details": 40, "edit_contact": 3} {
		if n := h.times(permission); n != want {
			t.Errorf("%s was asked %d times, want %d", permission, n, want)
		}
	}
	h.want(`{ viewer { accounts { edges { node { contacts(first: 0) { pageInfo { hasNextPage } } } } } } }`,
		`{"viewer": {"accounts": {"edges": [{"node": {"contacts": {"pageInfo": {"hasNextPage": true}}}}]}}}`)
	if n := h.times("view_contacts"); n != 1 {
		t.Errorf("without a total, %d contacts were asked about", n)
	}
}

// times counts how often the last operation asked for a permission.
func (h *house) times(permission string) (n int) {
	for _, qs := range h.checker.calls {
		for _, q := range qs {
			if q.Permission == permission {
				n++
			}
		}
	}
	return n
}

// What hangs off a refused field is not even loaded.
func TestPlanner_refused_child(t *testing.T) {
	h := newHouse(t)
	a, _ := h.account("Acme", 2)
	h.update(func(tx *store.Tx) error {
		return tx.InsertAudit(h.Context(), domain.AuditEntry{ID: domain.NewID[domain.AuditID](), AccountID: a.ID, At: h.now, Action: "x"})
	})
	query := `{ viewer { accounts { edges { node { auditLog { edges { node { action } } } } } } } }`
	h.do(query, nil)
	if n := h.times("view_audit_log"); n != 2 { // the field's, the entry's
		t.Errorf("asked %d times", n)
	}
	h.checker.denied["#view_audit_log"] = true
	h.do(query, nil)
	if n := h.times("view_audit_log"); n != 1 {
		t.Errorf("asked %d times although the field is refused", n)
	}
}
