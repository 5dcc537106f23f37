package relation_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/relation"
)

func contact(set domain.PermissionSet) domain.Contact {
	return domain.Contact{ID: "c", AccountID: "a", Permissions: set, State: domain.ContactActive, Person: domain.UserPerson("u")}
}

func wantRelationships(t *testing.T, got []relation.Relationship, want ...string) {
	t.Helper()
	got = slices.Sorted(slices.Values(got))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestOfContact(t *testing.T) {
	always := []string{"contact:c#account@account:a", "account:a#contact@contact:c#person"}
	rights := []string{"account:a#billing@contact:c#person", "account:a#case_management@contact:c#person", "contact:c#permission_set@permission_set:a/14"}
	some := domain.PermissionsOf(domain.Billing, domain.CaseManagement)
	change := func(f func(*domain.Contact)) domain.Contact {
		c := contact(some)
		f(&c)
		return c
	}
	for name, c := range map[string]struct {
		row  domain.Contact
		want []string
	}{
		"linked":          {contact(some), slices.Concat(always, rights, []string{"contact:c#person@user:u"})},
		"service_account": {change(func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson("s") }), slices.Concat(always, rights, []string{"contact:c#person@service_account:s"})},
		"without_rights":  {contact(0), append(slices.Clone(always), "contact:c#permission_set@permission_set:a/0", "contact:c#person@user:u")},
		"not_accepted":    {change(func(c *domain.Contact) { c.Person = domain.Person{} }), slices.Concat(always, rights)},
		"deactivated":     {change(func(c *domain.Contact) { c.State = domain.ContactDeactivated }), slices.Concat(always, rights)},
		"person_disabled": {change(func(c *domain.Contact) { c.PersonOff = true }), slices.Concat(always, rights)},
		"state_unknown":   {change(func(c *domain.Contact) { c.State = "" }), slices.Concat(always, rights)},
		"owner": {change(func(c *domain.Contact) { c.Owner, c.Permissions = true, 0 }),
			append(slices.Clone(always), "account:a#owner@contact:c#person", "contact:c#person@user:u")},
	} {
		t.Run(name, func(t *testing.T) { wantRelationships(t, relation.OfContact(c.row), c.want...) })
	}
	for p := range domain.Permission(8) {
		want := "account:a#" + strings.ToLower(p.String()) + "@contact:c#person"
		if got := relation.OfContact(contact(domain.PermissionsOf(p))); !slices.Contains(got, want) {
			t.Errorf("%v: %s is missing in %v", p, want, got)
		}
	}
}

func TestOfPermissionSet(t *testing.T) {
	wantRelationships(t, relation.OfPermissionSet("a", domain.AllPermissions), "permission_set:a/ff#account@account:a")
	wantRelationships(t, relation.OfPermissionSet("a", domain.AllPermissions.Without(domain.ContactManagement)), "permission_set:a/fd#account@account:a")
	wantRelationships(t, relation.OfPermissionSet("a", domain.PermissionsOf(domain.Admin, domain.Billing)), "permission_set:a/11#account@account:a",
		"permission_set:a/11#without_case_management@account:a", "permission_set:a/11#without_support@account:a", "permission_set:a/11#without_renew_contracts@account:a",
		"permission_set:a/11#without_upgrade_contracts@account:a", "permission_set:a/11#without_license_management@account:a")
	if got := relation.OfPermissionSet("a", 0); len(got) != 8 || !slices.Contains(got, "permission_set:a/0#without_admin@account:a") {
		t.Errorf("the empty set: %v", got)
	}
}

func TestOf_other_rows(t *testing.T) {
	wantRelationships(t, relation.OfAccount("a"), "account:a#platform@platform:steward")
	wantRelationships(t, relation.OfStaff("u", domain.StaffSupport), "platform:steward#support@user:u")
	wantRelationships(t, relation.OfStaff("u", domain.StaffAccounting), "platform:steward#accounting@user:u")
	wantRelationships(t, relation.OfJob(domain.Job{ID: "j", Person: domain.UserPerson("u")}), "job:j#creator@user:u")
	wantRelationships(t, relation.OfJob(domain.Job{ID: "j", Person: domain.ServiceAccountPerson("s")}), "job:j#creator@service_account:s")
	wantRelationships(t, relation.OfJob(domain.Job{ID: "j"}))
	own := domain.APIToken{ID: "t", Person: domain.UserPerson("u")}
	wantRelationships(t, relation.OfAPIToken(own), "api_token:t#holder@user:u")
	program := domain.APIToken{ID: "t", Person: domain.ServiceAccountPerson("s"), AccountID: "a", ContactID: "c"}
	wantRelationships(t, relation.OfAPIToken(program), "api_token:t#contact@contact:c")
	program.RevokedAt = time.Now()
	wantRelationships(t, relation.OfAPIToken(program), "api_token:t#contact@contact:c") // still in the list of its holder
	wantRelationships(t, relation.OfAPIToken(domain.APIToken{ID: "t"}))
}

