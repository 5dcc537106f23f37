package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

func contactsFile(rows ...string) []byte {
	return []byte("Company,Last name,E-mail,Role,Permissions,Account types\n" + strings.Join(rows, "\n") + "\n")
}

func companyOf(t testing.TB, p *parts.Parts, id domain.AccountID) (name string) {
	t.Helper()
	p.Query("SELECT name FROM accounts WHERE id = ?", func(v []any) { name = v[0].(string) }, string(id))
	return name
}

func (w world) imports(actor domain.Actor, in service.ImportFiles) domain.Job {
	w.Helper()
	job, err := w.p.Service.ImportNow(w.Context(), actor, in, nil)
	wantCode(w, err, "")
	return job
}

// world is a test with its parts, and the state that must not change.
type world struct {
	*testing.T
	p *parts.Parts
}

func (w world) contacts() int { w.Helper(); return w.p.Count("SELECT count(*) FROM contacts") }

func TestImport_AllOrNothing(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	a := p.Account(manager)
	company, before := companyOf(t, p, a[0].AccountID), w.contacts()
	good := company + ",One,one@people.example,,CONTACT_MANAGEMENT,"
	for name, bad := range map[string]string{
		"not theirs to give": company + ",Two,two@people.example,,BILLING,",
		"ADMIN":              company + ",Two,two@people.example,ACCOUNT_ADMINISTRATOR,,",
		"a second owner":     company + ",Two,two@people.example,ACCOUNT_OWNER,,",
		"another company":    "Elsewhere,Two,two@people.example,,,",
		"no address":         company + ",Two,two,,,",
		"twice":              good,
	} {
		job := w.imports(a[1].Actor, service.ImportFiles{Contacts: contactsFile(good, bad)})
		if job.State != domain.JobFailed || len(job.Problems) == 0 || job.Problems[0].Line != 3 || w.contacts() != before {
			t.Errorf("%s: %+v", name, job)
		}
	}
	job := w.imports(a[1].Actor, service.ImportFiles{Contacts: contactsFile(good), DryRun: true})
	if job.State != domain.JobDone || job.Summary.ContactsCreated != 1 || w.contacts() != before {
		t.Errorf("a dry run: %+v", job)
	}
	for i, created := range []int{1, 0} { // again: what is there stays as it is
		job := w.imports(a[1].Actor, service.ImportFiles{Contacts: contactsFile(good)})
		if job.State != domain.JobDone || job.Summary.ContactsCreated != created || w.contacts() != before+1 {
			t.Errorf("import %d: %+v", i, job)
		}
	}
	p.Reconciled()
}

// TestImport_NeedsOwner holds that no account comes to be without exactly one owner.
func TestImport_NeedsOwner(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	staff := accountant(t, p)
	for _, rows := range [][]string{
		{"New Ltd,One,one@people.example,BILLING_ONLY,,"},
		{"New Ltd,One,one@people.example,ACCOUNT_OWNER,,", "New Ltd,Two,two@people.example,ACCOUNT_OWNER,,"},
		{"Other Ltd,One,one@people.example,ACCOUNT_OWNER,,"},
	} {
		job := w.imports(staff, service.ImportFiles{Accounts: []byte("Company\nNew Ltd\n"), Contacts: contactsFile(rows...), StaffRequest: request})
		if job.State != domain.JobFailed || w.contacts() > 0 || p.Count("SELECT count(*) FROM accounts") > 0 {
			t.Errorf("%q: %+v", rows, job)
		}
	}
}

// TestImport_RightsAsTheJobRuns queues an import, and takes the right away before it runs.
func TestImport_RightsAsTheJobRuns(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	a := p.Account(manager, manager)
	company, before := companyOf(t, p, a[0].AccountID), w.contacts()
	in := service.ImportFiles{Contacts: contactsFile(company + ",One,one@people.example,,,")}
	var jobs []domain.JobID
	for _, c := range a[1:] {
		res, err := p.Service.ImportAccounts(t.Context(), c.Actor, in)
		wantCode(t, err, "")
		jobs = append(jobs, domain.JobID(res.ID))
	}
	if _, err := p.Service.RevokePermission(t.Context(), a[0].Actor, a[1].ID, domain.ContactManagement, service.ContactChange{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Service.SetUserDisabled(t.Context(), domain.UserID(a[2].Person.ID), true); err != nil {
		t.Fatal(err)
	}
	w.work(jobs...)
	for i, id := range jobs {
		if job := w.job(id); job.State != domain.JobFailed || len(job.Problems) == 0 {
			t.Errorf("job %d: %+v", i, job)
		}
	}
	if w.contacts() != before {
		t.Error("something was imported by who has no right any more")
	}
}

// work runs the worker until the jobs have ended.
func (w world) work(ids ...domain.JobID) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.p.Service.RunJobs(ctx) }()
	for _, id := range ids {
		for w.job(id).FinishedAt.IsZero() {
			if w.Context().Err() != nil {
				w.Fatal("the job has not ended")
			}
		}
	}
	stop()
	<-ended
}

func (w world) job(id domain.JobID) (job domain.Job) {
	w.Helper()
	err := w.p.DB.View(w.Context(), func(tx *store.Tx) (err error) { job, err = tx.Job(w.Context(), id); return err })
	if err != nil {
		w.Fatal(err)
	}
	return job
}

// TestImport_Pending has SpiceDB fail after the rows are in: the job is not done before they are effective, and its rows
// are not imported again.
func TestImport_Pending(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	staff := accountant(t, p)
	var rows []string
	for i := range 1500 { // more than one write of SpiceDB takes
		rows = append(rows, fmt.Sprintf("New Ltd,Row %d,row%d@people.example,BILLING_ONLY,,", i, i))
	}
	rows = append(rows, "New Ltd,Owner,owner@people.example,ACCOUNT_OWNER,,")
	res, err := p.Service.ImportAccounts(t.Context(), staff, service.ImportFiles{Accounts: []byte("Company\nNew Ltd\n"), Contacts: contactsFile(rows...), StaffRequest: request})
	wantCode(t, err, "")
	id := domain.JobID(res.ID)
	ctx, stop := context.WithCancel(t.Context())
	p.Writer.Before(func(context.Context, []relation.Update) error {
		stop() // the process ends here
		return errors.New("down")
	})
	p.Service.RunJobs(ctx)
	if job := w.job(id); !job.FinishedAt.IsZero() || w.contacts() != 1501 {
		t.Fatalf("the job is %+v, with %d contacts", job, w.contacts())
	}
	p.Writer.Before(nil)
	w.work(id)
	job := w.job(id)
	if job.State != domain.JobDone || job.Done != job.Total || job.Summary.ContactsCreated != 1501 || w.contacts() != 1501 {
		t.Errorf("the job is %+v, with %d contacts", job, w.contacts())
	}
	p.Reconciled()
}
