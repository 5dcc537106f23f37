package matrix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

const importAccounts = `mutation($input: ImportAccountsInput!) { importAccounts(input: $input) { job { id state } userErrors { code field message } auditId } }`

const contactsHeader = "Company,First name,Last name,E-mail,Role,Permissions\n"

// importCase is one row of an import file and for whom it is imported. Whoever else can start the import has it fail on
// that row.
type importCase struct {
	name              string
	role, permissions string
	newAccount        bool
	may               []Kind
}

var importCases = []importCase{
	{name: "a new account", role: "Account owner", newAccount: true, may: only(world.Accounting)},
	{name: "without permissions", may: kinds(owner, admins, managers)},
	{name: "a role that a manager holds", role: "BILLING_ONLY", may: kinds(owner, admins, only(world.BillingManager), staff)},
	{name: "a role that no manager holds", role: "BILLING_AND_SUPPORT", may: kinds(owner, admins, staff)},
	{name: "the role of an Admin", role: "ACCOUNT_ADMINISTRATOR", may: kinds(owner, admins, staff)},
	{name: "ADMIN", permissions: "ADMIN", may: kinds(owner, admins)},
	{name: "CONTACT_MANAGEMENT", permissions: "CONTACT_MANAGEMENT", may: kinds(owner, admins, managers)},
	{name: "BILLING", permissions: "BILLING", may: kinds(owner, admins, only(world.BillingManager))},
	{name: "LICENSE_MANAGEMENT", permissions: "LICENSE_MANAGEMENT", may: kinds(owner, admins)},
	{name: "a second owner", role: "Account owner", may: nobody},
}

// refusedAtOnce is what is refused before there is a job.
func (ic importCase) refusedAtOnce(who Kind) (outcome, bool) {
	switch {
	case slices.Contains(signedOut, who):
		return unauthenticated, true
	case who == world.NarrowedToken:
		return because("token_scope", "importAccounts"), true
	case ic.newAccount && who != world.Accounting:
		return lacks("create_account"), true
	case who == world.Stranger || who == world.NoLogin:
		return because("contact_of_no_account", "add_contact"), true
	}
	return outcome{}, false
}

func (ic importCase) files(a *world.Account, email string) map[string]string {
	company := a.Name
	files := map[string]string{}
	if ic.newAccount {
		company = "Imported Customer"
		files["input.accounts"] = "Company\n" + company + "\n"
	}
	files["input.contacts"] = contactsHeader + fmt.Sprintf("%s,New,Contact,%s,%s,%s\n", company, email, ic.role, ic.permissions)
	return files
}

func importsByEverybody(t *testing.T, r run) {
	w := r.w
	w.Other(t)
	for _, ic := range importCases {
		t.Run(strings.ReplaceAll(ic.name, " ", "_"), func(t *testing.T) {
			shared := w.Account(t)
			for _, who := range r.callers(world.Callers) {
				a := shared
				if slices.Contains(ic.may, who) {
					a = w.Account(t, who)
				}
				ic.try(t, w, a, who)
			}
		})
	}
}

func (ic importCase) try(t *testing.T, w *world.World, a *world.Account, who Kind) {
	t.Helper()
	caller, rows := a.As(t, who), a.Rows(t)
	res := w.Upload(t, caller, importAccounts, world.Vars{"input": world.Vars{"staffRequest": staffRequest}}, ic.files(a, "imported@world.example"))
	op := operation{name: "importAccounts"}
	got := (&cell{op: &op}).result(res)
	if want, atOnce := ic.refusedAtOnce(who); atOnce {
		if got != want || a.Rows(t) != rows {
			t.Errorf("%s: got %+v, want %+v: %s", who, got, want, res.Body)
		}
		return
	}
	if got != done {
		t.Errorf("%s: got %+v, want a job: %s", who, got, res.Body)
		return
	}
	job := finished(t, w, caller, res.Text("importAccounts.job.id"))
	want := "FAILED"
	if slices.Contains(ic.may, who) {
		want = "DONE"
	}
	if state := job.Text("node.state"); state != want || (len(job.List("node.problems")) == 0) != (want == "DONE") {
		t.Errorf("%s: the job is %s, want %s", who, job.Body, want)
	}
	if there := ic.imported(t, w, a); there != (want == "DONE") {
		t.Errorf("%s: the contact is there: %t", who, there)
	}
	if want == "FAILED" && a.Rows(t) != rows {
		t.Errorf("%s: a job that failed has changed the account", who)
	}
}

