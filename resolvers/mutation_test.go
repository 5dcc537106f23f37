package resolvers_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"steward/internal/domain"
	"steward/internal/store"
)

// The object in a payload is guarded and planned like one that is read.
func TestMutation_payload(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 3)
	h.account("Beta", 1)
	edit := func(fields string) answer {
		h.Helper()
		return h.do(`mutation { editAccount(input: {accountId: "`+domain.GlobalID("Account", a.ID)+`", `+fields+`}) {
			account { name website phone viewerCan { editAccount transferOwnership } auditLog { totalCount } owner { email } contacts { edges { node { lastName email } } } }
			auditId userErrors { code field message } } }`, nil)
	}
	h.checker.deny("account", string(a.ID), "transfer_ownership", "view_audit_log")
	h.checker.deny("contact", string(cs[0].ID), "view_contacts")
	h.checker.deny("contact", string(cs[2].ID), "view_contact_details")
	got := edit(`website: "https://acme.example", phone: ""`)
	h.asked(4) // before the mutation, under the lock, the account, its owner and contacts
	payload := got.Data["editAccount"].(map[string]any)
	h.same("account", payload["account"], `{"name": "Acme", "website": "https://acme.example", "phone": null, "viewerCan": {"editAccount": true, "transferOwnership": false},
		"auditLog": null, "owner": null, "contacts": {"edges": [{"node": {"lastName": "C01", "email": "c01@acme.example"}}, {"node": {"lastName": "C02", "email": null}}]}}`)
	h.same("userErrors", payload["userErrors"], `[]`)
	if id, _ := payload["auditId"].(string); id == "" {
		t.Error("no auditId")
	} else if typ, _, _ := domain.ParseGlobalID(id); typ != "AuditEntry" {
		t.Errorf("auditId is of type %q", typ)
	}
	if codes := codesOf(got); codes != "FORBIDDEN FORBIDDEN" {
		t.Errorf("errors %s: %+v", codes, got.Errors)
	}
	for fields, want := range map[string]string{
		`name: "beta"`:     "CONFLICT name",
		`website: "ftp:x"`: "BAD_USER_INPUT website",
	} {
		payload := edit(fields).Data["editAccount"].(map[string]any)
		mend := payload["userErrors"].([]any)[0].(map[string]any)
		if got := fmt.Sprint(mend["code"], " ", mend["field"]); got != want || payload["account"] != nil || payload["auditId"] != nil || mend["message"] == "" {
			t.Errorf("%s: %v", fields, payload)
		}
	}
	if codes := codesOf(edit(`name: "` + strings.Repeat("x", 300) + `"`)); codes != "" {
		t.Errorf("a fault of the input is no error of the request: %s", codes)
	}
}

func codesOf(a answer) string {
	var codes []string
	for _, e := range a.Errors {
		codes = append(codes, fmt.Sprint(e.Extensions["code"]))
	}
	return strings.Join(codes, " ")
}

