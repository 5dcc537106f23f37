package browser

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/demo"
)

const (
	company  = "Alder & Finch Bakery"
	owner    = "olivia.owner@alderfinch.example"
	billing  = "bill.billing@alderfinch.example"
	stranger = "zack.stranger@elsewhere.example"
)

// TestPlayground opens the playground of one demo server; each case has a browser and a profile of its own.
func TestPlayground(t *testing.T) {
	s := startDemo(t, installed(t))
	for _, c := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"one query as three people", testThreePeople},
		{"nobody's token is kept", testTokensAreNotKept},
		{"everybody is in the list", testEverybodyIsInTheList},
		{"an answer says whose it is", testAnswerSaysWhose},
		{"reload keeps the person", testReload},
		{"the first examples run", testExamples},
		{"the documentation names permissions", testDocumentation},
		{"an invitation is accepted", testInvitation}, // the stranger is none afterwards
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

const onePage = `query OnePage($id: ID!) {
  viewer {
    user { email }
    accounts(first: 10) { totalCount edges { node { name } } }
  }
  node(id: $id) {
    ... on Account {
      name
      owner { lastName email }
      contacts(first: 50) { totalCount edges { node { firstName lastName accountTypes email phone permissions personKind } } }
      auditLog(first: 1) { edges { node { action } } }
      viewerCan { viewAuditLog addContact editAccount transferOwnership }
    }
  }
}`

// testThreePeople asks the same query as the owner, as a contact with BILLING only and as a stranger, who is chosen in the
// list, and compares the three answers on show field by field.
func testThreePeople(t *testing.T, s *site) {
	id := s.accountID(t)
	p := open(t, s, "/")
	p.write(onePage)
	p.wait("the editor for variables", `!!`+editor("variables.json"))
	p.run(editor("variables.json") + `.setValue(` + quote(`{"id": `+quote(id)+`}`) + `)`)

	p.choose(owner)
	full := p.execute()
	p.picture("owner")
	p.choose(billing)
	part := p.execute()
	p.picture("billing")
	p.choose(stranger)
	none := p.execute()
	p.picture("stranger")

	if len(full.Errors) > 0 {
		t.Errorf("the owner's page has errors: %+v", full.Errors)
	}
	account := at[map[string]any](t, full.Data, "node")
	contacts := at[[]any](t, account, "contacts", "edges")
	if len(contacts) < 10 {
		t.Fatalf("the owner sees %d contacts, want all of %s", len(contacts), company)
	}
	for _, edge := range contacts {
		c := at[map[string]any](t, edge, "node")
		if email, _ := c["email"].(string); strings.Contains(email, "@") != (c["personKind"] != "SERVICE_ACCOUNT") || c["permissions"] == nil {
			t.Errorf("the owner does not see e-mail and permissions of %v", c)
		}
	}
	if can := account["viewerCan"]; !reflect.DeepEqual(can, map[string]any{"viewAuditLog": true, "addContact": true, "editAccount": true, "transferOwnership": true}) {
		t.Errorf("the owner can %v", can)
	}
	if len(at[[]any](t, account, "auditLog", "edges")) != 1 {
		t.Error("the owner sees no audit log")
	}

	// What billing sees is the owner's page without the details of others, without the audit log and with other answers.
	own := 0
	for _, edge := range contacts {
		c := at[map[string]any](t, edge, "node")
		if c["email"] == billing {
			own++
			continue
		}
		c["email"], c["phone"], c["permissions"], c["personKind"] = nil, nil, nil, nil
	}
	if own != 1 {
		t.Fatalf("%d contacts have the address %s", own, billing)
	}
	at[map[string]any](t, account, "owner")["email"] = nil
	account["auditLog"] = nil
	account["viewerCan"] = map[string]any{"viewAuditLog": false, "addContact": false, "editAccount": false, "transferOwnership": false}
	at[map[string]any](t, full.Data, "viewer", "user")["email"] = billing
	if !reflect.DeepEqual(part.Data, full.Data) {
		t.Errorf("a contact with BILLING only sees\n%v\nwant\n%v", part.Data, full.Data)
	}
	if got, want := refusals(t, part), map[string]int{"view_contact_details": 4, "view_audit_log": 1}; !maps.Equal(got, want) {
		t.Errorf("refused were %v, want one for each type and field: %v", got, want)
	}

	if len(none.Errors) > 0 {
		t.Errorf("the stranger's page tells that something is hidden: %+v", none.Errors)
	}
	want := map[string]any{"node": nil, "viewer": map[string]any{
		"user": map[string]any{"email": stranger}, "accounts": map[string]any{"totalCount": 0.0, "edges": []any{}},
	}}
	if !reflect.DeepEqual(none.Data, want) {
		t.Errorf("the stranger sees\n%v\nwant\n%v", none.Data, want)
	}
}

