package property_test

import (
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/service"
	"steward/internal/testing/property/parts"
	"steward/internal/testing/world"
)

// TestInvariants_HTTP does the same to a whole Steward over HTTP: fewer steps, and the operations that need no mail.
func TestInvariants_HTTP(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", "4"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("rapid.checks", checks) }()
	w := world.New(t)
	a := w.Account(t)
	program := w.Other(t).As(t, world.ServiceAccount)
	p := parts.Of(t, filepath.Join(w.Dir, "steward.db"), w.DB, w.SpiceDB)
	callers := map[domain.Person]world.Person{}
	done := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		p.TB = rt
		m := &machine{T: rt, Parts: p, actors: map[domain.Person]domain.Actor{}, done: done, ops: front{t, w, callers}.operations()}
		for _, k := range world.Callers {
			if k == world.Anonymous || k == world.NarrowedToken || k == world.Disabled {
				continue
			}
			who := a.As(t, k)
			callers[who.Is] = who
			m.meet(domain.Actor{Person: who.Is, Name: string(k)})
		}
		callers[program.Is] = program
		m.meet(domain.Actor{Person: program.Is, Name: "the other account's program"})
		for range *steps {
			m.take()
		}
		m.allAnswersAreLawful(readRows(p))
	})
	t.Logf("operations that came through: %v", done)
}

// front sends mutations.
type front struct {
	t       *testing.T
	w       *world.World
	callers map[domain.Person]world.Person
}

// send makes the step one over HTTP.
func (f front) send(s step, mutation string, input world.Vars) step {
	s.unkeyed = true
	s.run = func(actor domain.Actor, _ string) (change.Result, error) {
		typ := strings.ToUpper(mutation[:1]) + mutation[1:] + "Input"
		query := "mutation($input: " + typ + "!) { " + mutation + "(input: $input) { auditId userErrors { code } } }"
		res := f.w.Do(f.t, f.callers[actor.Person], query, world.Vars{"input": input})
		code := res.Code()
		if code == "" {
			code = res.Text(mutation + ".userErrors.0.code")
		}
		if code != "" {
			return change.Result{}, &domain.Error{Code: domain.Code(code), Message: string(res.Body)}
		}
		_, audit, _ := domain.ParseGlobalID(res.Text(mutation + ".auditId"))
		return change.Result{AuditID: domain.AuditID(audit)}, nil
	}
	return s
}

func (f front) contact(mutation, permission string, fits func(domain.Contact) bool, more world.Vars) func(*machine, rows) step {
	return func(m *machine, r rows) step {
		c := m.contactThat(r, fits)
		input := world.Vars{"contactId": domain.GlobalID("Contact", c.ID)}
		maps.Copy(input, more)
		return f.send(step{account: c.AccountID, target: c.ID, lawful: func(_ rows, p person) bool { return p.onContact(c, permission) }}, mutation, input)
	}
}

func (f front) permission(mutation string) func(*machine, rows) step {
	return func(m *machine, r rows) step {
		c, p := m.contact(r), m.permission()
		if p == domain.Admin {
			p = domain.Support
		}
		return f.send(m.setting(c, p, nil), mutation, world.Vars{"contactId": domain.GlobalID("Contact", c.ID), "permission": p.String()})
	}
}

func (f front) account(mutation, permission string, input func(*machine, rows, domain.AccountID) world.Vars) func(*machine, rows) step {
	return func(m *machine, r rows) step {
		id := m.account(r)
		in := input(m, r, id)
		in["accountId"] = domain.GlobalID("Account", id)
		return f.send(step{account: id, lawful: func(_ rows, p person) bool { return p.onAccount(id, permission) }}, mutation, in)
	}
}

func (f front) add(m *machine, r rows) step {
	id, set := m.account(r), m.permissions()
	names := []string{}
	for _, p := range set {
		names = append(names, p.String())
	}
	return f.send(m.adding(id, service.AddContact{Permissions: set}), "addContact", world.Vars{
		"accountId": domain.GlobalID("Account", id), "firstName": "New", "lastName": "Contact",
		"email": fmt.Sprintf("http.%d.%s@people.example", m.steps, id[:6]), "permissions": names,
	})
}

// operations are operations whose run goes over HTTP; what is lawful is worked out as for the service.
func (f front) operations() map[string]func(*machine, rows) step {
	return map[string]func(*machine, rows) step{
		"deactivate": f.contact("deactivateContact", "remove_contact", anyContact, nil),
		"reactivate": f.contact("reactivateContact", "remove_contact", deactivated, nil),
		"remove":     f.contact("removeContact", "remove_contact", anyContact, nil),
		"leave":      f.contact("leaveAccount", "leave_account", anyContact, nil),
		"admin":      f.contact("grantAdminPermission", "manage_admin_permission", anyContact, nil),
		"no admin":   f.contact("revokeAdminPermission", "manage_admin_permission", isAdmin, nil),
		"name":       f.contact("editContact", "edit_contact_name", anyContact, world.Vars{"lastName": "Renamed"}),
		"phone":      f.contact("editContact", "edit_contact_phone", anyContact, world.Vars{"phone": "+1 555 0100"}),
		"set type":   f.contact("setAccountType", "set_account_type", anyContact, world.Vars{"accountType": "SUPPORT_CONTACT"}),
		"clear type": f.contact("clearAccountType", "set_account_type", ofSomeType, world.Vars{"accountType": "SUPPORT_CONTACT"}),
		"grant":      f.permission("grantPermission"),
		"revoke":     f.permission("revokePermission"),
		"add":        f.add,
		"edit": f.account("editAccount", "edit_account", func(m *machine, _ rows, _ domain.AccountID) world.Vars {
			return world.Vars{"phone": fmt.Sprint("+1 555 ", 1000+m.steps%3)}
		}),
		"hand on": f.account("transferOwnership", "transfer_ownership", func(m *machine, r rows, id domain.AccountID) world.Vars {
			to := m.contactThat(r, func(c domain.Contact) bool { return couldBeOwner(c) && c.AccountID == id })
			return world.Vars{"toContactId": domain.GlobalID("Contact", to.ID)}
		}),
	}
}