func TestMutation_refused(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 3)
	contact := domain.GlobalID("Contact", cs[2].ID)
	edit := func(id, fields string) answer {
		h.Helper()
		return h.do(`mutation ($c: ID!) { editContact(input: {contactId: $c, `+fields+`}) { contact { id } userErrors { code } } }`, map[string]any{"c": id})
	}
	for _, id := range []string{"", "nonsense", domain.GlobalID("Account", a.ID), domain.GlobalID("Contact", domain.ContactID("x")), domain.GlobalID("Account", domain.AccountID(cs[2].ID))} {
		if got := edit(id, `phone: "+1 555 0100"`); codesOf(got) != "NOT_FOUND" || got.Data["editContact"] != nil {
			t.Errorf("%q: %+v", id, got)
		}
	}
	if got := edit(contact, `phone: "+1 555 0100", email: null`); codesOf(got) != "" {
		t.Errorf("allowed: %+v", got.Errors)
	}
	keep := func(want string) {
		h.Helper()
		h.want(`{ node(id: "`+contact+`") { ... on Contact { messageOptOuts firstName } } }`, `{"node": {"messageOptOuts": `+want+`, "firstName": "F"}}`)
	}
	edit(contact, `messageOptOuts: [INVOICE, CASE_COMMENT]`)
	keep(`["CASE_COMMENT", "INVOICE"]`)
	edit(contact, `phone: "+1 555 0100"`)
	keep(`["CASE_COMMENT", "INVOICE"]`)
	edit(contact, `messageOptOuts: []`)
	keep(`[]`)
	h.checker.deny("contact", string(cs[2].ID), "edit_contact_email")
	if got := edit(contact, `phone: "+1 555 0101"`); codesOf(got) != "" {
		t.Errorf("a field that is not given needs nothing: %+v", got.Errors)
	}
	got := edit(contact, `phone: "+1 555 0102", email: "new@example.org"`)
	if codesOf(got) != "FORBIDDEN" || got.Errors[0].Extensions["required"] != "edit_contact_email" || got.Errors[0].Extensions["reason"] != "permission_not_held" {
		t.Errorf("email: %+v", got.Errors)
	}
	h.checker.deny("contact", string(cs[2].ID), "edit_contact")
	if got := edit(contact, `phone: "+1 555 0103"`); codesOf(got) != "FORBIDDEN" || got.Errors[0].Extensions["required"] != "edit_contact" {
		t.Errorf("edit_contact: %+v", got.Errors)
	}
	h.checker.deny("contact", string(cs[2].ID), "view_contacts")
	if got := edit(contact, `phone: "+1 555 0104"`); codesOf(got) != "NOT_FOUND" {
		t.Errorf("hidden: %+v", got.Errors)
	}
	h.want(`{ node(id: "`+domain.GlobalID("Contact", cs[1].ID)+`") { id } }`, `{"node": {"id": "`+domain.GlobalID("Contact", cs[1].ID)+`"}}`)
	h.actor = domain.Actor{}
	if got := edit(contact, `phone: "+1 555 0105"`); codesOf(got) != "UNAUTHENTICATED" {
		t.Errorf("anonymous: %+v", got.Errors)
	}
}

// The input may come as one variable, and its fields as variables of their own.
func TestMutation_variables(t *testing.T) {
	h := newHouse(t)
	_, cs := h.account("Acme", 3)
	h.checker.deny("contact", string(cs[2].ID), "edit_contact_email")
	id := domain.GlobalID("Contact", cs[2].ID)
	one := h.do(`mutation ($in: EditContactInput!) { editContact(input: $in) { contact { phone } } }`,
		map[string]any{"in": map[string]any{"contactId": id, "phone": "+1 555 0100"}})
	h.same("one variable", one.Data, `{"editContact": {"contact": {"phone": "+1 555 0100"}}}`)
	refused := h.do(`mutation ($in: EditContactInput!) { editContact(input: $in) { contact { phone } } }`,
		map[string]any{"in": map[string]any{"contactId": id, "email": "new@example.org"}})
	if codesOf(refused) != "FORBIDDEN" {
		t.Errorf("one variable: %+v", refused)
	}
	const fields = `mutation ($id: ID!, $mail: String) { editContact(input: {contactId: $id, email: $mail}) { contact { email } userErrors { code } } }`
	if got := h.do(fields, map[string]any{"id": id, "mail": "new@example.org"}); codesOf(got) != "FORBIDDEN" {
		t.Errorf("fields as variables: %+v", got)
	}
	for _, given := range []map[string]any{{"id": id}, {"id": id, "mail": nil}} {
		if got := h.do(fields, given); codesOf(got) != "" {
			t.Errorf("null is left out: %+v", got)
		}
	}
}

