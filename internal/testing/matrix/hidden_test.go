package matrix

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

var requestID = regexp.MustCompile(`"requestId":"[^"]*"`)

// withoutRequestID is the body of an answer with its request ids taken out: two that are equal tell the same.
func withoutRequestID(res world.Response) []byte {
	return bytes.TrimSpace(requestID.ReplaceAll(res.Body, nil))
}

// inventions are ids that stand for nothing: one that was never given out, one of another type, and what is no id at all.
func inventions(typ string) []string {
	return []string{
		domain.GlobalID(typ, domain.NewID[domain.AccountID]()), domain.GlobalID("Unheard", domain.NewID[domain.AccountID]()),
		domain.GlobalID(typ, domain.AccountID("x")), "no id", "",
	}
}

// hiddenObjects are one object of each type that has an id, and who must not see it.
type hiddenObject struct {
	typ, id string
	from    []Kind
}

func hiddenObjects(t *testing.T, w *world.World, a *world.Account) []hiddenObject {
	t.Helper()
	owner := a.As(t, world.Owner)
	entry := w.Must(t, owner, operation{name: "editAccount"}.document(), world.Vars{"input": world.Vars{"accountId": a.ID, "phone": "+1 555 0101"}})
	job := w.Upload(t, owner, importAccounts, world.Vars{"input": world.Vars{}}, importCases[1].files(a, "x@world.example"))
	finished(t, w, owner, job.Text("importAccounts.job.id"))
	c := &cell{TB: t, w: w, a: a}
	readers := func(may []Kind) []Kind {
		return slices.DeleteFunc(slices.Clone(world.Callers), func(k Kind) bool { return slices.Contains(may, k) || k == world.Disabled })
	}
	return []hiddenObject{
		{"Account", a.ID, readers(kinds(members, staff))},
		{"Contact", a.Contact(world.Target), readers(kinds(members, staff))},
		{"ApiToken", a.TokenID, readers(kinds(only(world.Owner), admins))},
		{"ApiToken", c.tokenOf(world.Target), readers(nobody)},
		{"AuditEntry", entry.Text("editAccount.auditId"), readers(kinds(only(world.Owner), admins))},
		{"AuditEntry", accountless(t, w), readers(nobody)},
		// The narrowed token is the owner's, and a job is nobody's but its starter's; its scope lets no view_job through.
		{"ImportJob", job.Text("importAccounts.job.id"), readers(only(world.Owner))},
		{"User", domain.GlobalID("User", domain.UserID(owner.Is.ID)), readers(nobody)},
		{"ServiceAccount", domain.GlobalID("ServiceAccount", domain.ServiceAccountID(a.As(t, world.ServiceAccount).Is.ID)), readers(nobody)},
	}
}

// accountless is an entry of the audit log that concerns the platform as a whole: nobody reads it through the API.
func accountless(t *testing.T, w *world.World) (id string) {
	t.Helper()
	w.View(t, func(ctx context.Context, tx *store.Tx) error {
		entries, err := tx.AuditPage(ctx, []domain.AccountID{""}, store.AuditQuery{Order: store.Order{Field: store.OrderAt}, Page: store.Page{Limit: 1}})
		if err == nil {
			id = domain.GlobalID("AuditEntry", entries[""][0].ID)
		}
		return err
	})
	return id
}

// A hidden object of any type answers exactly as an id that was never given out: through node, through nodes, and for an object
// that asks for everything.
func hiddenReadsAnswerAsForAnInventedID(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	w.Other(t)
	const everything = `{ __typename id
		... on Account { name viewerCan { editAccount } auditLog { totalCount } contacts { totalCount } }
		... on Contact { lastName email invitation { email } account { id } apiTokens { id } viewerCan { removeContact } }
		... on ApiToken { name scope { permissions } viewerCan { revokeApiToken } }
		... on AuditEntry { action changes { field } } ... on ImportJob { state problems { line } } }`
	for _, o := range hiddenObjects(t, w, a) {
		for _, who := range r.callers(o.from) {
			for _, query := range []string{
				`query($id: ID!) { node(id: $id) ` + everything + ` }`,
				`query($id: ID!) { nodes(ids: [$id, $id]) ` + everything + ` }`,
				`query($id: ID!) { change(id: $id) { id operation } }`,
			} {
				hidden := w.Do(t, a.As(t, who), query, world.Vars{"id": o.id})
				for _, id := range inventions(o.typ) {
					invented := w.Do(t, a.As(t, who), query, world.Vars{"id": id})
					if !bytes.Equal(withoutRequestID(hidden), withoutRequestID(invented)) {
						t.Errorf("%s: a hidden %s answers %s, %q answers %s", who, o.typ, hidden.Body, id, invented.Body)
					}
				}
				if hidden.Get("node") != nil || hidden.Get("nodes.0") != nil || hidden.Get("change") != nil {
					t.Errorf("%s sees a hidden %s: %s", who, o.typ, hidden.Body)
				}
			}
		}
	}
}

