// Package escalation tries, over HTTP, everything by which somebody could come to more than is theirs. Each attempt must
// be refused with the code that fits, and leave everything as it was.
package escalation

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

type Vars = world.Vars

// scene is a World with an account on which attempts are made.
type scene struct {
	*testing.T
	w *world.World
	a *world.Account
}

// attempts are the tests, each of which begins with an account that nothing was done to.
var attempts = []struct {
	name string
	try  func(s scene)
}{
	{"ids", tryIDs},
	{"nodes", tryNodes},
	{"invitations", tryInvitations},
	{"confirmations", tryConfirmations},
	{"manager", tryManager},
	{"admin", tryAdmin},
	{"former owner", tryFormerOwner},
	{"open page", tryOpenPage},
	{"staff", tryStaff},
	{"idempotency keys", tryIdempotencyKeys},
	{"token scope", tryTokenScope},
	{"tokens end", tryTokensEnd},
}

// TestEscalation makes all attempts where there is one replica and nothing is remote, and where there are two and
// everything is.
func TestEscalation(t *testing.T) {
	world.Each(t, []world.Set{world.Embedded, world.Many}, func(t *testing.T, set world.Set) {
		w := world.New(t, world.AllowUnplanned(), world.On(set))
		for _, a := range attempts {
			t.Run(a.name, func(t *testing.T) { a.try(scene{t, w, w.Account(t)}) })
		}
	})
}

// fresh returns the scene with an account of its own.
func (s scene) fresh(t *testing.T) scene {
	t.Helper()
	return scene{t, s.w, s.w.Account(t)}
}

func (s scene) as(k world.Kind) world.Person {
	s.Helper()
	return s.a.As(s, k)
}

func (s scene) actor(k world.Kind) domain.Actor {
	s.Helper()
	return s.w.Actor(s, s.as(k))
}

// mutate sends a mutation by its name, and returns the answer and its code: of its first error or user error, "" for none.
func (s scene) mutate(as world.Person, name string, input Vars) (world.Response, string) {
	s.Helper()
	res := s.w.Do(s, as, mutation(name), Vars{"input": input})
	return res, codeOf(res, name)
}

// selections are what payloads have beside the common fields.
var selections = map[string]string{
	"createApiToken": "apiToken { id } secret", "createServiceAccountToken": "apiToken { id } secret", "addContact": "contact { id }", "createServiceAccount": "contact { id }",
	"importAccounts": "job { id }",
}

func mutation(name string) string {
	typ := strings.ToUpper(name[:1]) + name[1:] + "Input"
	return "mutation($input: " + typ + "!) { " + name + "(input: $input) { " + selections[name] + " auditId userErrors { code field message } } }"
}

func codeOf(res world.Response, name string) string {
	if code := res.Code(); code != "" {
		return code
	}
	return res.Text(name + ".userErrors.0.code")
}

// must sends a mutation that must come through.
func (s scene) must(as world.Person, name string, input Vars) world.Response {
	s.Helper()
	res, code := s.mutate(as, name, input)
	if code != "" {
		s.Fatalf("%s by %s: %s", name, as.Email, res.Body)
	}
	return res
}

// attempt is one try to get more than one has.
type attempt struct {
	what  string // what is tried, in a few words
	do    string // the mutation
	input Vars
	code  string
}

// try makes attempts, each of which must be refused and change nothing.
func (s scene) try(who world.Person, attempts ...attempt) {
	s.Helper()
	for _, at := range attempts {
		before := s.a.Rows(s)
		res, code := s.mutate(who, at.do, at.input)
		if code != at.code {
			s.Errorf("%s by %s: got %q, want %s: %s", at.what, who.Email, code, at.code, res.Body)
		}
		if s.a.Rows(s) != before {
			s.Errorf("%s by %s: something was changed", at.what, who.Email)
		}
	}
}

const (
	forbidden       = "FORBIDDEN"
	notFound        = "NOT_FOUND"
	badInput        = "BAD_USER_INPUT"
	conflict        = "CONFLICT"
	unauthenticated = "UNAUTHENTICATED"
)

// on is the input of a mutation of a contact of the account.
func (s scene) on(k world.Kind, more ...Vars) Vars {
	s.Helper()
	return merge(append([]Vars{{"contactId": s.a.Contact(k)}}, more...)...)
}

// here is the input of a mutation of the account.
func (s scene) here(more ...Vars) Vars {
	return merge(append([]Vars{{"accountId": s.a.ID}}, more...)...)
}

func merge(all ...Vars) Vars {
	out := Vars{}
	for _, v := range all {
		maps.Copy(out, v)
	}
	return out
}

var request = Vars{"staffRequest": Vars{"reference": "T-1", "reason": "The customer asked for it."}}

// newContact is a contact to add.
func newContact(more Vars) Vars {
	return merge(Vars{"firstName": "New", "lastName": "Contact", "email": "new.contact@world.example"}, more)
}

// upload imports files, and returns the answer's code, or the job's state once it has ended.
func (s scene) upload(who world.Person, files map[string]string, more Vars) string {
	s.Helper()
	if head, ok := files["contacts"]; ok {
		files["contacts"] = "Company,Last name,E-mail,Role,Permissions\n" + head + "\n"
	}
	named := map[string]string{}
	for name, text := range files {
		named["input."+name] = text
	}
	res := s.w.Upload(s, who, mutation("importAccounts"), Vars{"input": merge(more)}, named)
	if code := codeOf(res, "importAccounts"); code != "" {
		return code
	}
	id := res.Text("importAccounts.job.id")
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		job := s.w.Do(s, who, `query($id: ID!) { node(id: $id) { ... on ImportJob { state } } }`, Vars{"id": id})
		if state := job.Text("node.state"); slices.Contains([]string{"DONE", "FAILED"}, state) {
			return state
		} else if state == "" {
			s.Fatalf("the job is gone: %s", job.Body)
		}
	}
	s.Fatal("the job has not ended")
	return ""
}

// tryImport tries to import one row.
func (s scene) tryImport(who world.Person, what, row, want string, more Vars) {
	s.Helper()
	before := s.a.Rows(s)
	if got := s.upload(who, map[string]string{"contacts": row}, more); got != want {
		s.Errorf("%s by %s: got %s, want %s", what, who.Email, got, want)
	}
	if s.a.Rows(s) != before {
		s.Errorf("%s by %s: something was changed", what, who.Email)
	}
}

// see asks for an object, and returns whether it is there.
func (s scene) see(who world.Person, id string) bool {
	s.Helper()
	res := s.w.Do(s, who, `query($id: ID!) { node(id: $id) { id } }`, Vars{"id": id})
	if len(res.Errors) > 0 {
		s.Errorf("node by %s: %s", who.Email, res.Body)
	}
	return res.Get("node") != nil
}
