package resolvers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

// lastNames returns the last names of a page of an account's contacts, and its cursor in that direction.
func (h *house) lastNames(account domain.AccountID, args string) (names string, more, before bool, start, end string) {
	h.Helper()
	a := h.do(`{ node(id: "`+domain.GlobalID("Account", account)+`") { ... on Account { contacts(`+args+`) { edges { node { lastName } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }`, nil)
	if len(a.Errors) > 0 {
		h.Fatal(a.Errors)
	}
	page := a.Data["node"].(map[string]any)["contacts"].(map[string]any)
	var all []string
	for _, e := range page["edges"].([]any) {
		all = append(all, e.(map[string]any)["node"].(map[string]any)["lastName"].(string))
	}
	info := page["pageInfo"].(map[string]any)
	start, _ = info["startCursor"].(string)
	end, _ = info["endCursor"].(string)
	return strings.Join(all, " "), info["hasNextPage"].(bool), info["hasPreviousPage"].(bool), start, end
}

// Pages are full although rows between are hidden, and lead through the list in both directions.
func TestPages_walk(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 40)
	var want []string
	for i, c := range cs {
		if i%4 != 1 && i < 30 {
			want = append(want, c.LastName)
		} else {
			h.checker.deny("contact", string(c.ID), "view_contacts")
		}
	}
	for _, order := range []string{"LAST_NAME", "CREATED_AT"} {
		for _, direction := range []string{"ASC", "DESC"} {
			for _, backward := range []bool{false, true} {
				t.Run(fmt.Sprint(order, direction, backward), func(t *testing.T) {
					h.TB = t
					var got []string
					cursor := ""
					for n := 0; ; n++ {
						args := fmt.Sprintf("first: 5, orderBy: {field: %s, direction: %s}", order, direction)
						if backward {
							args = strings.Replace(args, "first", "last", 1)
						}
						if cursor != "" {
							args += map[bool]string{false: `, after: "`, true: `, before: "`}[backward] + cursor + `"`
						}
						names, next, prev, start, end := h.lastNames(a.ID, args)
						page := strings.Fields(names)
						more := next
						if cursor = end; backward {
							cursor, more = start, prev
							got = append(page, got...)
						} else {
							got = append(got, page...)
						}
						if more && len(page) != 5 {
							t.Errorf("a page of %d is not the last", len(page))
						}
						if !more || n > 20 {
							break
						}
					}
					wanted := append([]string(nil), want...)
					if direction == "DESC" {
						for i, j := 0, len(wanted)-1; i < j; i, j = i+1, j-1 {
							wanted[i], wanted[j] = wanted[j], wanted[i]
						}
					}
					if strings.Join(got, " ") != strings.Join(wanted, " ") {
						t.Errorf("got  %v\nwant %v", got, wanted)
					}
				})
			}
		}
	}
}

