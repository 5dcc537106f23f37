package property_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/testing/property/parts"
)

// machine drives the product through random operations.
type machine struct {
	*rapid.T
	*parts.Parts
	people []domain.Person // all who have ever signed in, in that order
	actors map[domain.Person]domain.Actor
	steps  int
	ops    map[string]func(*machine, rows) step
	done   map[string]int // operations that changed something, by name
}

// step is one operation by one actor.
type step struct {
	name  string
	actor domain.Actor
	// lawful says whether the law lets the actor do this; what the input or the present state forbids may fail nevertheless.
	lawful func(r rows, p person) bool
	run    func(actor domain.Actor, key string) (change.Result, error)
	// account is where it happens; "" for none.
	account domain.AccountID
	target  domain.ContactID
	// byOperator marks what access to the data directory authorises.
	byOperator bool
	// runsApart marks an import: what it wrote is not in its result.
	runsApart bool
	// accepts marks the one operation by which an actor's rights may grow: others gave them.
	accepts bool
	// unkeyed marks what takes no idempotency key.
	unkeyed bool
}

type ctx = context.Context

var bg = context.Background()

func newMachine(t *rapid.T, p *parts.Parts) *machine {
	m := &machine{T: t, Parts: p, actors: map[domain.Person]domain.Actor{}, done: map[string]int{}, ops: operations}
	a := p.Account(domain.PermissionsOf(domain.Admin), domain.PermissionsOf(domain.ContactManagement, domain.Billing), domain.PermissionsOf(domain.ContactManagement), domain.PermissionsOf(domain.Support))
	b := p.Account(domain.PermissionsOf(domain.ContactManagement, domain.Support), 0)
	for _, c := range append(a, b...) {
		m.meet(c.Actor)
	}
	for _, name := range []string{"stranger one", "stranger two"} {
		m.meet(p.SignIn(name))
	}
	for name, role := range map[string]domain.StaffRole{"support": domain.StaffSupport, "accounting": domain.StaffAccounting} {
		if _, err := p.Service.SetStaff(bg, parts.Login(name), role, true); err != nil {
			t.Fatal(err)
		}
	}
	m.meet(p.SignIn("support"))
	m.meet(p.SignIn("accounting"))
	m.prepare(a, b)
	return m
}

// prepare makes what random steps seldom come to: a contact of a that is deactivated, one of b that has not accepted its
// invitation, and one that is of the provider's people too.
func (m *machine) prepare(a, b []parts.Place) {
	if _, err := m.Service.DeactivateContact(bg, a[0].Actor, a[4].ID, service.ContactChange{}); err != nil {
		m.Fatal(err)
	}
	for _, email := range []string{"invited@people.example", "accountant@people.example"} {
		if _, err := m.Service.AddContact(bg, b[0].Actor, b[0].AccountID, service.AddContact{LastName: "Invited", Email: email}); err != nil {
			m.Fatal(err)
		}
	}
	var secret string
	m.Query("SELECT text FROM mails ORDER BY rowid", func(v []any) { secret, _ = secretIn(v[0].(string), "invitation") })
	if _, err := m.Service.AcceptInvitation(bg, m.SignIn("accounting"), secret, ""); err != nil {
		m.Fatal(err)
	}
}

// secretIn finds the secret of a link in a mail.
func secretIn(text, kind string) (secret string, ok bool) {
	_, rest, ok := strings.Cut(text, "#"+kind+"=")
	if !ok {
		return "", false
	}
	return strings.Fields(rest)[0], true
}

func (m *machine) meet(a domain.Actor) {
	if _, known := m.actors[a.Person]; !known {
		m.people = append(m.people, a.Person)
	}
	m.actors[a.Person] = a
}

func (m *machine) flip(label string, percent int) bool {
	return rapid.IntRange(0, 99).Draw(m.T, label) < percent
}

// actorFor chooses who does it: mostly somebody whom the law lets, if there is one.
func (m *machine) actorFor(r rows, lawful func(rows, person) bool) domain.Actor {
	pool := m.people
	if m.flip("lawful", 75) {
		able := slices.DeleteFunc(slices.Clone(pool), func(p domain.Person) bool { return !lawful(r, r.of(p)) })
		if len(able) > 0 {
			pool = able
		}
	}
	return m.actors[rapid.SampledFrom(pool).Draw(m.T, "actor")]
}

// next draws one operation.
func (m *machine) next(r rows) step {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.ops))).Draw(m.T, "operation")
	s := m.ops[name](m, r)
	s.name = name
	if s.actor.Anonymous() && !s.byOperator {
		s.actor = m.actorFor(r, s.lawful)
	}
	return s
}

// take does one step and holds every invariant behind it.
func (m *machine) take() {
	before, audits := readRows(m.Parts), m.Count("SELECT count(*) FROM audit_log")
	s := m.next(before)
	key := ""
	if !s.unkeyed && !s.byOperator && m.flip("keyed", 15) {
		key = fmt.Sprint("key ", m.steps)
	}
	m.steps++
	state := m.Writes
	if key != "" {
		state = m.Fingerprint // an answer is kept under its key also when nothing else is written
	}
	was := state()
	res, err := s.run(s.actor, key)
	m.Logf("%s by %s on %s: %v", s.name, s.actor.Name, s.target, err)

	actor := before.of(s.actor.Person)
	switch {
	case s.byOperator:
		if err != nil {
			m.Fatalf("%s: %v", s.name, err)
		}
	case err == nil && !s.lawful(before, actor):
		m.Fatalf("%s was done by %s, whom the law does not let", s.name, s.actor.Name)
	case err != nil:
		m.refused(s, err, s.lawful(before, actor))
	}
	if err != nil || !s.byOperator && !s.runsApart && res.AuditID == "" {
		if state() != was {
			m.Fatalf("%s changed something and answered %+v, %v", s.name, res, err)
		}
		return // everything is as it was
	}
	m.done[s.name]++
	m.audited(s, res, audits)
	after := readRows(m.Parts)
	m.learn(after)
	if !s.byOperator {
		m.nobodyRises(s, before, after)
	}
	m.rowsAreLawful(after)
	m.Reconciled()
	m.answersAreLawful(after)
	if key != "" {
		m.repeat(s, key, res)
	}
}

// refused holds that the code of a refusal fits, and that nobody is refused whom the law lets.
func (m *machine) refused(s step, err error, lawful bool) {
	switch code := domain.CodeOf(err); code {
	case domain.CodeBadUserInput, domain.CodeConflict:
	case domain.CodeForbidden, domain.CodeNotFound, domain.CodeUnauthenticated:
		if lawful {
			m.Fatalf("%s by %s is lawful and was refused: %v", s.name, s.actor.Name, err)
		}
	default:
		m.Fatalf("%s by %s: %v", s.name, s.actor.Name, err)
	}
}

// audited holds that the log has an entry of what was done, by whom.
func (m *machine) audited(s step, res change.Result, entries int) {
	if s.byOperator {
		if m.Count("SELECT count(*) FROM audit_log") <= entries && s.name != "time passes" {
			m.Fatalf("%s is not in the audit log", s.name)
		}
		return
	}
	if s.runsApart {
		return
	}
	n := m.Count("SELECT count(*) FROM audit_log WHERE id = ? AND actor_kind = ? AND actor_id = ?", string(res.AuditID), string(s.actor.Person.Kind), s.actor.Person.ID)
	if n != 1 {
		m.Fatalf("%s by %s: %d entries %q in the audit log", s.name, s.actor.Name, n, res.AuditID)
	}
}

// repeat does the step again under its key: it answers the same and changes nothing.
func (m *machine) repeat(s step, key string, first change.Result) {
	was := m.Writes()
	again, err := s.run(s.actor, key)
	if err != nil || !again.Repeated || again.ID != first.ID || again.AuditID != first.AuditID || again.Secret != "" {
		m.Fatalf("%s answered %+v, and again under the same key %+v, %v", s.name, first, again, err)
	}
	if m.Writes() != was {
		m.Fatalf("%s changed something when it was repeated", s.name)
	}
}

// learn notes the service accounts that came to be.
func (m *machine) learn(r rows) {
	for _, c := range r.contacts {
		if c.Person.Kind == domain.PersonServiceAccount {
			if _, known := m.actors[c.Person]; !known {
				m.meet(domain.Actor{Person: c.Person, Name: "a program"})
			}
		}
	}
}

// nobodyRises holds that no act raises its actor, and that everything that was given was the actor's to give.
func (m *machine) nobodyRises(s step, before, after rows) {
	actor := before.of(s.actor.Person)
	if !s.accepts {
		had := actor.power()
		for p := range after.of(s.actor.Person).power() {
			if !had[p] {
				m.Fatalf("%s gave its own actor %s", s.name, p)
			}
		}
	}
	for _, c := range after.contacts {
		old, existed := before.byID[c.ID]
		newAccount := !slices.Contains(before.accounts, c.AccountID)
		for _, p := range (c.Permissions &^ old.Permissions).List() {
			byStaff := !existed && actor.isStaff() && !actor.manages(c.AccountID) && isStandard(c.Permissions)
			if !actor.mayGive(c.AccountID, p.String()) && !byStaff && !(newAccount && actor.worksAs(domain.StaffAccounting)) {
				m.Fatalf("%s by %s gave %s, which was not theirs to give", s.name, s.actor.Name, p)
			}
		}
		if !existed && !newAccount && !actor.onAccount(c.AccountID, "add_contact") {
			m.Fatalf("%s added a contact", s.name)
		}
		if existed && c.Owner && !old.Owner && !actor.holds(c.AccountID, "OWNER") && !actor.worksAs(domain.StaffAccounting) {
			m.Fatalf("%s made another contact the owner", s.name)
		}
		if existed && old.Person.ID != "" && c.Person != old.Person {
			m.Fatalf("%s changed who stands behind a contact", s.name)
		}
		if existed && old.Email != c.Email && !actor.onContact(old, "edit_contact_email") {
			m.Fatalf("%s changed an address", s.name)
		}
	}
	for id, c := range before.byID {
		if _, still := after.byID[id]; !still && !actor.onContact(c, "remove_contact") && !actor.onContact(c, "leave_account") {
			m.Fatalf("%s removed a contact", s.name)
		}
		if is := after.byID[id]; is.ID != "" && is.State != c.State && !actor.onContact(c, "remove_contact") {
			m.Fatalf("%s changed the state of a contact", s.name)
		}
	}
}

func isStandard(set domain.PermissionSet) bool {
	return slices.ContainsFunc(domain.StandardRoles, func(r domain.StandardRole) bool { return r.Permissions() == set })
}

// rowsAreLawful holds the invariants of rows.
func (m *machine) rowsAreLawful(r rows) {
	for _, a := range r.accounts {
		owners, people, types := 0, map[domain.Person]int{}, map[domain.AccountType]int{}
		for _, c := range r.contacts {
			if c.AccountID != a {
				continue
			}
			if c.Owner {
				owners++
				if c.Person.Kind == domain.PersonServiceAccount || c.State != domain.ContactActive {
					m.Fatalf("the owner is %+v", c)
				}
			}
			if !c.Person.IsZero() {
				people[c.Person]++
			}
			for _, t := range c.Types.List() {
				types[t]++
			}
		}
		if owners != 1 {
			m.Fatalf("account %s has %d owners", a, owners)
		}
		for p, n := range people {
			if n > 1 {
				m.Fatalf("%s is %d contacts of one account", p, n)
			}
		}
		for t, n := range types {
			if n > 1 && strings.HasPrefix(t.String(), "PRIMARY_") {
				m.Fatalf("%d contacts are the %s", n, t)
			}
		}
	}
}

// permissionsOf lists what can be asked of a definition.
func permissionsOf(typ string) []string {
	for _, d := range relation.Definitions() {
		if d.Type == typ {
			return d.Permissions
		}
	}
	return nil
}

