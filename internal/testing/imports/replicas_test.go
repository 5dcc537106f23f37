package imports

import (
	"testing"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// A few thousand rows, uploaded to one replica and read on the other: whichever of them works on the job, it is done once,
// both tell the same of it, and as soon as it is done its rights count on both.
func TestReplicas(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.On(world.Many))
	who := w.As(t, world.Accounting)
	const accounts, contacts = 20, 100 // of each
	before := countOf(t, w)
	files := generate("Replicas", world.Seed(t), accounts, contacts)
	for first := range 2 { // the second time everything is there
		res := w.Replica(first).Upload(t, who, importAccounts, world.Vars{"input": world.Vars{"staffRequest": request}},
			map[string]string{"input.accounts": files.accounts, "input.contacts": files.contacts})
		got := finishedOn(t, w.Replica(1-first), who, res.Text("importAccounts.job.id"))
		want := summary{AccountsCreated: accounts, ContactsCreated: accounts * contacts}
		if first == 1 {
			want = summary{AccountsUnchanged: accounts, ContactsUnchanged: accounts * contacts}
		}
		if again := finishedOn(t, w.Replica(first), who, got.ID); got.State != "DONE" || got.Summary != want || again.Summary != want {
			t.Errorf("the job ended as %+v, and as %+v on the replica that it was started on", got, again)
		}
	}
	after := countOf(t, w)
	if after.accounts != before.accounts+accounts || after.contacts != before.contacts+accounts*contacts || after.mails != before.mails+accounts || after.jobFiles != 0 {
		t.Errorf("there is %+v, before it was %+v", after, before)
	}
	owner := w.Person(t, "replicas.c0.a0@example.com")
	accept(t, w, owner)
	id := domain.GlobalID("Contact", contact(t, w, "Replicas Company No. 0", "replicas.c1.a0@example.com").ID)
	for i, r := range w.Replicas() {
		res := r.Must(t, owner, `query($id: ID!) { node(id: $id) { ... on Contact { email viewerCan { removeContact } account { viewerCan { transferOwnership } } } } }`, world.Vars{"id": id})
		if res.Text("node.email") == "" || res.Get("node.viewerCan.removeContact") != true || res.Get("node.account.viewerCan.transferOwnership") != true {
			t.Errorf("replica %d answers the owner %s", i, res.Body)
		}
	}
}
