package imports

import (
	"fmt"
	"strings"
	"testing"

	"steward/internal/testing/world"
)

const header = "Company,First name,Last name,E-mail,Role,Permissions"

func row(account, email, role, permissions string) string {
	return fmt.Sprintf("%s,New,Contact,%s,%s,%s", account, email, role, permissions)
}

// An import is done with the rights of who does it, and one row that is not theirs to import keeps out the others.
func TestRights(t *testing.T) { onSets(t, tryRights) }

func tryRights(t *testing.T, w *world.World) {
	a, other := w.Account(t), w.Other(t)
	fine := row(a.Name, "fine@new.example", "", "")
	for _, c := range []struct {
		name    string
		who     world.Kind
		rows    []string
		accept  bool
		refused int    // rows; unless accepted
		because string // what the message of a refused row says
	}{
		{"an Admin", world.Admin, []string{fine, row(a.Name, "a1@new.example", "", "ADMIN; Billing")}, true, 0, ""},
		{"a program with ADMIN", world.ServiceAccount, []string{row(a.Name, "a2@new.example", "", "Renew contracts")}, true, 0, ""},
		{"a manager gives what they hold", world.BillingManager, []string{row(a.Name, "m1@new.example", "", "Billing; Contact management")}, true, 0, ""},
		{"a manager gives ADMIN", world.ContactManagement, []string{fine, row(a.Name, "m2@new.example", "Account administrator", "")}, false, 1, "ADMIN"},
		{"a manager gives what they do not hold", world.ContactManagement, []string{fine, row(a.Name, "m3@new.example", "", "Support; Contact management")}, false, 1, "SUPPORT"},
		{"a contact with BILLING only", world.Billing, []string{row(a.Name, "b1@new.example", "", "Billing"), row(a.Name, "b2@new.example", "", "")}, false, 2, "You may not add contacts"},
		{"staff give a standard role", world.StaffSupport, []string{row(a.Name, "s1@new.example", "SUPPORT_ONLY", "")}, true, 0, ""},
		{"staff give a permission", world.StaffSupport, []string{row(a.Name, "s2@new.example", "SUPPORT_ONLY", ""), row(a.Name, "s3@new.example", "", "Support")}, false, 1, "standard role"},
		{"staff make an owner", world.Accounting, []string{row(a.Name, "s4@new.example", "Account owner", "")}, false, 1, "standard role"},
		{"an owner on two accounts", world.OtherOwner, []string{row(other.Name, "o1@new.example", "", "ADMIN"), row(a.Name, "o2@new.example", "", "")}, false, 1, "There is no account"},
		{"ADMIN there, nothing here", world.TwoHats, []string{row(other.Name, "t1@new.example", "", "ADMIN"), row(a.Name, "t2@new.example", "", "")}, false, 1, "You may not add contacts"},
		{"a deactivated Admin", world.Deactivated, []string{row(a.Name, "d1@new.example", "", "")}, false, 1, "There is no account"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			before := countOf(t, w)
			got := imported(t, w, a.As(t, c.who), files{contacts: lines(append([]string{header}, c.rows...)...)})
			after := countOf(t, w)
			if c.accept {
				if got.State != "DONE" || got.Summary.ContactsCreated != len(c.rows) || after.contacts-before.contacts != len(c.rows) {
					t.Errorf("the job ended as %+v", got)
				}
				return
			}
			if got.State != "FAILED" || len(got.Problems) != c.refused || after.contacts != before.contacts || after.mails != before.mails {
				t.Errorf("the job ended as %+v, want %d problems, with %d contacts where %d were", got, c.refused, after.contacts, before.contacts)
			}
			for _, p := range got.Problems {
				if !strings.Contains(p.Message, c.because) {
					t.Errorf("the problem says %q, want %q", p.Message, c.because)
				}
			}
		})
	}
}

// Who may not import at all is told so before there is a job.
func TestRights_refusedAtOnce(t *testing.T) { onSets(t, tryRightsRefusedAtOnce) }

