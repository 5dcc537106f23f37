// Package imports imports files as people do: over HTTP as a multipart upload, and by the program itself.
package imports

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"steward/internal/config"
	"steward/internal/demo"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

const importAccounts = `mutation($input: ImportAccountsInput!) {
	importAccounts(input: $input) { job { id state } userErrors { code field message } auditId } }`

const readJob = `query($id: ID!) { node(id: $id) { ... on ImportJob {
	id state dryRun done total createdAt finishedAt problems { file line column message mend }
	summary { accountsCreated accountsUnchanged contactsCreated contactsUnchanged } } } }`

var request = world.Vars{"reference": "T-20418", "reason": "The customer asked for it."}

// onSets runs a test of a World embedded, and where everything is asked for on the other sets too: see world.Full.
func onSets(t *testing.T, try func(t *testing.T, w *world.World)) {
	world.Each(t, []world.Set{world.Embedded}, func(t *testing.T, s world.Set) { try(t, world.New(t, world.On(s))) })
}

// embedded runs a test that rests on when what happens where there is one worker, which takes one job after the other.
func embedded(t *testing.T, try func(t *testing.T, w *world.World)) {
	t.Parallel()
	// With the race detector a large import alone takes about as long as an operation may.
	try(t, world.New(t, world.WithConfig(func(c *config.Config) { c.OperationTimeout = time.Minute })))
}

// job is a finished import as its starter reads it.
type job struct {
	ID, State             string
	DryRun                bool
	Done, Total           int
	CreatedAt, FinishedAt string
	Problems              []problem
	Summary               summary
}

type problem struct {
	File, Column, Message, Mend string
	Line                        int
}

type summary struct{ AccountsCreated, AccountsUnchanged, ContactsCreated, ContactsUnchanged int }

// files are what is uploaded, by the name of the input field.
type files struct{ accounts, contacts string }

func demoFiles() files {
	a, c := demo.Files()
	return files{string(a), string(c)}
}

// upload starts an import and returns what was answered. The options are further fields of the input.
func upload(t testing.TB, w *world.World, who world.Person, f files, options ...world.Vars) world.Response {
	t.Helper()
	input := world.Vars{"staffRequest": request}
	for _, o := range options {
		for name, value := range o {
			input[name] = value
		}
	}
	parts := map[string]string{"input.contacts": f.contacts}
	if f.accounts != "" {
		parts["input.accounts"] = f.accounts
	}
	return w.Upload(t, who, importAccounts, world.Vars{"input": input}, parts)
}

// imported starts an import and waits for its end.
func imported(t testing.TB, w *world.World, who world.Person, f files, options ...world.Vars) job {
	t.Helper()
	res := upload(t, w, who, f, options...)
	if len(res.Errors) > 0 || len(res.List("importAccounts.userErrors")) > 0 {
		t.Fatalf("the import was not started: %s", res.Body)
	}
	return finished(t, w, who, res.Text("importAccounts.job.id"))
}

func finished(t testing.TB, w *world.World, who world.Person, id string) job {
	t.Helper()
	return finishedOn(t, w, who, id)
}

// finishedOn waits for the end of a job as one server tells it: a World's, or a replica.
func finishedOn(t testing.TB, on interface {
	Must(t testing.TB, as world.Person, query string, vars world.Vars) world.Response
}, who world.Person, id string) job {
	t.Helper()
	pace := time.NewTicker(20 * time.Millisecond) // asking all the time would take the processor from the job
	defer pace.Stop()
	for ; ; <-pace.C {
		var answer struct{ Data struct{ Node *job } }
		res := on.Must(t, who, readJob, world.Vars{"id": id})
		if err := json.Unmarshal(res.Body, &answer); err != nil || answer.Data.Node == nil {
			t.Fatalf("the job %s is not there for who started it: %v: %s", id, err, res.Body)
		}
		if answer.Data.Node.FinishedAt != "" {
			return *answer.Data.Node
		}
		if t.Context().Err() != nil {
			t.Fatal("the test was ended before the job")
		}
	}
}

// counts is how much a database holds. Each job writes one entry of its own into the audit log, and one for each account
// that was there if staff have started it.
type counts struct{ accounts, contacts, mails, audits, jobs, jobFiles int }

// count reads past the server, whose process may be another one.
func count(t testing.TB, data string) (n counts) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(data, "steward.db"))+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err = db.QueryRowContext(t.Context(), countAll).Scan(n.all()...); err != nil {
		t.Fatal(err)
	}
	return n
}

// countOf is count of a World, on whatever set it is.
func countOf(t testing.TB, w *world.World) (n counts) {
	t.Helper()
	w.Scan(t, countAll, n.all()...)
	return n
}

const countAll = `SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM contacts), (SELECT count(*) FROM mails),
	(SELECT count(*) FROM audit_log), (SELECT count(*) FROM jobs), (SELECT count(*) FROM job_files)`

func (n *counts) all() []any {
	return []any{&n.accounts, &n.contacts, &n.mails, &n.audits, &n.jobs, &n.jobFiles}
}

// contact returns the contact with this address on the account, or nil.
func contact(t testing.TB, w *world.World, account, email string) (found *domain.Contact) {
	t.Helper()
	w.View(t, func(ctx context.Context, tx *store.Tx) error {
		a, err := tx.AccountByName(ctx, account)
		if err != nil {
			return err
		}
		c, err := tx.ContactByEmail(ctx, a.ID, email)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		found = &c
		return err
	})
	return found
}

// lines joins lines to a file.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }
