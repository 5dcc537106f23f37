package check_test

import (
	"flag"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"steward"
	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/spicedb"
	"steward/internal/domain"
	"steward/internal/relation"
)

func startSpiceDB(t testing.TB) *spicedb.Client {
	t.Helper()
	c, err := spicedb.StartEmbedded(t.Context(), spicedb.Options{Schema: steward.SchemaZed, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestPath_AnswersAsSpiceDB makes changes and asks waves, in any order, of two processes that share what they keep: each
// answer is the one that SpiceDB gives.
func TestPath_AnswersAsSpiceDB(t *testing.T) {
	checks := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", "15"); err != nil { // SpiceDB answers most of it
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("rapid.checks", checks) }()
	client := startSpiceDB(t)
	run, answered := 0, check.Stats{}
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := newWorld(t, rt, client, fmt.Sprint("r", run))
		for range rapid.IntRange(1, 15).Draw(rt, "changes") {
			rapid.SampledFrom([]func(*rapid.T){w.changeContact, w.changeContact, w.changeStaff}).Draw(rt, "change")(rt)
			for range 8 {
				w.ask(rt)
			}
		}
		for _, p := range w.paths {
			s := p.Stats()
			answered.Memory, answered.Shared, answered.Backend = answered.Memory+s.Memory, answered.Shared+s.Shared, answered.Backend+s.Backend
		}
	})
	t.Logf("answered: %+v", answered)
	if answered.Memory == 0 || answered.Shared == 0 || answered.Backend == 0 {
		t.Errorf("a layer has answered nothing: %+v", answered)
	}
}

// world is two accounts with four contacts each, and somebody who may be staff.
type world struct {
	t        *testing.T
	client   *spicedb.Client
	paths    []*check.Path
	local    *check.Local
	contacts []domain.Contact
	staff    bool
	people   []authz.Subject
}

func newWorld(t *testing.T, rt *rapid.T, client *spicedb.Client, name string) *world {
	w := &world{t: t, client: client}
	var all []relation.Update
	w.people = []authz.Subject{{Type: relation.TypeUser, ID: name + "-staff"}}
	for _, account := range []string{"A", "B"} {
		id := domain.AccountID(name + account)
		all = append(all, relation.Touch(relation.OfAccount(id))...)
		for i := range 4 {
			c := domain.Contact{
				ID: domain.ContactID(fmt.Sprint(id, "-c", i)), AccountID: id, Owner: i == 0, State: domain.ContactActive,
				Person: domain.UserPerson(domain.UserID(fmt.Sprint(name, "-p", i))), // the same people are in both accounts
			}
			all = append(all, relation.ContactChange(nil, &c)...)
			w.contacts = append(w.contacts, c)
		}
	}
	w.write(rt, all)
	for i := range 4 {
		w.people = append(w.people, authz.Subject{Type: relation.TypeUser, ID: fmt.Sprint(name, "-p", i)})
	}
	o, local := options(client)
	o.Shared = newKept()
	w.local = local
	for _, memory := range []uint64{1 << 20, 2000} { // the second forgets a lot
		o.MemoryBytes = memory
		w.paths = append(w.paths, check.New(o))
	}
	return w
}

func (w *world) write(rt *rapid.T, updates []relation.Update) {
	if err := w.client.Write(w.t.Context(), "", updates); err != nil {
		rt.Fatal(err)
	}
}

func (w *world) changeContact(rt *rapid.T) {
	i := rapid.IntRange(0, len(w.contacts)-1).Draw(rt, "contact")
	after := w.contacts[i]
	if after.Owner || rapid.Bool().Draw(rt, "state") {
		after.State = rapid.SampledFrom([]domain.ContactState{domain.ContactActive, domain.ContactDeactivated}).Draw(rt, "is")
	} else {
		after.Permissions = domain.PermissionSet(rapid.IntRange(0, int(domain.AllPermissions)).Draw(rt, "permissions"))
	}
	w.write(rt, relation.ContactChange(&w.contacts[i], &after))
	w.contacts[i] = after
	w.local.Bump([]string{string(after.AccountID)})
}

func (w *world) changeStaff(rt *rapid.T) {
	w.staff = !w.staff
	var updates []relation.Update
	for _, r := range relation.OfStaff(domain.UserID(w.people[0].ID), domain.StaffSupport) {
		updates = append(updates, relation.Update{Delete: !w.staff, Relationship: r})
	}
	w.write(rt, updates)
	w.local.Bump([]string{authz.GlobalScope})
}

func (w *world) ask(rt *rapid.T) {
	sub := rapid.SampledFrom(w.people[:3]).Draw(rt, "who")
	p := rapid.SampledFrom(w.paths).Draw(rt, "process")
	all := []authz.Ref{{Type: relation.TypePlatform, ID: relation.PlatformID}, {Type: relation.TypeContact, ID: "nobody"}, {Type: relation.TypeContact, ID: "no id!"}}
	for i, c := range w.contacts {
		all = append(all, authz.Ref{Type: relation.TypeContact, ID: string(c.ID), Tenant: c.AccountID})
		if i%4 == 0 {
			all = append(all, authz.Ref{Type: relation.TypeAccount, ID: string(c.AccountID), Tenant: c.AccountID})
		}
	}
	var asks []authz.Ask
	for _, ref := range rapid.SliceOfN(rapid.SampledFrom(all), 1, 8).Draw(rt, "objects") { // some of them twice
		few := rapid.Uint64Range(0, 7).Draw(rt, "bits") << rapid.SampledFrom([]int{0, 8}).Draw(rt, "from")
		asks = append(asks, authz.Ask{Ref: ref, Bits: few & (1<<len(permissions()[ref.Type]) - 1)})
	}
	got, err := p.Check(w.t.Context(), sub, asks)
	if err != nil {
		rt.Fatal(err)
	}
	if want := w.truth(rt, sub, asks); !slices.Equal(got.Allowed, want) {
		rt.Fatalf("%v asks %v: the path answers %b, SpiceDB %b", sub, asks, got.Allowed, want)
	}
}

// truth answers a wave by SpiceDB alone.
func (w *world) truth(rt *rapid.T, sub authz.Subject, asks []authz.Ask) []uint64 {
	out := make([]uint64, len(asks))
	for i, a := range asks {
		var qs []authz.Question
		for b := a.Bits; b != 0; b &= b - 1 {
			qs = append(qs, authz.Question{Ref: a.Ref, Permission: permissions()[a.Ref.Type][bits.TrailingZeros64(b)]})
		}
		got, err := w.client.Check(w.t.Context(), sub, qs)
		if err != nil {
			rt.Fatal(err)
		}
		b := a.Bits
		for _, ok := range got {
			if ok {
				out[i] |= b & -b
			}
			b &= b - 1
		}
	}
	return out
}