func tryRightsRefusedAtOnce(t *testing.T, w *world.World) {
	a := w.Account(t)
	w.As(t, world.NarrowedToken) // is made now
	before := countOf(t, w)
	contacts := lines(header, row(a.Name, "x@new.example", "Account owner", ""))
	for _, c := range []struct {
		who  world.Kind
		f    files
		code string
	}{
		{world.StaffSupport, files{"Company\nNew Ltd\n", contacts}, "FORBIDDEN"},
		{world.Owner, files{"Company\nNew Ltd\n", contacts}, "FORBIDDEN"},
		{world.NarrowedToken, files{"", contacts}, "FORBIDDEN"},
		{world.Stranger, files{"", contacts}, "FORBIDDEN"},
		{world.Anonymous, files{"", contacts}, "UNAUTHENTICATED"},
	} {
		if res := upload(t, w, w.As(t, c.who), c.f); res.Code() != c.code || res.Text("importAccounts.job.id") != "" {
			t.Errorf("%s is answered %s, want %s", c.who, res.Body, c.code)
		}
	}
	if after := countOf(t, w); after != before {
		t.Errorf("the refusals have left %+v, before there was %+v", after, before)
	}
}

// An account that the caller may not see is one that is not there.
func TestRights_hiddenAccount(t *testing.T) { onSets(t, tryRightsHiddenAccount) }

func tryRightsHiddenAccount(t *testing.T, w *world.World) {
	a := w.Account(t)
	w.Other(t)
	say := func(account string) string {
		got := imported(t, w, w.As(t, world.OtherOwner), files{contacts: lines(header, row(account, "x@new.example", "", ""))})
		return strings.ReplaceAll(fmt.Sprint(got.State, got.Problems, got.Summary, got.Done, got.Total), account, "ACCOUNT")
	}
	if hidden, none := say(a.Name), say("Nobody Knows Ltd"); hidden != none {
		t.Errorf("of a hidden account is said %q, of one that is not there %q", hidden, none)
	}
}

// A job is there for who started it, and for nobody else.
func TestRights_jobOfAnother(t *testing.T) { onSets(t, tryRightsJobOfAnother) }

func tryRightsJobOfAnother(t *testing.T, w *world.World) {
	a := w.Account(t)
	got := imported(t, w, a.As(t, world.Admin), files{contacts: lines(header, row(a.Name, "x@new.example", "", "ADMIN"))})
	for _, k := range world.Callers {
		if k == world.Admin {
			continue
		}
		if res := w.Do(t, a.As(t, k), readJob, world.Vars{"id": got.ID}); res.Get("node") != nil || k != world.Disabled && len(res.Errors) > 0 {
			t.Errorf("%s is answered %s", k, res.Body)
		}
	}
}

// A row is asked for when the job runs: what its starter has lost meanwhile counts no more.
func TestRights_lostMeanwhile(t *testing.T) { embedded(t, tryRightsLostMeanwhile) }

func tryRightsLostMeanwhile(t *testing.T, w *world.World) {
	for try := range 20 {
		a := w.Account(t, world.Owner, world.Admin)
		admin := a.As(t, world.Admin)
		for n := range 3 { // they keep the next one waiting
			upload(t, w, w.As(t, world.Accounting), generate(fmt.Sprintf("Before%d-%d", try, n), 1, 5, 100))
		}
		id := upload(t, w, admin, files{contacts: lines(header, row(a.Name, "late@new.example", "", ""))}).Text("importAccounts.job.id")
		w.Must(t, a.As(t, world.Owner), `mutation($input: DeactivateContactInput!) { deactivateContact(input: $input) { contact { id } } }`,
			world.Vars{"input": world.Vars{"contactId": a.Contact(world.Admin)}})
		waits := w.Must(t, admin, readJob, world.Vars{"id": id}).Text("node.state") == "QUEUED"
		got := finished(t, w, admin, id)
		if !waits {
			continue // it may have run before the right was lost
		}
		if got.State != "FAILED" || contact(t, w, a.Name, "late@new.example") != nil {
			t.Errorf("the job ended as %+v", got)
		}
		return
	}
	t.Error("no job waited until its starter had lost the right")
}