func (ic importCase) imported(t *testing.T, w *world.World, a *world.Account) (there bool) {
	w.View(t, func(ctx context.Context, tx *store.Tx) error {
		key := a.Key
		if ic.newAccount {
			created, err := tx.AccountByName(ctx, "Imported Customer")
			if err != nil {
				return err
			}
			key = created.ID
		}
		_, err := tx.ContactByEmail(ctx, key, "imported@world.example")
		if there = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return there
}

// finished waits until the job that the person has started is over.
func finished(t *testing.T, w *world.World, who world.Person, id string) world.Response {
	t.Helper()
	for {
		res := w.Must(t, who, `query($id: ID!) { node(id: $id) { ... on ImportJob {
			state dryRun done total finishedAt problems { file line column message mend }
			summary { accountsCreated accountsUnchanged contactsCreated contactsUnchanged } } } }`, world.Vars{"id": id})
		switch res.Text("node.state") {
		case "DONE", "FAILED":
			return res
		case "QUEUED", "RUNNING":
			if t.Context().Err() != nil {
				t.Fatal("the test was ended before the job")
			}
		default:
			t.Fatalf("the job %s is not there for who started it: %s", id, res.Body)
		}
	}
}

// Staff start an import on a recorded request only.
func importsStaffNeedARequest(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	for _, who := range r.callers(staff) {
		res := w.Upload(t, a.As(t, who), importAccounts, world.Vars{"input": world.Vars{}}, importCases[2].files(a, "x@world.example"))
		if res.Text("importAccounts.userErrors.0.code") != "BAD_USER_INPUT" || res.Text("importAccounts.userErrors.0.field") != "staffRequest" {
			t.Errorf("%s: %s", who, res.Body)
		}
	}
}

// An import tells nothing that its caller may not see: an account that is hidden is one that is not there, and whether an
// address belongs to a contact is told to nobody who cannot read the addresses.
func importsAreNoOracle(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	w.Other(t)
	answer := func(who Kind, company, email string) string {
		caller := a.As(t, who)
		res := w.Upload(t, caller, importAccounts, world.Vars{"input": world.Vars{"dryRun": true}}, map[string]string{
			"input.contacts": contactsHeader + company + ",New,Contact," + email + ",,\n",
		})
		job := finished(t, w, caller, res.Text("importAccounts.job.id"))
		text := fmt.Sprint(job.Get("node.state"), job.Get("node.problems"), job.Get("node.summary"))
		return strings.NewReplacer(company, "COMPANY", email, "EMAIL").Replace(text)
	}
	for _, who := range r.callers(kinds(only(world.OtherOwner, world.Deactivated))) {
		hidden, invented := answer(who, a.Name, "n@world.example"), answer(who, "Never Heard Of", "n@world.example")
		if hidden != invented {
			t.Errorf("%s: a hidden account answers %s, one that is not there %s", who, hidden, invented)
		}
	}
	for _, who := range r.callers(kinds(plain, only(world.OtherOwner, world.Deactivated))) {
		known, unknown := answer(who, a.Name, "target@world.example"), answer(who, a.Name, "n@world.example")
		if known != unknown {
			t.Errorf("%s: the address of a contact answers %s, another %s", who, known, unknown)
		}
	}
}

// A job exists for who started it, and for nobody else.
func importsJobsAreTheirStartersAlone(t *testing.T, r run) {
	w := r.w
	a := w.Account(t)
	res := w.Upload(t, a.As(t, world.Admin), importAccounts, world.Vars{"input": world.Vars{}}, importCases[1].files(a, "x@world.example"))
	id := res.Text("importAccounts.job.id")
	finished(t, w, a.As(t, world.Admin), id)
	invented := domain.GlobalID("ImportJob", domain.NewID[domain.JobID]())
	for _, who := range r.callers(world.Callers) {
		if who == world.Admin {
			continue
		}
		const query = `query($id: ID!) { node(id: $id) { id ... on ImportJob { state problems { message } } } }`
		got, want := w.Do(t, a.As(t, who), query, world.Vars{"id": id}), w.Do(t, a.As(t, who), query, world.Vars{"id": invented})
		if got.Get("node") != nil || string(withoutRequestID(got)) != string(withoutRequestID(want)) {
			t.Errorf("%s: %s, want %s", who, got.Body, want.Body)
		}
	}
}