func TestMutation_gone(t *testing.T) {
	h := newHouse(t)
	_, cs := h.account("Acme", 3)
	id := domain.GlobalID("Contact", cs[2].ID)
	got := h.do(`mutation ($c: ID!) { removeContact(input: {contactId: $c, reason: "left"}) { contactId auditId userErrors { code } } }`, map[string]any{"c": id})
	if p, _ := got.Data["removeContact"].(map[string]any); p["contactId"] != id || p["auditId"] == nil || len(got.Errors) > 0 {
		t.Errorf("%+v", got)
	}
	other := domain.GlobalID("Contact", cs[1].ID)
	conflict := h.do(`mutation ($c: ID!) { removeContact(input: {contactId: $c, idempotencyKey: "`+strings.Repeat("k", 500)+`"}) { contactId auditId userErrors { code } } }`, map[string]any{"c": other})
	if p, _ := conflict.Data["removeContact"].(map[string]any); p["contactId"] != nil || p["auditId"] != nil || len(p["userErrors"].([]any)) != 1 {
		t.Errorf("not done: %+v", conflict)
	}
	again := h.do(`mutation ($c: ID!) { removeContact(input: {contactId: $c}) { contactId } }`, map[string]any{"c": id})
	if codesOf(again) != "NOT_FOUND" {
		t.Errorf("again: %+v", again)
	}
}

func TestMutation_tokens(t *testing.T) {
	h := newHouse(t)
	a, _ := h.account("Acme", 2)
	create := func(scope string) answer {
		h.Helper()
		return h.do(`mutation ($a: [ID!]) { noop: createApiToken(input: {name: "", scope: {accountIds: $a}}) { secret } createApiToken(input: {name: "ci", expiresInDays: 3, scope: `+scope+`}) { secret apiToken { name scope { permissions accountIds } } userErrors { code field } } }`,
			map[string]any{"a": []string{domain.GlobalID("Account", a.ID)}})
	}
	got := create(`{permissions: ["view_account"], accountIds: $a}`)
	p := got.Data["createApiToken"].(map[string]any)
	h.same("token", p["apiToken"], `{"name": "ci", "scope": {"permissions": ["view_account"], "accountIds": ["`+domain.GlobalID("Account", a.ID)+`"]}}`)
	if s, _ := p["secret"].(string); s == "" {
		t.Error("no secret")
	}
	for scope, want := range map[string]string{
		`{permissions: []}`:          `[{"code": "BAD_USER_INPUT", "field": "scope.permissions"}]`,
		`{accountIds: []}`:           `[{"code": "BAD_USER_INPUT", "field": "scope.accountIds"}]`,
		`{permissions: ["fly"]}`:     ``,
		`{accountIds: ["nonsense"]}`: ``,
	} {
		got := create(scope)
		p, _ := got.Data["createApiToken"].(map[string]any)
		if want != "" {
			h.same(scope, p["userErrors"], want)
		}
		if p["apiToken"] != nil || p["secret"] != nil {
			t.Errorf("%s: %+v", scope, got)
		}
	}
	h.actor.Scope = domain.Scope{Permissions: []string{"view_account"}}
	if got := create("null"); codesOf(got) != "FORBIDDEN FORBIDDEN" || got.Errors[0].Extensions["reason"] != "token_scope" {
		t.Errorf("narrowed: %+v", got)
	}
	h.want(`{ viewer { accounts { edges { node { name owner { id } } } } } }`, `{"viewer": {"accounts": {"edges": [{"node": {"name": "Acme", "owner": null}}]}}}`)
}

func TestMutation_import(t *testing.T) {
	h := newHouse(t)
	upload := func(b []byte) graphql.Upload {
		return graphql.Upload{File: bytes.NewReader(b), Filename: "c.csv", Size: int64(len(b))}
	}
	start := func(b []byte) answer {
		h.Helper()
		return h.do(`mutation ($f: Upload!) { importAccounts(input: {contacts: $f, dryRun: true}) { job { state dryRun done } userErrors { code field } } }`, map[string]any{"f": upload(b)})
	}
	h.account("Acme", 2)
	got := start([]byte("Company,First name,Last name,E-mail\nAcme,A,B,a@b.example\n"))
	p, _ := got.Data["importAccounts"].(map[string]any)
	if p["job"] == nil {
		t.Fatalf("%+v", got)
	}
	h.same("job", p["job"], `{"state": "QUEUED", "dryRun": true, "done": 0}`)
	got = start(make([]byte, 16<<20+1))
	p, _ = got.Data["importAccounts"].(map[string]any)
	h.same("too long", p["userErrors"], `[{"code": "BAD_USER_INPUT", "field": "contacts"}]`)
}

