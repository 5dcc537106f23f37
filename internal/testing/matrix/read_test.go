package matrix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// view is one thing to be read, and who reads it. On the own contact, SELF reads it too where self is set.
type view struct {
	law    string
	fields []string // "Type.field"; those of a type without a permission of their own are named by the type alone
	may    []Kind
	self   []Kind
}

var views = []view{
	{law: "view_account", fields: []string{"Account"}, may: kinds(members, staff)},
	{law: "view_contacts", fields: []string{"Contact"}, may: kinds(members, staff)},
	{
		law: "view_contact_details", may: kinds(owner, admins, managers, staff), self: plain,
		fields: []string{
			"Contact.email", "Contact.pendingEmail", "Contact.phone", "Contact.permissions", "Contact.state", "Contact.personKind",
			"Contact.invitation", "Contact.messageOptOuts", "Invitation",
		},
	},
	{law: "view_audit_log", fields: []string{"Account.auditLog", "AuditEntry"}, may: kinds(owner, admins)},
	{law: "manage_service_accounts", fields: []string{"Contact.apiTokens"}, may: kinds(owner, admins)},
	{law: "view_api_token", fields: []string{"ApiToken"}, may: kinds(owner, admins), self: people},
	{law: "view_job", fields: []string{"ImportJob"}, self: kinds(people, only(world.ServiceAccount, world.NarrowedToken))},
}

func viewOf(law string) view {
	i := slices.IndexFunc(views, func(v view) bool { return v.law == law })
	return views[i]
}

// reads says whether who reads it of the target.
func (v view) reads(who, of Kind) bool {
	return slices.Contains(v.may, who) || who == of && slices.Contains(v.self, who)
}

const accountFields = `id name website phone address createdAt updatedAt owner { id } contacts(first: 100) { totalCount edges { node { id } } }`

func readsAccount(t *testing.T, r run) {
	w := r.w
	a, other := w.Account(t), w.Other(t)
	const query = `query($id: ID!) { node(id: $id) { id ... on Account { ` + accountFields + ` auditLog(first: 100) { totalCount edges { node { id action } } } } } }`
	for _, who := range r.callers(world.Callers) {
		res := w.Do(t, a.As(t, who), query, world.Vars{"id": a.ID})
		if !viewOf("view_account").reads(who, "") {
			absent(t, who, res, "node")
			continue
		}
		if res.Text("node.name") != a.Name || res.Text("node.owner.id") != a.Contact(world.Owner) ||
			res.Get("node.contacts.totalCount") != float64(len(a.Contacts)) || len(res.List("node.contacts.edges")) != len(a.Contacts) {
			t.Errorf("%s reads %s", who, res.Body)
		}
		refusedOrRead(t, who, res, "Account", "auditLog", "node.auditLog", "view_audit_log", 1, viewOf("view_audit_log").reads(who, ""))
		if res := w.Do(t, a.As(t, who), query, world.Vars{"id": other.ID}); !sees(who, there) {
			absent(t, who, res, "node")
		}
	}
}

// absent holds that what may not be seen is not there, without an error that would tell.
func absent(t *testing.T, who Kind, res world.Response, path string) {
	t.Helper()
	want := ""
	if who == world.Disabled {
		want = "UNAUTHENTICATED" // the token itself is refused
	}
	if res.Get(path) != nil || res.Code() != want {
		t.Errorf("%s must not see it: %s", who, res.Body)
	}
}

// refusedOrRead holds that a field has an answer, or is null with one error that tells what it needs.
func refusedOrRead(t *testing.T, who Kind, res world.Response, typ, field, path, needs string, count int, may bool) {
	t.Helper()
	e, refused := res.Refused(typ, field)
	if may {
		if refused && count == 0 {
			t.Errorf("%s was refused %s.%s: %v", who, typ, field, e)
		}
		if path != "" && res.Get(path) == nil {
			t.Errorf("%s may read %s.%s and got nothing: %s", who, typ, field, res.Body)
		}
		return
	}
	reason := "permission_not_held"
	if who == world.NarrowedToken {
		reason = "token_scope"
	}
	if !refused || e.Code() != "FORBIDDEN" || e.Text("required") != needs || e.Text("reason") != reason || e.Extensions["count"] != float64(count) {
		t.Errorf("%s: the refusal of %s.%s is %+v, want %s because of %s, %d times", who, typ, field, e, needs, reason, count)
	}
	if path != "" && res.Get(path) != nil {
		t.Errorf("%s reads %s.%s: %v", who, typ, field, res.Get(path))
	}
}