// answersAreLawful asks SpiceDB random questions of random people, and the law the same.
func (m *machine) answersAreLawful(r rows) {
	p := r.of(rapid.SampledFrom(m.people).Draw(m.T, "asking"))
	var qs []authz.Question
	var want []bool
	for range 12 {
		a := rapid.SampledFrom(r.accounts).Draw(m.T, "account")
		permission := rapid.SampledFrom(permissionsOf(relation.TypeAccount)).Draw(m.T, "permission")
		qs, want = append(qs, authz.Question{Ref: accountRef(a), Permission: permission}), append(want, p.onAccount(a, permission))
		c := rapid.SampledFrom(r.contacts).Draw(m.T, "contact")
		permission = rapid.SampledFrom(permissionsOf(relation.TypeContact)).Draw(m.T, "permission")
		qs, want = append(qs, authz.Question{Ref: contactRef(c), Permission: permission}), append(want, p.onContact(c, permission))
	}
	m.compare(p, qs, want)
}

// allAnswersAreLawful asks every question of some of the people.
func (m *machine) allAnswersAreLawful(r rows) {
	for _, who := range rapid.SliceOfN(rapid.SampledFrom(m.people), 3, 3).Draw(m.T, "asking") {
		p := r.of(who)
		var qs []authz.Question
		var want []bool
		for _, permission := range permissionsOf(relation.TypeAccount) {
			for _, a := range r.accounts {
				qs, want = append(qs, authz.Question{Ref: accountRef(a), Permission: permission}), append(want, p.onAccount(a, permission))
			}
		}
		for _, permission := range permissionsOf(relation.TypeContact) {
			for _, c := range r.contacts {
				qs, want = append(qs, authz.Question{Ref: contactRef(c), Permission: permission}), append(want, p.onContact(c, permission))
			}
		}
		qs = append(qs, authz.Question{Ref: authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}, Permission: relation.CreateAccount})
		want = append(want, p.worksAs(domain.StaffAccounting))
		for id, t := range r.tokens {
			qs = append(qs, authz.Question{Ref: r.tokenRef(id), Permission: relation.RevokeAPIToken})
			want = append(want, p.mayRevoke(t))
		}
		m.compare(p, qs, want)
	}
}

// mayRevoke answers revoke_api_token.
func (p person) mayRevoke(t domain.APIToken) bool {
	if t.Person.Kind == domain.PersonUser {
		return t.Person == p.Person
	}
	c, ok := p.byID[t.ContactID]
	return ok && p.administers(c.AccountID)
}

func accountRef(a domain.AccountID) authz.Ref {
	return authz.Ref{Type: relation.TypeAccount, ID: string(a), Tenant: a}
}

func contactRef(c domain.Contact) authz.Ref {
	return authz.Ref{Type: relation.TypeContact, ID: string(c.ID), Tenant: c.AccountID}
}

func (r rows) tokenRef(id domain.APITokenID) authz.Ref {
	return authz.Ref{Type: relation.TypeAPIToken, ID: string(id), Tenant: r.byID[r.tokens[id].ContactID].AccountID, Holder: r.tokens[id].Person}
}

// compare holds that SpiceDB and the read path, which keeps answers, say what the law says.
func (m *machine) compare(p person, qs []authz.Question, want []bool) {
	got, err := m.SpiceDB.Check(bg, authz.SubjectOf(p.Person), qs)
	if err != nil {
		m.Fatal(err)
	}
	for i, q := range qs {
		if got[i] != want[i] {
			m.Fatalf("%s on %s %s for %s: SpiceDB says %v, the law %v", q.Permission, q.Ref.Type, q.Ref.ID, p.Person, got[i], want[i])
		}
	}
	if m.Checks == nil { // of a product that runs already
		return
	}
	var planned []authz.Question
	var lawful []bool
	for i, q := range qs {
		if parts.Plans(q) {
			planned, lawful = append(planned, q), append(lawful, want[i])
		}
	}
	if got, err = m.LookAll(authz.SubjectOf(p.Person), planned); err != nil {
		m.Fatal(err)
	}
	for i, q := range planned {
		if got[i] != lawful[i] {
			m.Fatalf("%s on %s %s for %s: the read path says %v, the law %v", q.Permission, q.Ref.Type, q.Ref.ID, p.Person, got[i], lawful[i])
		}
	}
}

var staffRequest = &service.StaffRequest{Reference: "T-1", Reason: "The customer called."}

// hashOf is what is kept of a link's secret.
func hashOf(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return string(h[:])
}