// apply is what a store does with updates.
func apply(rs []relation.Relationship, updates []relation.Update) []relation.Relationship {
	set := map[relation.Relationship]bool{}
	for _, r := range rs {
		set[r] = true
	}
	for _, u := range updates {
		if u.Delete {
			delete(set, u.Relationship)
		} else {
			set[u.Relationship] = true
		}
	}
	var out []relation.Relationship
	for r := range set {
		out = append(out, r)
	}
	return slices.Sorted(slices.Values(out))
}

func TestDiff(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	some := func() (out []relation.Relationship) {
		for range r.IntN(12) {
			out = append(out, fmt.Sprintf("account:a%d#platform@platform:steward", r.IntN(8)))
		}
		return out
	}
	for range 2_000 {
		before, after := some(), some()
		updates := relation.Diff(before, after)
		if got := apply(before, updates); !slices.Equal(got, apply(after, nil)) {
			t.Fatalf("%v to %v by %v gave %v", before, after, updates, got)
		}
		seen, granting := map[string]bool{}, false
		for _, u := range updates {
			if seen[u.Relationship] || (u.Delete && granting) {
				t.Fatalf("twice, or a deletion after a grant: %v", updates)
			}
			seen[u.Relationship], granting = true, !u.Delete
			if slices.Contains(before, u.Relationship) != u.Delete {
				t.Fatalf("an update that changes nothing: %v", updates)
			}
		}
	}
}

// Whatever the rows of a contact were and become, the change leaves what the new row means, and the facts of its set.
func TestContactChange(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	some := func() *domain.Contact {
		if r.IntN(6) == 0 {
			return nil
		}
		c := contact(domain.PermissionSet(r.IntN(8)))
		c.Owner = r.IntN(4) == 0
		c.PersonOff = r.IntN(4) == 0
		return &c
	}
	meaning := func(c *domain.Contact) (out []relation.Relationship) {
		if c != nil {
			out = relation.OfContact(*c)
			if !c.Owner {
				out = append(out, relation.OfPermissionSet(c.AccountID, c.Permissions)...)
			}
		}
		return out
	}
	for range 2_000 {
		before, after := some(), some()
		updates := relation.ContactChange(before, after)
		got := slices.DeleteFunc(apply(meaning(before), updates), func(r string) bool {
			return strings.HasPrefix(r, "permission_set:") && !slices.Contains(meaning(after), r) // the old set stays true
		})
		wantRelationships(t, got, meaning(after)...)
		for _, u := range updates {
			if u.Delete && strings.HasPrefix(u.Relationship, "permission_set:") {
				t.Errorf("%v would take a set from the other contacts that hold it", u)
			}
		}
	}
	same := contact(domain.PermissionsOf(domain.Billing))
	if got := relation.ContactChange(&same, &same); len(got) > 0 {
		t.Errorf("nothing changed, and %v", got)
	}
}

func TestParse(t *testing.T) {
	for _, r := range slices.Concat(relation.OfContact(contact(domain.AllPermissions)), relation.OfPermissionSet("a", 0), relation.OfAccount("a")) {
		if p, err := relation.Parse(r); err != nil || p.String() != r {
			t.Errorf("%s: got %v, %v", r, p, err)
		}
	}
	p, err := relation.Parse("account:a#owner@contact:c#person")
	if want := (relation.Parts{Type: "account", ID: "a", Relation: "owner", SubjectType: "contact", SubjectID: "c", SubjectRelation: "person"}); err != nil || p != want {
		t.Errorf("got %+v, %v", p, err)
	}
	// An id that reads like more than an id makes the text no relationship at all.
	for _, id := range []string{"", " ", "c#person", "a#owner@contact:b", "*", "a\nb", "a@b", "a:b", "é", "a[x]"} {
		for _, r := range relation.OfContact(domain.Contact{ID: domain.ContactID(id), AccountID: "a"}) {
			if p, err := relation.Parse(r); err == nil {
				t.Errorf("id %q passes as %+v", id, p)
			}
		}
	}
}
