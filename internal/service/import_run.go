package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/importer"
	"steward/internal/relation"
	"steward/internal/store"
)

// importRun is one import on its way: all of its rows in one change, or none.
type importRun struct {
	s        *Service
	job      *domain.Job
	holder   string // of the job's lease
	files    map[string][]byte
	progress func(done, total int)

	plan     importer.Plan
	accounts map[string]*importAccount // by store.NameKey
	order    []*importAccount
	problems []domain.ImportProblem
	misread  bool // a line of the accounts file could not be understood
	contacts []domain.Contact
	links    []domain.Link
	mails    []domain.Mail
}

// importAccount is one account that the files name.
type importAccount struct {
	domain.Account
	isNew    bool
	visible  bool // to the actor, of an account that exists
	line     int
	can      map[string]bool // what the importing person may do there
	byEmail  map[string]bool
	hasOwner bool
	holders  map[domain.AccountType]string // who holds a primary type there
	created  int
}

// errRollback ends the transaction without keeping anything: the files have faults, or it is a dry run.
var errRollback = errors.New("nothing to keep")

func (r *importRun) run(ctx context.Context) error {
	var accounts io.Reader
	if b, ok := r.files[fileAccounts]; ok {
		accounts = bytes.NewReader(b)
	}
	plan, problems, err := importer.Parse(accounts, bytes.NewReader(r.files[fileContacts]), importer.Limits{})
	if e, ok := errors.AsType[*domain.Error](err); ok {
		r.fail([]domain.ImportProblem{{File: e.Field, Line: 1, Message: e.Message, Mend: "Mend the file and import again."}})
		return nil
	}
	if err != nil {
		return err
	}
	r.plan, r.problems = plan, problems
	r.misread = slices.ContainsFunc(problems, func(p domain.ImportProblem) bool { return p.File == fileAccounts })
	r.job.Total = len(plan.Accounts) + len(plan.Contacts)
	actor, err := r.actor(ctx)
	if err != nil {
		return err
	}
	if err := r.resolve(ctx); err != nil {
		return err
	}
	if err := r.look(ctx, actor); err != nil {
		return err
	}
	req := change.Request{Actor: actor, Operation: "import_accounts", Scopes: r.scopes()}
	_, err = r.s.do(ctx, req, r.apply)
	if err := r.recordViews(ctx, actor); err != nil {
		return err
	}
	switch {
	case errors.Is(err, errRollback) && len(r.problems) > 0:
		r.fail(r.problems)
		return nil
	case errors.Is(err, errRollback):
		return nil
	case domain.CodeOf(err) == domain.CodeUnauthenticated:
		r.fail([]domain.ImportProblem{{File: fileContacts, Line: 1, Message: "The API token that started this import has ended.", Mend: "Start it again with one that counts."}})
		return nil
	case err != nil:
		return err
	}
	r.job.Done = r.job.Total
	r.tell(r.job.Total)
	return nil
}

// recordViews writes into the audit log of each account that exists what an import by staff tells of it, a dry run too.
func (r *importRun) recordViews(ctx context.Context, actor domain.Actor) error {
	if len(actor.Staff) == 0 {
		return nil
	}
	viewed := map[domain.AccountID][]string{}
	for _, a := range r.accounts {
		if !a.isNew && a.can[relation.ViewAccount] {
			viewed[a.ID] = []string{relation.ViewContacts, relation.ViewContactDetails}
		}
	}
	if len(viewed) == 0 {
		return nil
	}
	return r.s.RecordViews(ctx, actor, "importAccounts", viewed)
}

func (r *importRun) fail(problems []domain.ImportProblem) {
	slices.SortStableFunc(problems, func(a, b domain.ImportProblem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) // those beside the rows were found last
	})
	r.job.State, r.job.Problems = domain.JobFailed, problems
	r.job.Summary = domain.ImportSummary{}
}

func (r *importRun) tell(done int) {
	if r.progress != nil {
		r.progress(done, r.job.Total)
	}
}

