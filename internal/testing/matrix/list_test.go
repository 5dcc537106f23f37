package matrix

import (
	"fmt"
	"slices"
	"testing"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// A filter on a detail finds only contacts whose details the caller may read, in the edges and in the count alike; one on a
// name finds whoever is seen.
func listsFiltersAreNoOracle(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	a.Change(t, world.TargetBilling, func(c *domain.Contact) { c.Types = domain.AccountTypesOf(domain.SupportContact) })
	filters := []struct {
		filter world.Vars
		detail bool
		finds  func(k Kind, c domain.Contact) bool
	}{
		{world.Vars{"email": "TARGET@world.example"}, true, func(k Kind, _ domain.Contact) bool { return k == world.Target }},
		{world.Vars{"email": "billing@world.example"}, true, func(k Kind, _ domain.Contact) bool { return k == world.Billing }},
		{world.Vars{"email": "nobody@world.example"}, true, func(Kind, domain.Contact) bool { return false }},
		{world.Vars{"permission": "BILLING"}, true, func(_ Kind, c domain.Contact) bool { return c.Permissions.Has(domain.Billing) }},
		{world.Vars{"permission": "ADMIN"}, true, func(_ Kind, c domain.Contact) bool { return c.Permissions.Has(domain.Admin) }},
		{world.Vars{"state": "DEACTIVATED"}, true, func(k Kind, _ domain.Contact) bool { return k == world.Deactivated }},
		{world.Vars{"state": "ACTIVE"}, true, func(k Kind, _ domain.Contact) bool { return k != world.Deactivated }},
		{world.Vars{"state": "ACTIVE", "permission": "SUPPORT"}, true, func(_ Kind, c domain.Contact) bool { return c.Permissions.Has(domain.Support) }},
		{world.Vars{"nameContains": "target", "permission": "BILLING"}, true, func(k Kind, _ domain.Contact) bool { return k == world.TargetBilling }},
		{world.Vars{"nameContains": "target"}, false, func(k Kind, _ domain.Contact) bool {
			return slices.Contains(only(world.Target, world.TargetBilling, world.TargetManager, world.TargetAdmin), k)
		}},
		{world.Vars{"accountType": "SUPPORT_CONTACT"}, false, func(k Kind, _ domain.Contact) bool { return k == world.TargetBilling }},
		{world.Vars{}, false, func(Kind, domain.Contact) bool { return true }},
	}
	const query = `query($id: ID!, $filter: ContactFilter) { node(id: $id) { ... on Account {
		contacts(first: 100, filter: $filter) { totalCount edges { node { id } } pageInfo { hasNextPage } }
		last: contacts(last: 100, filter: $filter) { totalCount edges { node { id } } } } } }`
	for _, who := range r.callers(world.Callers) {
		for _, f := range filters {
			res := w.Do(t, a.As(t, who), query, world.Vars{"id": a.ID, "filter": f.filter})
			if !sees(who, here) {
				absent(t, who, res, "node")
				continue
			}
			var want []string
			for k, c := range a.Contacts {
				if f.finds(k, c) && (!f.detail || viewOf("view_contact_details").reads(who, k)) {
					want = append(want, a.Contact(k))
				}
			}
			for _, field := range []string{"contacts", "last"} {
				got := idsAt(res, "node."+field+".edges", "node")
				if !sameSet(got, want) || res.Get("node."+field+".totalCount") != float64(len(want)) || len(res.Errors) > 0 {
					t.Errorf("%s with %v finds %d, counts %v, want %d: %v", who, f.filter, len(got), res.Get("node."+field+".totalCount"), len(want), res.Errors)
				}
			}
			if res.Get("node.contacts.pageInfo.hasNextPage") != false {
				t.Errorf("%s with %v is promised another page", who, f.filter)
			}
		}
	}
}

// Page by page a caller finds exactly what one page would show: nothing twice, nothing left out, none of what is hidden.
func listsPages(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	const query = `query($id: ID!, $first: Int!, $after: String) { node(id: $id) { ... on Account {
		contacts(first: $first, after: $after, filter: {state: ACTIVE}) { edges { node { id } } pageInfo { hasNextPage endCursor } } } } }`
	for _, who := range r.callers(only(world.Owner, world.ContactManagement, world.Billing, world.StaffSupport, world.NarrowedToken)) {
		var want []string
		for k := range a.Contacts {
			if k != world.Deactivated && viewOf("view_contact_details").reads(who, k) {
				want = append(want, a.Contact(k))
			}
		}
		var got []string
		vars := world.Vars{"id": a.ID, "first": 7}
		for range 20 {
			res := w.Must(t, a.As(t, who), query, vars)
			got = append(got, idsAt(res, "node.contacts.edges", "node")...)
			if res.Get("node.contacts.pageInfo.hasNextPage") != true {
				break
			}
			vars["after"] = res.Text("node.contacts.pageInfo.endCursor")
		}
		if !sameSet(got, want) {
			t.Errorf("%s finds %d contacts page by page, want %d", who, len(got), len(want))
		}
	}
}

// The list of accounts, whatever its filter and order, has those that the caller sees.
func listsAccounts(t *testing.T, r run) {
	w := r.w
	a, other := w.Account(t), w.Other(t)
	for _, who := range r.callers(world.Callers) {
		if slices.Contains(signedOut, who) {
			continue
		}
		for _, name := range []string{a.Name, other.Name, "Account"} {
			res := w.Must(t, a.As(t, who), `query($name: String) { viewer { accounts(first: 10, filter: {nameContains: $name}, orderBy: {field: CREATED_AT, direction: DESC}) {
				totalCount edges { node { name } } } } }`, world.Vars{"name": name})
			want := 0
			for _, side := range []struct {
				account *world.Account
				seen    bool
			}{{a, sees(who, here)}, {other, sees(who, there)}} {
				if side.seen && (name == "Account" || name == side.account.Name) {
					want++
				}
			}
			if got := res.Get("viewer.accounts.totalCount"); got != float64(want) || len(res.List("viewer.accounts.edges")) != want {
				t.Errorf("%s finds %s for %q, want %d", who, fmt.Sprint(got), name, want)
			}
		}
	}
}
