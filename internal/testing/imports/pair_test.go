package imports

import (
	"context"
	"strings"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

const (
	company = "Alder & Finch Bakery"
	olivia  = "olivia.owner@alderfinch.example"
	bill    = "bill.billing@alderfinch.example"
)

var wholePair = summary{AccountsCreated: 40, ContactsCreated: 400}

// The demo's pair of files, into an installation that holds nothing: first to look, then in earnest, then again.
func TestPair(t *testing.T) { onSets(t, tryPair) }

func tryPair(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	begin := countOf(t, w)

	looked := imported(t, w, who, demoFiles(), world.Vars{"dryRun": true})
	if looked.State != "DONE" || !looked.DryRun || looked.Summary != wholePair || len(looked.Problems) > 0 {
		t.Errorf("the dry run ended as %+v", looked)
	}
	after := countOf(t, w)
	if want := (counts{audits: begin.audits + 1, jobs: 1}); after != want {
		t.Errorf("after a dry run there is %+v, want %+v", after, want)
	}

	first := imported(t, w, who, demoFiles())
	if first.State != "DONE" || first.DryRun || first.Summary != wholePair || first.Done != 440 || first.Total != 440 {
		t.Errorf("the import ended as %+v", first)
	}
	after = countOf(t, w)
	// The audit log has each account, each contact and the job; each account's owner is invited.
	want := counts{accounts: 40, contacts: 400, mails: 40, audits: begin.audits + 2 + 440, jobs: 2}
	if after != want {
		t.Errorf("after the import there is %+v, want %+v", after, want)
	}

	shouted := demoFiles()
	shouted.contacts = strings.NewReplacer(company, strings.ToUpper(company), bill, strings.ToUpper(bill)).Replace(shouted.contacts)
	shouted.accounts = strings.ReplaceAll(shouted.accounts, company, "  alder & FINCH   bakery ")
	for name, f := range map[string]files{"the same files": demoFiles(), "the same in other letters": shouted} {
		again := imported(t, w, who, f)
		if again.State != "DONE" || again.Summary != (summary{AccountsUnchanged: 40, ContactsUnchanged: 400}) {
			t.Errorf("%s again ended as %+v", name, again)
		}
		want.jobs, want.audits = want.jobs+1, want.audits+1+40 // staff have seen 40 accounts
		if after := countOf(t, w); after != want {
			t.Errorf("after %s again there is %+v, want %+v", name, after, want)
		}
	}
}

// What a row says that is there already changes nothing: neither name nor phone, permissions, types or owner.
func TestPair_rowsThatExistStay(t *testing.T) { onSets(t, tryPairRowsThatExistStay) }

func tryPairRowsThatExistStay(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	imported(t, w, who, demoFiles())
	before := contact(t, w, company, bill)
	again := imported(t, w, who, files{contacts: lines("Company,First name,Last name,E-mail,Phone,Role,Account types",
		company+",Robert,Other,"+bill+",+1 555 0100,Account administrator,Primary billing contact")})
	if again.State != "DONE" || again.Summary != (summary{ContactsUnchanged: 1}) {
		t.Errorf("the import ended as %+v", again)
	}
	if now := contact(t, w, company, bill); now.Name() != before.Name() || now.Phone != before.Phone || now.Permissions != before.Permissions || now.Types != before.Types {
		t.Errorf("the contact was %+v and is %+v", before, now)
	}
}

// When the job is done its rights count: the owner accepts the invitation that was mailed, and does what owners do.
func TestPair_rightsCountAtOnce(t *testing.T) { onSets(t, tryPairRightsCountAtOnce) }

func tryPairRightsCountAtOnce(t *testing.T, w *world.World) {
	imported(t, w, w.As(t, world.Accounting), demoFiles())
	owner, other := w.Person(t, olivia), w.Person(t, bill)
	const mine = `{ viewer { accounts { edges { node { id name viewerCan { editAccount addContact } contacts(first: 100) { totalCount edges { node { id email } } }
		auditLog(first: 100) { edges { node { actorName action request reason } } } } } } } }`
	if seen := w.Must(t, owner, mine, nil).List("viewer.accounts.edges"); len(seen) > 0 {
		t.Fatalf("before the invitation is accepted the owner sees %v", seen)
	}
	accept(t, w, owner)
	res := w.Must(t, owner, mine, nil)
	const node = "viewer.accounts.edges.0.node."
	if res.Text(node+"name") != company || res.Get(node+"viewerCan.editAccount") != true || res.Get(node+"viewerCan.addContact") != true {
		t.Fatalf("the owner sees %s", res.Body)
	}
	log := string(res.Body)
	for _, want := range []string{`"action":"create_account"`, `"request":"T-20418"`, `"reason":"The customer asked for it."`} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log lacks %s: %s", want, log)
		}
	}

	// Others hold what their row says once they are invited and have accepted, and no more.
	c := contact(t, w, company, bill)
	if invited(t, w, bill) {
		t.Error("a contact who is no owner was invited without being asked for")
	}
	w.Must(t, owner, `mutation($input: ResendInvitationInput!) { resendInvitation(input: $input) { contact { id } } }`,
		world.Vars{"input": world.Vars{"contactId": domain.GlobalID("Contact", c.ID)}})
	accept(t, w, other)
	res = w.Do(t, other, `{ viewer { accounts { edges { node { name viewerCan { editAccount } owner { lastName email } } } } contacts { email permissions } } }`, nil)
	if e, refused := res.Refused("Contact", "email"); !refused || e.Text("required") != "view_contact_details" || len(res.Errors) != 1 {
		t.Errorf("a contact with BILLING only is answered %s", res.Body)
	}
	if res.Text(node+"owner.lastName") != "Owner" || res.Get(node+"viewerCan.editAccount") != false || res.Text("viewer.contacts.0.email") != bill {
		t.Errorf("a contact with BILLING only is answered %s", res.Body)
	}
}