// detail fields of a contact, and what each must be when it may be read.
var details = map[string]func(c domain.Contact) any{
	"email":        func(c domain.Contact) any { return orNil(c.Email) },
	"pendingEmail": func(c domain.Contact) any { return orNil(c.PendingEmail) },
	"phone":        func(c domain.Contact) any { return orNil(c.Phone) },
	"permissions": func(c domain.Contact) any {
		list := []any{}
		for _, p := range c.Permissions.List() {
			list = append(list, p.String())
		}
		return list
	},
	"state": func(c domain.Contact) any { return string(c.State) },
	"personKind": func(c domain.Contact) any {
		return map[domain.PersonKind]string{"": "NONE", domain.PersonUser: "USER", domain.PersonServiceAccount: "SERVICE_ACCOUNT"}[c.Person.Kind]
	},
	"messageOptOuts": func(domain.Contact) any { return []any{"PRODUCT_UPDATE"} },
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func readsContactsFieldByField(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	a.Change(t, world.Target, func(c *domain.Contact) { c.PendingEmail = "pending@world.example" })
	targets := slices.Sorted(maps.Keys(a.Contacts))
	var ids []string
	for _, k := range targets {
		ids = append(ids, a.Contact(k))
	}
	const query = `query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Contact { firstName lastName accountTypes isOwner account { id }
		email pendingEmail phone permissions state personKind messageOptOuts invitation { email } apiTokens { id name } } } }`
	for _, who := range r.callers(world.Callers) {
		res := w.Do(t, a.As(t, who), query, world.Vars{"ids": ids})
		if !viewOf("view_contacts").reads(who, "") {
			for i := range ids {
				absent(t, who, res, fmt.Sprintf("nodes.%d", i))
			}
			continue
		}
		hidden, tokenless := 0, 0
		for i, of := range targets {
			at, row := fmt.Sprintf("nodes.%d.", i), a.Contacts[of]
			if of == world.Target {
				row.PendingEmail = "pending@world.example"
			}
			if res.Text(at+"firstName") != row.FirstName || res.Get(at+"isOwner") != row.Owner || res.Text(at+"account.id") != a.ID {
				t.Errorf("%s reads of %s: %v", who, of, res.Get(fmt.Sprintf("nodes.%d", i)))
			}
			readsDetails := viewOf("view_contact_details").reads(who, of)
			showsDetails(t, who, of, res, at, row, readsDetails)
			readsTokens := viewOf("manage_service_accounts").reads(who, "")
			if got := res.List(at + "apiTokens"); (len(got) == 1) != (readsTokens && of == world.ServiceAccount) {
				t.Errorf("%s reads the tokens of %s: %v", who, of, got)
			}
			if !readsDetails {
				hidden++
			}
			if !readsTokens {
				tokenless++
			}
		}
		for field := range details {
			refusedOrRead(t, who, res, "Contact", field, "", "view_contact_details", hidden, hidden == 0)
		}
		refusedOrRead(t, who, res, "Contact", "invitation", "", "view_contact_details", hidden, hidden == 0)
		refusedOrRead(t, who, res, "Contact", "apiTokens", "", "manage_service_accounts", tokenless, tokenless == 0)
	}
}

// showsDetails holds that every detail of a contact is what its row says, or null when it may not be read.
func showsDetails(t *testing.T, who, of Kind, res world.Response, at string, row domain.Contact, may bool) {
	t.Helper()
	for field, want := range details {
		value := want(row)
		if !may {
			value = nil
		}
		if got := res.Get(at + field); fmt.Sprint(got) != fmt.Sprint(value) {
			t.Errorf("%s reads %s of %s: %v, want %v", who, field, of, got, value)
		}
	}
	invitation := ""
	if may && of == world.NoLogin {
		invitation = row.Email
	}
	if got := res.Text(at + "invitation.email"); got != invitation {
		t.Errorf("%s reads the invitation of %s: %q, want %q", who, of, got, invitation)
	}
}

// The audit log's entries are reached through the account and by their ids, and by nobody else.
func readsAuditLog(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	res := w.Must(t, a.As(t, world.Owner), operation{name: "grantPermission"}.document(), world.Vars{"input": world.Vars{
		"contactId": a.Contact(world.Target), "permission": "BILLING", "reason": "Because.",
	}})
	entry := res.Text("grantPermission.auditId")
	const query = `query($id: ID!) { node(id: $id) { id ... on AuditEntry { at actorName actorKind byApiToken action targetKind targetId targetName reason request changes { field before after } } } }`
	for _, who := range r.callers(world.Callers) {
		res := w.Do(t, a.As(t, who), query, world.Vars{"id": entry})
		if !viewOf("view_audit_log").reads(who, "") {
			absent(t, who, res, "node")
			continue
		}
		if res.Text("node.action") != "grant_permission" || res.Text("node.reason") != "Because." || res.Text("node.targetId") != a.Contact(world.Target) ||
			res.Text("node.changes.0.before") != "NONE" || res.Text("node.changes.0.after") != "BILLING" || res.Get("node.byApiToken") != false {
			t.Errorf("%s reads %s", who, res.Body)
		}
	}
}

// What staff look at is written into the account's audit log before the answer leaves; what others read is not.
func readsViewsByStaffAreWrittenDown(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	entries := func() (list []domain.AuditEntry) {
		w.View(t, func(ctx context.Context, tx *store.Tx) error {
			byAccount, err := tx.AuditPage(ctx, []domain.AccountID{a.Key}, store.AuditQuery{
				Action: "view_account", Order: store.Order{Field: store.OrderAt}, Page: store.Page{Limit: store.MaxPage},
			})
			list = byAccount[a.Key]
			return err
		})
		return list
	}
	for _, who := range r.callers(world.Callers) {
		before := len(entries())
		w.Do(t, a.As(t, who), `query Looking($id: ID!, $contact: ID!) { node(id: $id) { ... on Account { name contacts { edges { node { email } } } } } again: node(id: $contact) { id } }`,
			world.Vars{"id": a.ID, "contact": a.Contact(world.Target)})
		now := entries()
		want := before
		if slices.Contains(staff, who) {
			want++
		}
		if len(now) != want {
			t.Errorf("%s: %d entries for one request, want %d", who, len(now)-before, want-before)
			continue
		}
		if want > before {
			if last := now[len(now)-1]; last.Actor != a.As(t, who).Is || last.After["query"] != "Looking" {
				t.Errorf("%s: the audit log says %+v", who, last)
			}
		}
	}
}

// The caller's own: who they are, the accounts and contacts that they have, their tokens.
func readsViewer(t *testing.T, r run) {
	w := r.w
	a, other := w.Account(t), w.Other(t)
	const query = `{ viewer { user { id name email emailVerified staffRoles } serviceAccount { id name }
		accounts(first: 100) { totalCount edges { node { id } } } contacts { id email } apiTokens { id name } mailbox { text } } }`
	for _, who := range r.callers(world.Callers) {
		res := w.Do(t, a.As(t, who), query, nil)
		if slices.Contains(signedOut, who) {
			if res.Get("viewer") != nil || res.Code() != "UNAUTHENTICATED" {
				t.Errorf("%s: %s", who, res.Body)
			}
			continue
		}
		isProgram := who == world.ServiceAccount
		if (res.Get("viewer.user") == nil) != isProgram || (res.Get("viewer.serviceAccount") != nil) != isProgram || res.Get("viewer.mailbox") != nil {
			t.Errorf("%s is %s", who, res.Body)
		}
		if !isProgram && res.Text("viewer.user.email") != a.As(t, who).Email {
			t.Errorf("%s is %s", who, res.Text("viewer.user.email"))
		}
		var accounts, contacts []string
		if sees(who, here) {
			accounts = append(accounts, a.ID)
		}
		if sees(who, there) {
			accounts = append(accounts, other.ID)
		}
		if slices.Contains(members, who) {
			contacts = append(contacts, a.Contact(who))
		}
		if slices.Contains(otherSide, who) {
			contacts = append(contacts, other.Contact(who))
		}
		if got := idsAt(res, "viewer.accounts.edges", "node"); !sameSet(got, accounts) || res.Get("viewer.accounts.totalCount") != float64(len(accounts)) {
			t.Errorf("%s sees the accounts %q, want %q", who, got, accounts)
		}
		if got := idsAt(res, "viewer.contacts", ""); !sameSet(got, contacts) {
			t.Errorf("%s has the contacts %q, want %q", who, got, contacts)
		}
	}
}

// idsAt returns the ids of the objects of a list, or of what stands under a key of each.
func idsAt(res world.Response, path, key string) (ids []string) {
	for _, v := range res.List(path) {
		m, _ := v.(map[string]any)
		if key != "" {
			m, _ = m[key].(map[string]any)
		}
		id, _ := m["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