// actor is the person who started the import, as they are now: rights that they lost meanwhile are gone.
func (r *importRun) actor(ctx context.Context) (domain.Actor, error) {
	if r.job.Person == Operator.Person {
		return Operator, nil
	}
	var actor domain.Actor
	err := r.s.DB.View(ctx, func(tx *store.Tx) (err error) {
		actor, err = r.s.personActor(ctx, tx, r.job.Person)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		actor, err = domain.Actor{Person: r.job.Person, Name: r.job.ActorName}, nil
	}
	actor.Scope, actor.TokenID = r.job.Scope, r.job.TokenID
	return actor, err
}

// resolve finds which of the named accounts exist, so that their locks can be taken.
func (r *importRun) resolve(ctx context.Context) error {
	r.accounts = map[string]*importAccount{}
	var names []string
	for _, c := range r.plan.Contacts {
		names = append(names, c.Account)
	}
	for _, a := range r.plan.Accounts {
		names = append(names, a.Name)
	}
	return r.s.DB.View(ctx, func(tx *store.Tx) error {
		have, err := tx.AccountsByName(ctx, names)
		if err != nil {
			return err
		}
		for key, a := range have {
			r.accounts[key] = &importAccount{Account: a}
		}
		for _, a := range r.plan.Accounts {
			key := store.NameKey(a.Name)
			if r.accounts[key] == nil {
				r.accounts[key] = &importAccount{isNew: true, line: a.Line, Account: domain.Account{
					ID: domain.NewID[domain.AccountID](), Name: tidy(a.Name), Website: a.Website, Phone: a.Phone, Address: a.Address,
				}}
			}
			if !slices.Contains(r.order, r.accounts[key]) {
				r.order = append(r.order, r.accounts[key])
			}
		}
		return nil
	})
}

// scopes are the accounts that the import may change, and where there are none its own person's: it locks nobody else's.
func (r *importRun) scopes() []string {
	var out []string
	for _, a := range r.accounts {
		if a.isNew || a.visible {
			out = append(out, string(a.ID))
		}
	}
	if len(out) == 0 {
		out = append(out, authz.ScopeOf(r.job.Person))
	}
	return out
}

// look finds out which of the accounts exist for the actor. What comes to exist only later is as if it did not.
func (r *importRun) look(ctx context.Context, actor domain.Actor) error {
	var there []*importAccount
	var qs []authz.Question
	for _, a := range r.accounts {
		if !a.isNew {
			there, qs = append(there, a), append(qs, ask(accountRef(a.ID), relation.ViewAccount))
		}
	}
	if len(qs) == 0 {
		return nil
	}
	got, err := r.s.Authz.Can(ctx, actor, qs...)
	for i := range got {
		there[i].visible = got[i]
	}
	return err
}

// apply checks every row against what is there and who asks, and writes all of them if there is no fault.
func (r *importRun) apply(ctx context.Context, tx *change.Tx) (change.Result, error) {
	if len(r.plan.Accounts) > 0 {
		if err := tx.Require(ctx, ask(platform, relation.CreateAccount)); err != nil {
			return change.Result{}, r.refuse(err)
		}
	}
	tx.AuthorisedBy("each row's own right, asked for below")
	if err := r.read(ctx, tx); err != nil {
		return change.Result{}, err
	}
	for _, a := range r.order {
		if err := checkAccount(a.Account); err != nil && a.isNew {
			e, _ := errors.AsType[*domain.Error](err)
			r.problem(fileAccounts, a.line, e.Field, e.Message, "Correct the value.")
		}
	}
	for i, row := range r.plan.Contacts {
		r.check(tx, row)
		if i%500 == 0 {
			r.tell(i)
		}
	}
	for _, a := range r.order {
		if a.isNew {
			r.job.Summary.AccountsCreated++
		} else {
			r.job.Summary.AccountsUnchanged++
		}
	}
	if err := r.fits(ctx); err != nil {
		return change.Result{}, err
	}
	if len(r.problems) > 0 || r.job.DryRun {
		return change.Result{}, errRollback
	}
	if err := r.write(ctx, tx); err != nil {
		return change.Result{}, err
	}
	// The job knows from here on that its rows are in, should the process end before they are effective.
	r.job.Done = r.job.Total
	return change.Result{}, tx.UpdateHeldJob(ctx, *r.job, r.holder)
}

// fits refuses an import that leads to more relationships than this installation bears.
func (r *importRun) fits(ctx context.Context) error {
	room, err := r.s.Room(ctx)
	if err != nil {
		return domain.Unavailable("authorization service", err)
	}
	n := len(r.order)
	for _, c := range r.contacts {
		n += len(relation.OfContact(c))
	}
	if n > room {
		r.problem(fileContacts, 1, "", fmt.Sprintf("This import leads to %d relationships, and there is room for %d: SpiceDB runs in memory here.", n, max(room, 0)), "Import less, or move to PostgreSQL.")
	}
	return nil
}

// refuse turns a refusal of the whole import into a problem of the job; any other error stays one.
func (r *importRun) refuse(err error) error {
	if domain.CodeOf(err) != domain.CodeForbidden {
		return err
	}
	r.problem(fileAccounts, 1, "", "You may not create accounts.", "Have it done by somebody who holds create_account, or leave the accounts file out.")
	return errRollback
}

func (r *importRun) problem(file string, line int, column, message, mend string) {
	if len(r.problems) < importer.DefaultLimits.Problems {
		r.problems = append(r.problems, domain.ImportProblem{File: file, Line: line, Column: column, Message: message, Mend: mend})
	}
}