// accept links the person to the contact that the newest invitation to their address was sent for.
func accept(t testing.TB, w *world.World, who world.Person) {
	t.Helper()
	res := w.Must(t, who, `mutation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { contact { id } userErrors { message } } }`,
		world.Vars{"input": world.Vars{"token": w.Secret(t, who.Email, "invitation")}})
	if res.Text("acceptInvitation.contact.id") == "" {
		t.Fatalf("the invitation of %s was answered %s", who.Email, res.Body)
	}
}

// invited tells whether an invitation was mailed to the address.
func invited(t testing.TB, w *world.World, email string) (yes bool) {
	t.Helper()
	w.View(t, func(ctx context.Context, tx *store.Tx) error {
		mails, err := tx.MailsTo(ctx, email, 1)
		yes = len(mails) > 0
		return err
	})
	return yes
}

// Asked to, an import invites everybody whom it adds, and nobody whom it finds.
func TestPair_invite(t *testing.T) { onSets(t, tryPairInvite) }

func tryPairInvite(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	imported(t, w, who, demoFiles(), world.Vars{"invite": true, "dryRun": true})
	if n := countOf(t, w).mails; n != 0 {
		t.Errorf("a dry run has sent %d mails", n)
	}
	imported(t, w, who, demoFiles(), world.Vars{"invite": true})
	if n := countOf(t, w).mails; n != 400 {
		t.Errorf("400 contacts were sent %d mails", n)
	}
	accept(t, w, w.Person(t, bill))
	imported(t, w, who, demoFiles(), world.Vars{"invite": true})
	if n := countOf(t, w).mails; n != 400 {
		t.Errorf("the second import has sent mail: there are %d", n)
	}
}

// The same idempotency key starts one job, and a person has three that wait or run.
func TestPair_jobsAreBounded(t *testing.T) { embedded(t, tryPairJobsAreBounded) }

func tryPairJobsAreBounded(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	big := generate("Queue", 1, 20, 100)
	key := world.Vars{"idempotencyKey": "k-1"}
	first := upload(t, w, who, big, key).Text("importAccounts.job.id")
	if again := upload(t, w, who, big, key).Text("importAccounts.job.id"); again != first || first == "" {
		t.Errorf("the same key started %q and %q", first, again)
	}
	if res := upload(t, w, who, demoFiles(), key); res.Text("importAccounts.userErrors.0.code") != "CONFLICT" {
		t.Errorf("the same key for other files is answered %s", res.Body)
	}
	// These wait for the first job, and are then queued one after the other before a second job runs.
	const many = 12
	answers := make(chan world.Response, many)
	for range many {
		go func() { answers <- upload(t, w, who, demoFiles()) }()
	}
	ids := []string{first}
	refused := 0
	for range many {
		res := <-answers
		if id := res.Text("importAccounts.job.id"); id != "" {
			ids = append(ids, id)
		} else if res.Text("importAccounts.userErrors.0.code") == "CONFLICT" {
			refused++
		} else {
			t.Errorf("an upload was answered %s", res.Body)
		}
	}
	if refused == 0 {
		t.Errorf("%d imports were started at once", many)
	}
	for _, id := range ids {
		if got := finished(t, w, who, id); got.State != "DONE" {
			t.Errorf("a job ended as %+v", got)
		}
	}
	if n := countOf(t, w); n.contacts != 2400 || n.jobFiles != 0 || n.jobs != len(ids) {
		t.Errorf("in the end there is %+v", n)
	}
}

// A change that needs longer than callers wait for is applied all the same, in the time that its size needs.
func TestPair_applyingMayTakeLong(t *testing.T) { embedded(t, tryPairApplyingMayTakeLong) }

func tryPairApplyingMayTakeLong(t *testing.T, w *world.World) {
	accounts := 50
	if raceDetector {
		accounts = 10
	}
	w.Changes.ApplyTimeout = 300 * time.Millisecond // a fraction of what this import needs
	if got := imported(t, w, w.As(t, world.Accounting), generate("Slow", 1, accounts, 100)); got.State != "DONE" {
		t.Errorf("the job ended as %+v", got)
	}
}