// refusals counts the FORBIDDEN errors of an answer by the permission that was missing. Nothing else may be among them.
func refusals(t *testing.T, a answer) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, e := range a.Errors {
		required, _ := e.Extensions["required"].(string)
		if e.Extensions["code"] != "FORBIDDEN" || required == "" || len(e.Path) == 0 {
			t.Errorf("an error that is no refusal: %+v", e)
		}
		out[required]++
	}
	return out
}

func (s *site) accountID(t *testing.T) string {
	t.Helper()
	data := s.ask(t, owner, `{ viewer { accounts(first: 1) { edges { node { id name } } } } }`, nil)
	node := at[map[string]any](t, at[[]any](t, data, "viewer", "accounts", "edges")[0], "node")
	if node["name"] != company {
		t.Fatalf("the owner's account is %v, want %s", node["name"], company)
	}
	return node["id"].(string)
}

// at walks into an answer.
func at[T any](t *testing.T, from any, path ...string) T {
	t.Helper()
	for i, step := range path {
		m, ok := from.(map[string]any)
		if !ok {
			t.Fatalf("there is no %s in %v", strings.Join(path[:i+1], "."), from)
		}
		from = m[step]
	}
	v, ok := from.(T)
	if !ok {
		t.Fatalf("%s is %v", strings.Join(path, "."), from)
	}
	return v
}

// testTokensAreNotKept looks everywhere that outlives a request for the tokens that the requests carried.
func testTokensAreNotKept(t *testing.T, s *site) {
	p := open(t, s, "/")
	p.write(`{ viewer { user { email } } }`)
	for _, who := range []string{owner, stranger} {
		p.choose(who)
		if a := p.execute(); at[string](t, a.Data, "viewer", "user", "email") != who {
			t.Errorf("%v was answered to %s", a.Data, who)
		}
	}
	requested, policy, bearers := p.seen()
	if len(bearers) != 2 {
		t.Fatalf("the requests carried %d tokens, want those of two people", len(bearers))
	}
	kept := read[string](p, `JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state,
		document.documentElement.outerHTML, __MONACO.editor.getModels().map((m) => m.getValue())])`)
	for _, token := range bearers {
		if parts := strings.Split(token, "."); strings.Contains(kept, parts[len(parts)-1]) {
			t.Errorf("a token is kept in the page: %s", kept)
		}
	}
	if strings.Contains(kept, "Bearer") {
		t.Errorf("the page holds a token: %s", kept)
	}
	csp := policy["/"]
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(csp+";", want) {
			t.Errorf("the page's policy is %q, without %s", csp, want)
		}
	}
	if !slices.Contains(requested, "/graphql") || !slices.Contains(requested, "/demo/token") {
		t.Errorf("requested were %v: the listener missed what it had to see", requested)
	}
}

func testEverybodyIsInTheList(t *testing.T, s *site) {
	p := open(t, s, "/")
	shown := read[[]string](p, `[...document.querySelectorAll('#as-whom option')].map((o) => o.value)`)
	want := []string{""}
	for _, person := range demo.People() {
		want = append(want, person.Email)
	}
	if !slices.Equal(shown, want) {
		t.Errorf("the list shows %v, want nobody and then %v", shown, want)
	}
	p.choose("")
	p.write(`{ viewer { user { email } } }`)
	a := p.execute()
	p.picture("anonymous")
	if a.Data["viewer"] != nil || len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "UNAUTHENTICATED" {
		t.Errorf("nobody is answered %+v", a)
	}
}

// testAnswerSaysWhose changes the person under an answer: the page must not pass it off as the new person's.
func testAnswerSaysWhose(t *testing.T, s *site) {
	p := open(t, s, "/")
	p.choose(owner)
	p.write(`{ viewer { user { email } } }`)
	p.execute()
	p.choose(billing)
	p.wait("a warning that the answer is another's", `document.querySelector('#answered[data-stale="true"]')?.textContent.includes(`+quote(owner)+`)`)
	p.picture("stale")
}

func testReload(t *testing.T, s *site) {
	p := open(t, s, "/")
	p.choose(billing)
	p.run(`globalThis.before = true`)
	p.run(`location.reload()`)
	p.settle()
	if got := p.asks(); got != billing {
		t.Errorf("after a reload %q asks, want %s", got, billing)
	}
	p.write(`{ viewer { user { email } } }`)
	if a := p.execute(); at[string](t, a.Data, "viewer", "user", "email") != billing {
		t.Errorf("after a reload %v was answered", a.Data)
	}
}

// settle waits for the page that comes after the one in which `before` was set. A poll does not survive the change.
func (p *page) settle() {
	p.Helper()
	for deadline := time.Now().Add(patience); ; {
		ready, err := evaluate[bool](p, `!globalThis.before && !!globalThis.__MONACO && !!document.querySelector('.graphiql-query-editor .view-line') && !document.querySelector('#examples').disabled`)
		if err == nil && ready {
			return
		}
		if time.Now().After(deadline) {
			p.fatal(err)
		}
	}
}

