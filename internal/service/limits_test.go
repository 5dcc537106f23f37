package service_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

func TestMail_limits(t *testing.T) {
	p := parts.Open(t)
	p.Service.MailsPerPerson, p.Service.MailsPerAddress = 3, 2
	a := p.Account(admin)
	owner, account := a[0].Actor, a[0].AccountID
	add := func(email string) error {
		_, err := p.Service.AddContact(t.Context(), owner, account, service.AddContact{LastName: "New", Email: email})
		return err
	}
	wantCode(t, add("one@people.example"), "")
	before := p.Count("SELECT count(*) FROM contacts")
	var id string
	p.Query("SELECT id FROM contacts WHERE email = 'one@people.example'", func(v []any) { id = v[0].(string) })
	again := func() error {
		_, err := p.Service.ResendInvitation(t.Context(), owner, domain.ContactID(id), service.ContactChange{})
		return err
	}
	wantCode(t, again(), "")
	wantCode(t, again(), domain.CodeRateLimited) // the address has had two
	wantCode(t, add("two@people.example"), "")
	wantCode(t, add("three@people.example"), domain.CodeRateLimited) // the owner has caused three
	if n := p.Count("SELECT count(*) FROM contacts"); n != before+1 {
		t.Errorf("%d contacts, want %d: what was refused left something behind", n, before+1)
	}
}

func TestToken_thatCountsIsListedFirst(t *testing.T) {
	p := parts.Open(t)
	owner := p.Account(admin)[0].Actor
	make1 := func(name string) domain.APITokenID {
		res, err := p.Service.CreateAPIToken(t.Context(), owner, service.CreateToken{Name: name, ExpiresInDays: 1})
		wantCode(t, err, "")
		return domain.APITokenID(res.ID)
	}
	living := make1("living")
	for i := range 5 {
		_, err := p.Service.RevokeAPIToken(t.Context(), owner, make1(fmt.Sprint("ended ", i)), service.ContactChange{})
		wantCode(t, err, "")
	}
	if first := firstToken(world{t, p}, owner.Person); first != living {
		t.Errorf("the first of the list is %s, want the token that counts, %s", first, living)
	}
	for i := range 99 {
		make1(fmt.Sprint("more ", i))
	}
	_, err := p.Service.CreateAPIToken(t.Context(), owner, service.CreateToken{Name: "one too many", ExpiresInDays: 1})
	wantCode(t, err, domain.CodeConflict)
}

func TestImport_endsWithItsToken(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	a := p.Account(admin)
	owner, company := a[0].Actor, companyOf(t, p, a[0].AccountID)
	res, err := p.Service.CreateAPIToken(t.Context(), owner, service.CreateToken{Name: "importer", ExpiresInDays: 1})
	wantCode(t, err, "")
	byToken := owner
	byToken.TokenID = domain.APITokenID(res.ID)
	before := w.contacts()
	queued, err := p.Service.ImportAccounts(t.Context(), byToken, service.ImportFiles{Contacts: contactsFile(company + ",New,new@people.example,,ADMIN,")})
	wantCode(t, err, "")
	_, err = p.Service.RevokeAPIToken(t.Context(), owner, byToken.TokenID, service.ContactChange{})
	wantCode(t, err, "")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { p.Service.RunJobs(ctx); close(ended) }()
	job := w.finished(domain.JobID(queued.ID))
	stop()
	<-ended
	if job.State != domain.JobFailed || len(job.Problems) != 1 || w.contacts() != before {
		t.Errorf("an import went on when its token had ended: %+v", job)
	}
}

func TestImport_thatMemoryDoesNotBear(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	a := p.Account(admin)
	p.Service.Room = func(context.Context) (int, error) { return 7, nil }
	company, before := companyOf(t, p, a[0].AccountID), w.contacts()
	row := func(i int) string { return fmt.Sprintf("%s,New,new%d@people.example,BILLING_ONLY,,", company, i) }
	job := w.imports(a[0].Actor, service.ImportFiles{Contacts: contactsFile(row(1), row(2))})
	if job.State != domain.JobFailed || len(job.Problems) != 1 || w.contacts() != before {
		t.Errorf("an import of eight relationships found room where there is room for seven: %+v", job)
	}
	if job := w.imports(a[0].Actor, service.ImportFiles{Contacts: contactsFile(row(1))}); job.State != domain.JobDone {
		t.Errorf("an import that fits: %+v", job)
	}
}

func TestImport_byStaffLeavesATrace(t *testing.T) {
	p := parts.Open(t)
	w := world{t, p}
	a := p.Account(admin)
	views := "SELECT count(*) FROM audit_log WHERE action = 'view_account' AND account_id = '" + string(a[0].AccountID) + "'"
	before := p.Count(views)
	job := w.imports(accountant(t, p), service.ImportFiles{
		Contacts: contactsFile(companyOf(t, p, a[0].AccountID) + ",New,new@people.example,BILLING_ONLY,,"), DryRun: true, StaffRequest: request,
	})
	if job.State != domain.JobDone || p.Count(views) != before+1 {
		t.Errorf("%d views recorded, want one: %+v", p.Count(views)-before, job)
	}
}

func firstToken(w world, of domain.Person) (id domain.APITokenID) {
	w.Helper()
	err := w.p.DB.View(w.Context(), func(tx *store.Tx) error {
		tokens, err := tx.TokensOfPerson(w.Context(), of)
		if len(tokens) > 0 {
			id = tokens[0].ID
		}
		return err
	})
	wantCode(w, err, "")
	return id
}

// finished waits for a job that somebody else works on.
func (w world) finished(id domain.JobID) (job domain.Job) {
	w.Helper()
	for deadline := time.Now().Add(20 * time.Second); job.FinishedAt.IsZero(); runtime.Gosched() {
		if time.Now().After(deadline) {
			w.Fatalf("the job does not end: %+v", job)
		}
		err := w.p.DB.View(w.Context(), func(tx *store.Tx) (err error) {
			job, err = tx.Job(w.Context(), id)
			return err
		})
		wantCode(w, err, "")
	}
	return job
}

func TestAddContact_staffSetNoAccountTypes(t *testing.T) {
	p := parts.Open(t)
	account := p.Account()[0].AccountID
	in := service.AddContact{LastName: "New", Email: "new@people.example", Role: domain.RoleBillingOnly, StaffRequest: request, Types: []domain.AccountType{domain.AccountContact}}
	_, err := p.Service.AddContact(t.Context(), accountant(t, p), account, in)
	wantCode(t, err, domain.CodeBadUserInput)
	in.Types = nil
	_, err = p.Service.AddContact(t.Context(), accountant(t, p), account, in)
	wantCode(t, err, "")
}