func TestQuery_invitation(t *testing.T) {
	h := newHouse(t)
	_, cs := h.account("Acme", 3)
	link := func(hash string, kind domain.LinkKind, created time.Duration, used bool) domain.Link {
		l := domain.Link{ID: domain.NewID[domain.LinkID](), Kind: kind, ContactID: cs[2].ID, Email: hash + "@x.example", Hash: []byte(hash), CreatedAt: h.now.Add(created), ExpiresAt: h.now.Add(time.Hour)}
		if used {
			l.VoidedAt = h.now
		}
		return l
	}
	h.update(func(tx *store.Tx) error {
		return tx.InsertLinks(h.Context(), []domain.Link{link("old", domain.LinkInvitation, -2*time.Hour, true), link("open", domain.LinkInvitation, -time.Hour, false), link("mail", domain.LinkConfirmEmail, 0, false)})
	})
	query := `{ node(id: "` + domain.GlobalID("Contact", cs[2].ID) + `") { ... on Contact { invitation { email sentAt expiresAt } } } }`
	h.want(query, `{"node": {"invitation": {"email": "open@x.example", "sentAt": "2026-03-01T08:30:00.000Z", "expiresAt": "2026-03-01T10:30:00.000Z"}}}`)
	h.asked(1)
	h.now = h.now.Add(2 * time.Hour)
	h.want(query, `{"node": {"invitation": null}}`)
}

func TestQuery_own(t *testing.T) {
	h := newHouse(t)
	mine := store.OutboxEntry{ID: domain.NewID[domain.ChangeID](), Operation: "grant_permission", Actor: h.actor.Person.String(), CreatedAt: h.now}
	other := store.OutboxEntry{ID: domain.NewID[domain.ChangeID](), Operation: "x", Actor: "user:other", CreatedAt: h.now}
	h.update(func(tx *store.Tx) error {
		return errors.Join(tx.AppendOutbox(h.Context(), mine), tx.AppendOutbox(h.Context(), other),
			tx.InsertMail(h.Context(), domain.Mail{ID: domain.NewID[domain.MailID](), To: "ADA@example.org", Subject: "s", Text: "t", CreatedAt: h.now}),
			tx.InsertMail(h.Context(), domain.Mail{ID: domain.NewID[domain.MailID](), To: "bob@example.org", Subject: "not hers", CreatedAt: h.now}))
	})
	id := domain.GlobalID("Change", mine.ID)
	h.want(`{ change(id: "`+id+`") { id operation effective createdAt } }`, `{"change": {"id": "`+id+`", "operation": "grant_permission", "effective": false, "createdAt": "2026-03-01T09:30:00.000Z"}}`)
	h.update(func(tx *store.Tx) error { return tx.MarkApplied(h.Context(), []domain.ChangeID{mine.ID}, h.now) })
	h.want(`{ change(id: "`+id+`") { effective } }`, `{"change": {"effective": true}}`)
	for _, id := range []string{domain.GlobalID("Change", other.ID), domain.GlobalID("Change", domain.NewID[domain.ChangeID]()), "x", domain.GlobalID("Account", mine.ID)} {
		h.want(`{ change(id: "`+id+`") { id } }`, `{"change": null}`)
	}
	h.want(`{ viewer { mailbox { to subject } } }`, `{"viewer": {"mailbox": [{"to": "ADA@example.org", "subject": "s"}]}}`)
	h.actor.EmailVerified = false
	h.want(`{ viewer { mailbox { to } user { emailVerified } } }`, `{"viewer": {"mailbox": [], "user": {"emailVerified": false}}}`)
}