// testExamples runs what the first visit shows: each tab that reads something, as the owner.
func testExamples(t *testing.T, s *site) {
	p := open(t, s, "/")
	p.choose(owner)
	tabs := read[[]string](p, `[...document.querySelectorAll('.graphiql-tab .graphiql-tab-button')].map((b) => b.textContent)`)
	if len(tabs) < 3 {
		t.Fatalf("the first visit shows the tabs %v", tabs)
	}
	ran := 0
	for i, name := range tabs {
		p.run(`document.querySelectorAll('.graphiql-tab .graphiql-tab-button')[` + quote(string(rune('0'+i))) + `].click()`)
		p.wait("the tab "+name, `document.querySelectorAll('.graphiql-tab')[`+quote(string(rune('0'+i)))+`].classList.contains('graphiql-tab-active')`)
		if !strings.Contains(read[string](p, editor("operation.graphql")+`.getValue()`), "query "+name) {
			continue // a mutation wants its variables filled in first
		}
		if a := p.execute(); len(a.Errors) > 0 || len(at[[]any](t, a.Data, "viewer", "accounts", "edges")) == 0 {
			t.Errorf("the example %s is answered %+v", name, a)
		}
		p.picture(name)
		ran++
	}
	if ran < 2 {
		t.Errorf("%d of the tabs %v are queries", ran, tabs)
	}
}

// testDocumentation opens the documentation of a field and reads which permission it needs.
func testDocumentation(t *testing.T, s *site) {
	p := open(t, s, "/")
	p.choose(stranger)
	p.run(`document.querySelector('button[aria-label="Show Documentation Explorer"]').click()`)
	follow := func(selector, text string) {
		t.Helper()
		find := `[...document.querySelectorAll('.graphiql-doc-explorer ` + selector + `')].find((e) => e.textContent === ` + quote(text) + `)`
		p.wait("the documentation's link "+text, `!!`+find)
		p.run(find + `.click()`)
	}
	follow(".graphiql-doc-explorer-type-name", "Query")
	follow(".graphiql-doc-explorer-type-name", "Viewer")
	follow(".graphiql-doc-explorer-type-name", "AccountConnection")
	follow(".graphiql-doc-explorer-type-name", "AccountEdge")
	follow(".graphiql-doc-explorer-type-name", "Account")
	follow(".graphiql-doc-explorer-field-name", "auditLog")
	p.wait("the field's documentation", `(document.querySelector('.graphiql-doc-explorer')?.textContent ?? '').includes('view_audit_log')`)
	p.picture("field")
	if text := read[string](p, `document.querySelector('.graphiql-doc-explorer').textContent`); !strings.Contains(text, "refused, it is null") {
		t.Errorf("the documentation of auditLog says %q", text)
	}
}

// testInvitation follows the link of a mailed invitation, as the person whom it was sent to, to its end.
func testInvitation(t *testing.T, s *site) {
	data := s.ask(t, owner, `mutation ($input: AddContactInput!) { addContact(input: $input) { contact { id } userErrors { message } } }`, map[string]any{
		"input": map[string]any{"accountId": s.accountID(t), "firstName": "Zack", "lastName": "Stranger", "email": stranger, "permissions": []string{"BILLING"}},
	})
	at[string](t, data, "addContact", "contact", "id")
	mails := at[[]any](t, s.ask(t, stranger, `{ viewer { mailbox { text } } }`, nil), "viewer", "mailbox")
	if len(mails) != 1 {
		t.Fatalf("the invited has %d mails", len(mails))
	}
	_, link, _ := strings.Cut(at[string](t, mails[0], "text"), s.base)
	path := strings.Fields(link)[0] // "/#invitation=TOKEN"
	secret, ok := strings.CutPrefix(path, "/#invitation=")
	if !ok {
		t.Fatalf("the mail's link is %s", path)
	}

	p := open(t, s, path)
	p.choose(stranger)
	p.wait("a tab with the mutation", editor("operation.graphql")+`.getValue().includes('mutation AcceptInvitation')`)
	if address := read[string](p, `location.href`); address != s.base+"/" {
		t.Errorf("the location bar still shows %s", address)
	}
	if variables := read[string](p, editor("variables.json")+`.getValue()`); !strings.Contains(variables, secret) {
		t.Errorf("the variables are %s, without the invitation's token", variables)
	}
	p.picture("link")
	a := p.execute()
	p.picture("accepted")
	if name := at[string](t, a.Data, "acceptInvitation", "contact", "lastName"); name != "Stranger" || len(a.Errors) > 0 {
		t.Errorf("accepting was answered %+v", a)
	}
	p.write(`{ viewer { accounts { edges { node { name } } } } }`)
	if a := p.execute(); len(at[[]any](t, a.Data, "viewer", "accounts", "edges")) != 1 {
		t.Errorf("after accepting, the page shows %v", a.Data)
	}
}
