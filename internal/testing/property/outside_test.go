package property_test

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/service"
	"steward/internal/testing/property/parts"
)

// importContacts imports one contact, of an account that exists or of a new one with its owner.
func importContacts(m *machine, r rows) step {
	id := m.account(r)
	var company string
	m.Query("SELECT name FROM accounts WHERE id = ?", func(v []any) { company = v[0].(string) }, string(id))
	role := rapid.SampledFrom([]string{"", "ACCOUNT_OWNER", "ACCOUNT_ADMINISTRATOR", "BILLING_ONLY"}).Draw(m.T, "role")
	var set []string
	if role == "" {
		for _, p := range m.permissions() {
			set = append(set, p.String())
		}
	}
	in := service.ImportFiles{DryRun: m.flip("dry run", 10), Invite: true, StaffRequest: staffRequest}
	fresh := m.flip("new account", 30)
	if fresh {
		company = fmt.Sprint("Imported ", m.steps)
		in.Accounts = []byte("Company\n" + company + "\n")
	}
	lines := "Company,Last name,E-mail,Role,Permissions\n" + fmt.Sprintf("%s,Row,%s,%s,%s\n", company, m.email(r), role, strings.Join(set, "; "))
	if fresh && role != "ACCOUNT_OWNER" && m.flip("with owner", 80) {
		lines += fmt.Sprintf("%s,Owner,owner.of.%d@people.example,ACCOUNT_OWNER,\n", company, m.steps)
	}
	in.Contacts = []byte(lines)
	return step{
		account: id, runsApart: true, unkeyed: true,
		lawful: func(r rows, p person) bool {
			_, anywhere := r.anyContactOf(p.Person)
			return p.worksAs(domain.StaffAccounting) || in.Accounts == nil && (anywhere || p.isStaff())
		},
		run: func(a domain.Actor, _ string) (change.Result, error) {
			a.Staff = nil
			for _, role := range []domain.StaffRole{domain.StaffSupport, domain.StaffAccounting} {
				if r.staff[a.Person.ID][role] && !r.off[a.Person.ID] {
					a.Staff = append(a.Staff, role)
				}
			}
			job, err := m.Service.ImportNow(bg, a, in, nil)
			if err == nil && (job.State == domain.JobFailed || in.DryRun) && m.Count("SELECT count(*) FROM contacts") != len(r.contacts) {
				m.Fatalf("an import that was %s, dry run %v, has written contacts", job.State, in.DryRun)
			}
			return change.Result{}, err
		},
	}
}

func (r rows) anyContactOf(p domain.Person) (domain.Contact, bool) {
	for _, c := range r.contacts {
		if c.Person == p {
			return c, true
		}
	}
	return domain.Contact{}, false
}

func (m *machine) user() domain.Person {
	var users []domain.Person
	for _, p := range m.people {
		if p.Kind == domain.PersonUser {
			users = append(users, p)
		}
	}
	return rapid.SampledFrom(users).Draw(m.T, "user")
}

// staffRole has the operator make somebody one of the provider's people, or end that.
func staffRole(m *machine, _ rows) step {
	name := m.actors[m.user()].Name
	role := rapid.SampledFrom([]domain.StaffRole{domain.StaffSupport, domain.StaffAccounting}).Draw(m.T, "role")
	on := m.flip("on", 40)
	return step{byOperator: true, run: func(domain.Actor, string) (change.Result, error) {
		_, err := m.Service.SetStaff(bg, parts.Login(name), role, on)
		return change.Result{}, err
	}}
}

func disableUser(m *machine, r rows) step {
	u := m.user()
	off := !r.off[u.ID]
	return step{byOperator: true, run: func(domain.Actor, string) (change.Result, error) {
		return change.Result{}, m.Service.SetUserDisabled(bg, domain.UserID(u.ID), off)
	}}
}

func timePasses(m *machine, _ rows) step {
	d := rapid.SampledFrom([]time.Duration{time.Hour, 4 * 24 * time.Hour, 15 * 24 * time.Hour}).Draw(m.T, "time")
	return step{byOperator: true, run: func(domain.Actor, string) (change.Result, error) {
		m.Clock.Turn(d)
		return change.Result{}, nil
	}}
}