// Each mutation that names an object answers for a hidden one exactly as for an invented one, also on its way with an
// idempotency key, and whatever else is in its input.
func hiddenMutationsAnswerAsForAnInventedID(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	o := w.Other(t)
	key := 0
	for _, op := range allOperations() {
		if op.law == "" || op.law == "create_account" {
			continue
		}
		c := &cell{TB: t, w: w, a: a, o: o, op: &op, row: op.rows[0], who: world.Owner, caller: a.As(t, world.Owner)}
		in := op.input(c)
		field, typ := idField(in)
		for _, who := range r.callers(kinds(outside, only(world.Anonymous))) {
			for _, again := range []bool{false, true} {
				answer := func(id string) []byte {
					in[field] = id
					delete(in, "idempotencyKey")
					if again {
						key++
						in["idempotencyKey"] = fmt.Sprint("key-", key)
					}
					return withoutRequestID(w.Do(t, a.As(t, who), op.document(), world.Vars{"input": in}))
				}
				hidden := answer(map[string]string{"accountId": a.ID, "contactId": a.Contact(world.Target), "apiTokenId": a.TokenID}[field])
				for _, id := range inventions(typ) {
					if invented := answer(id); !bytes.Equal(hidden, invented) {
						t.Errorf("%s as %s: hidden %s, %q %s", op.title(), who, hidden, id, invented)
					}
				}
			}
		}
	}
}

// idField is the field of an input that names the object, and the object's type.
func idField(in world.Vars) (field, typ string) {
	for field, typ := range map[string]string{"accountId": "Account", "contactId": "Contact", "apiTokenId": "ApiToken"} {
		if _, ok := in[field]; ok {
			return field, typ
		}
	}
	panic("the input names no object")
}

// Ids that stand beside the object in an input tell nothing either.
func hiddenFurtherIDsInInputs(t *testing.T, r run) {
	w := r.w
	a, o := w.Account(t), w.Other(t)
	transfer := operation{name: "transferOwnership"}.document()
	token := `mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { userErrors { code field message } } }`
	answer := func(query string, in world.Vars) []byte {
		return withoutRequestID(w.Do(t, a.As(t, world.Owner), query, world.Vars{"input": in}))
	}
	hidden := answer(transfer, world.Vars{"accountId": a.ID, "toContactId": o.Contact(world.Target)})
	invented := answer(transfer, world.Vars{"accountId": a.ID, "toContactId": inventions("Contact")[0]})
	if !bytes.Equal(hidden, invented) {
		t.Errorf("toContactId: hidden %s, invented %s", hidden, invented)
	}
	scope := func(id string) world.Vars {
		return world.Vars{"name": "n", "scope": world.Vars{"permissions": []string{"view_account"}, "accountIds": []string{id}}}
	}
	hidden, invented = answer(token, scope(o.ID)), answer(token, scope(inventions("Account")[0]))
	if !bytes.Equal(hidden, invented) {
		t.Errorf("scope: hidden %s, invented %s", hidden, invented)
	}
}

// A payload shows of the changed object what its caller may see, and no more: here the scope of a token, or the change itself, has
// left nothing to see.
func hiddenPayloads(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	narrowed := func(permissions ...string) world.Person {
		res := w.Must(t, a.As(t, world.Owner), `mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { secret } }`,
			world.Vars{"input": world.Vars{"name": "n", "scope": world.Vars{"permissions": permissions}}})
		return world.Person{Token: res.Text("createApiToken.secret")}
	}
	add := func(who world.Person, email string) world.Response {
		return w.Do(t, who, `mutation($input: AddContactInput!) { addContact(input: $input) { userErrors { code } contact { id email account { id } apiTokens { id } invitation { email } } } }`,
			world.Vars{"input": world.Vars{"accountId": a.ID, "firstName": "N", "lastName": "N", "email": email}})
	}
	for _, c := range []struct {
		name string
		as   world.Person
		want map[string]bool // what of the payload is there
	}{
		{"no view of contacts", narrowed("view_account", "add_contact"), nil},
		{"no view of details", narrowed("view_account", "view_contacts", "add_contact"), map[string]bool{"id": true, "account": true}},
		{"a contact manager", a.As(t, world.ContactManagement), map[string]bool{"id": true, "account": true, "email": true, "invitation": true}},
		{"the owner", a.As(t, world.Owner), map[string]bool{"id": true, "account": true, "email": true, "invitation": true, "apiTokens": true}},
	} {
		res := add(c.as, fmt.Sprintf("n%d@world.example", len(c.name)))
		if (res.Get("addContact.contact") != nil) != (c.want != nil) || res.Get("addContact.userErrors") == nil {
			t.Errorf("%s: %s", c.name, res.Body)
		}
		for _, field := range []string{"id", "account", "email", "invitation", "apiTokens"} {
			if (res.Get("addContact.contact."+field) != nil) != c.want[field] {
				t.Errorf("%s, %s: %s", c.name, field, res.Body)
			}
		}
	}
	// Without view_account an account's field of a contact is absent, and so is whatever stands below it.
	res := w.Do(t, narrowed("view_contacts"), `query($id: ID!) { node(id: $id) { id ... on Contact { account { id name auditLog { totalCount } } } } }`,
		world.Vars{"id": a.Contact(world.Target)})
	if res.Text("node.id") == "" || res.Get("node.account") != nil || len(res.Errors) > 0 {
		t.Errorf("an account that is hidden is shown through its contact: %s", res.Body)
	}
}

// Who made a change finds it, and nobody else does.
func hiddenChanges(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	w.Must(t, a.As(t, world.Admin), operation{name: "grantPermission"}.document(), world.Vars{"input": world.Vars{
		"contactId": a.Contact(world.Target), "permission": "BILLING",
	}})
	id := domain.GlobalID("Change", w.LastChange(t))
	for _, who := range r.callers(world.Callers) {
		res := w.Do(t, a.As(t, who), `query($id: ID!) { change(id: $id) { id operation effective } }`, world.Vars{"id": id})
		if (res.Text("change.operation") == "grant_permission") != (who == world.Admin) || (res.Get("change") != nil) != (who == world.Admin) {
			t.Errorf("%s finds %s", who, res.Body)
		}
	}
}
