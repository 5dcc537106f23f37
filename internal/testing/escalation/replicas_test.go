package escalation

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"steward/internal/testing/world"
)

// right is something that can be taken from a contact and given back, and what shows whether it is there.
type right struct {
	name       string
	take, give string // mutations
	on         world.Kind
	more       Vars // of their input
	shows      func(world.Response) bool
}

var rights = []right{
	{"ADMIN", "revokeAdminPermission", "grantAdminPermission", world.TargetAdmin, nil, func(res world.Response) bool {
		return res.Get("node.auditLog") != nil || res.Get("node.viewerCan.editAccount") == true || res.Text("node.owner.email") != ""
	}},
	{"CONTACT_MANAGEMENT", "revokePermission", "grantPermission", world.TargetManager, Vars{"permission": "CONTACT_MANAGEMENT"}, func(res world.Response) bool {
		return res.Get("node.viewerCan.addContact") == true || res.Text("node.owner.email") != ""
	}},
	{"being a contact", "deactivateContact", "reactivateContact", world.TargetBilling, nil, func(res world.Response) bool {
		return res.Get("node") != nil
	}},
}

const pageOfRights = `query($id: ID!) { node(id: $id) { ... on Account { name owner { email } viewerCan { editAccount addContact } auditLog(first: 1) { totalCount } } } }`

// TestReplicas takes a right on one replica and reads on the other at once, again and again: what the first has answered as
// done, the second knows, whatever it has kept of answers. What is given is known at once by the same rule.
func TestReplicas(t *testing.T) {
	w := world.New(t, world.AllowUnplanned(), world.On(world.Many))
	const rounds = 100 // of three rights, each taken and given
	seed := world.Seed(t)
	for i, r := range rights {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := scene{t, w, w.Account(t, world.TargetAdmin, world.TargetManager, world.TargetBilling)}
			chance := rand.New(rand.NewPCG(seed, uint64(i)))
			for range rounds {
				s.round(r, chance)
			}
		})
	}
}

func (s scene) round(r right, chance *rand.Rand) {
	s.Helper()
	look := func(replica int) world.Response {
		return s.w.Replica(replica).Do(s, s.as(r.on), pageOfRights, Vars{"id": s.a.ID})
	}
	for replica := range 2 { // now both have kept the answer
		if res := look(replica); !r.shows(res) {
			s.Fatalf("%s is there, and replica %d answers %s", r.name, replica, res.Body)
		}
	}
	s.change(r.take, r, chance.IntN(2), func(elsewhere int) {
		if res := look(elsewhere); r.shows(res) {
			s.Fatalf("%s was taken on replica %d, and replica %d answers %s", r.name, 1-elsewhere, elsewhere, res.Body)
		}
	})
	s.change(r.give, r, chance.IntN(2), func(elsewhere int) {
		if res := look(elsewhere); !r.shows(res) {
			s.Fatalf("%s was given on replica %d, and replica %d answers %s", r.name, 1-elsewhere, elsewhere, res.Body)
		}
	})
}

// change carries a mutation out on one replica, and has the other looked at as soon as it is answered.
func (s scene) change(name string, r right, here int, elsewhere func(replica int)) {
	s.Helper()
	res := s.w.Replica(here).Do(s, s.as(world.Owner), mutation(name), Vars{"input": s.on(r.on, r.more)})
	if code := codeOf(res, name); code != "" {
		s.Fatal(fmt.Errorf("%s on replica %d: %s", name, here, res.Body))
	}
	elsewhere(1 - here)
}