// A list longer than a statement reads is read on, and its total is told.
func TestPages_long(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 2500)
	for i, c := range cs {
		if i < 2450 {
			h.checker.deny("contact", string(c.ID), "view_contacts")
		}
	}
	h.account("Beta", 2)
	got := h.do(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(first: 3) { totalCount edges { node { lastName } } pageInfo { hasNextPage } } } } }`, nil)
	h.same("long", got.Data, `{"node": {"contacts": {"totalCount": 50, "edges": [{"node": {"lastName": "C2450"}}, {"node": {"lastName": "C2451"}}, {"node": {"lastName": "C2452"}}], "pageInfo": {"hasNextPage": true}}}}`)
}

// A filter on a detail finds only contacts whose details the caller may read: it is no oracle for the others.
func TestPages_filter(t *testing.T) {
	h := newHouse(t)
	a, cs := h.account("Acme", 4)
	h.update(func(tx *store.Tx) error {
		cs[2].Permissions, cs[2].Types, cs[2].FirstName = domain.PermissionsOf(domain.Billing), domain.AccountTypesOf(domain.SupportContact), "Grace"
		cs[3].Permissions, cs[3].State = domain.PermissionsOf(domain.Billing, domain.Support), domain.ContactDeactivated
		if err := tx.UpdateContact(h.Context(), cs[2]); err != nil {
			return err
		}
		return tx.UpdateContact(h.Context(), cs[3])
	})
	find := func(filter string) string {
		h.Helper()
		names, _, _, _, _ := h.lastNames(a.ID, "filter: "+filter)
		return names
	}
	for _, tc := range []struct{ filter, want, wantHidden string }{
		{`{nameContains: "grace"}`, "C02", "C02"},
		{`{accountType: SUPPORT_CONTACT}`, "C02", "C02"},
		{`{email: "C02@ACME.example"}`, "C02", ""},
		{`{permission: BILLING}`, "C02 C03", "C03"},
		{`{permission: BILLING, state: ACTIVE}`, "C02", ""},
		{`{state: DEACTIVATED}`, "C03", "C03"},
		{`{email: null}`, "C00 C01 C02 C03", "C00 C01 C02 C03"},
	} {
		h.checker.denied = map[string]bool{}
		if got := find(tc.filter); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.filter, got, tc.want)
		}
		h.checker.deny("contact", string(cs[2].ID), "view_contact_details")
		if got := find(tc.filter); got != tc.wantHidden {
			t.Errorf("%s, details hidden: %q, want %q", tc.filter, got, tc.wantHidden)
		}
	}
	h.checker.deny("contact", string(cs[2].ID), "view_contact_details")
	h.want(`{ node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(filter: {permission: BILLING}) { totalCount } } } }`, `{"node": {"contacts": {"totalCount": 1}}}`)
	got := h.do(`query ($f: ContactFilter) { node(id: "`+domain.GlobalID("Account", a.ID)+`") { ... on Account { contacts(filter: $f) { totalCount } } } }`,
		map[string]any{"f": map[string]any{"email": "c02@acme.example"}})
	h.same("by variable", got.Data, `{"node": {"contacts": {"totalCount": 0}}}`)
}

func TestPages_accounts(t *testing.T) {
	h := newHouse(t)
	h.account("Beta", 2)
	h.account("Acme", 2)
	other := h.actor
	h.actor = domain.Actor{}
	h.account("Zeta", 2) // nobody's
	h.actor = other
	h.want(`{ viewer { accounts { totalCount edges { node { name } } } } }`, `{"viewer": {"accounts": {"totalCount": 2, "edges": [{"node": {"name": "Acme"}}, {"node": {"name": "Beta"}}]}}}`)
	h.want(`{ viewer { accounts(filter: {nameContains: "ET"}, orderBy: {field: NAME, direction: DESC}) { edges { node { name } } } } }`, `{"viewer": {"accounts": {"edges": [{"node": {"name": "Beta"}}]}}}`)
	if len(h.viewed) > 0 {
		t.Errorf("views of a contact were recorded: %v", h.viewed)
	}
	h.actor.Staff = []domain.StaffRole{domain.StaffSupport}
	h.want(`{ viewer { user { staffRoles } accounts(last: 2) { totalCount edges { node { name owner { email } } } } } }`, `{"viewer": {"user": {"staffRoles": ["SUPPORT"]}, "accounts": {"totalCount": 3,
		"edges": [{"node": {"name": "Beta", "owner": {"email": "c00@beta.example"}}}, {"node": {"name": "Zeta", "owner": {"email": "c00@zeta.example"}}}]}}}`)
	if len(h.viewed) != 1 || len(h.viewed[0]) != 2 {
		t.Errorf("viewed %v, want two accounts", h.viewed)
	}
}

func TestPages_bad_arguments(t *testing.T) {
	h := newHouse(t)
	h.account("Acme", 3)
	forged := encode
	a := h.do(`{ viewer { accounts(orderBy: {field: NAME}) { pageInfo { endCursor } } } }`, nil)
	ascending := a.Data["viewer"].(map[string]any)["accounts"].(map[string]any)["pageInfo"].(map[string]any)["endCursor"].(string)
	for args, field := range map[string]string{
		`orderBy: {field: NAME, direction: DESC}, after: "` + ascending + `"`: "after",
		`first: 101`:            "first",
		`last: -1`:              "last",
		`first: 1, last: 1`:     "last",
		`first: 1, before: "x"`: "before",
		`last: 1, after: "x"`:   "after",
		`after: "x"`:            "after",
		`after: "` + forged(`{"o":"NAME ASC"}`) + `"`:                                                        "after",
		`after: "` + forged(`{"o":"NAME DESC","v":"a","i":"b"}`) + `"`:                                       "after",
		`orderBy: {field: CREATED_AT}, after: "` + forged(`{"o":"CREATED_AT ASC","v":"soon","i":"b"}`) + `"`: "",
		`filter: {nameContains: ""}`:                                                                         "filter.nameContains",
		`filter: {nameContains: "` + strings.Repeat("x", 101) + `"}`:                                         "filter.nameContains",
	} {
		a := h.do(`{ viewer { accounts(`+args+`) { edges { node { name } } } } }`, nil)
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || (field != "" && a.Errors[0].Extensions["field"] != field) {
			t.Errorf("%s: %+v", args, a.Errors)
		}
	}
}

func TestPages_audit_log(t *testing.T) {
	h := newHouse(t)
	a, _ := h.account("Acme", 2)
	var entries []domain.AuditEntry
	for i := range 5 {
		entries = append(entries, domain.AuditEntry{ID: domain.NewID[domain.AuditID](), AccountID: a.ID, At: h.now.Add(time.Duration(i) * time.Minute), Actor: h.actor.Person,
			Action: []string{"edit_contact", "add_contact"}[i%2], TargetName: fmt.Sprint(i)})
	}
	h.update(func(tx *store.Tx) error { return tx.InsertAudit(h.Context(), entries...) })
	log := func(args string) string {
		h.Helper()
		got := h.do(`{ viewer { accounts { edges { node { auditLog(`+args+`) { totalCount edges { node { targetName } } } } } } } }`, nil)
		return string(mustJSON(t, got))
	}
	for args, want := range map[string]string{
		`first: 2`:                        `{"edges":[{"node":{"targetName":"4"}},{"node":{"targetName":"3"}}],"totalCount":5}`,
		`filter: {action: "add_contact"}`: `{"edges":[{"node":{"targetName":"3"}},{"node":{"targetName":"1"}}],"totalCount":2}`,
		`filter: {since: "2026-03-01T10:31:00+01:00", until: "2026-03-01T09:33:00Z"}`: `{"edges":[{"node":{"targetName":"2"}},{"node":{"targetName":"1"}}],"totalCount":2}`,
		`filter: {since: "yesterday"}`: `RFC 3339`,
	} {
		if got := log(args); !strings.Contains(got, want) {
			t.Errorf("%s: %s", args, got)
		}
	}
}
