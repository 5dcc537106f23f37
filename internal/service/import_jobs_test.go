package service_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/importer"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/store/postgres"
	"steward/internal/testing/property/parts"
	"steward/internal/testing/servers"
)

// replicas are the parts of one product, and services over one PostgreSQL database.
type replicas struct {
	*testing.T
	p   *parts.Parts
	url string
}

func newReplicas(t *testing.T) *replicas {
	r := &replicas{t, parts.Open(t), servers.Postgres(t).URL}
	if err := postgres.Migrate(t.Context(), r.url); err != nil {
		t.Fatal(err)
	}
	alone := r.p.DB
	t.Cleanup(func() { alone.Close() })
	r.p.DB, r.p.Service, _ = r.start(slog.DiscardHandler, r.p.Writer) // closed with the parts
	return r
}

// start starts one more replica, whose relationships go through the writer.
func (r *replicas) start(log slog.Handler, writer change.Writer) (db *store.DB, s *service.Service, closeDB func() error) {
	r.Helper()
	db, err := postgres.Open(r.Context(), r.url)
	if err != nil {
		r.Fatal(err)
	}
	logger := slog.New(log)
	changes := change.New(change.Options{DB: db, Authz: r.p.Authz, Writer: writer, Log: logger, Now: r.p.Clock.Now})
	return db, service.New(service.Options{
		Room: func(context.Context) (int, error) { return 1 << 20, nil },
		DB:   db, Changes: changes, Authz: r.p.Authz, Log: logger, Now: r.p.Clock.Now, LinkBase: &url.URL{Scheme: "https", Host: "steward.example"},
	}), db.Close
}

func (r *replicas) job(id domain.JobID) (job domain.Job) {
	r.Helper()
	err := r.p.DB.View(r.Context(), func(tx *store.Tx) (err error) { job, err = tx.Job(r.Context(), id); return err })
	if err != nil {
		r.Fatal(err)
	}
	return job
}

func (r *replicas) contacts(id domain.AccountID) (n int) {
	r.Helper()
	err := r.p.DB.View(r.Context(), func(tx *store.Tx) error {
		all, err := tx.ContactsOfAccount(r.Context(), id)
		n = len(all)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return n
}

func (r *replicas) finished(id domain.JobID) (job domain.Job) {
	r.Helper()
	r.until("the job ends", func() bool { job = r.job(id); return !job.FinishedAt.IsZero() })
	return job
}

func (r *replicas) until(what string, happened func() bool) {
	r.Helper()
	for end := time.Now().Add(30 * time.Second); !happened(); {
		if time.Now().After(end) {
			r.Fatalf("in vain it was waited until %s", what)
		}
	}
}

// gate is a writer that says when it is called, and goes on when it is opened.
type gate struct {
	change.Writer
	came chan struct{}
	open chan struct{}
	once sync.Once
}

func (g *gate) Write(ctx context.Context, by string, updates []relation.Update) error {
	g.once.Do(func() { close(g.came) })
	select {
	case <-g.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	return g.Writer.Write(ctx, by, updates)
}

// lines is a log as text.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestRunJobs_replicas starts replicas while another one works on an import: they leave that one alone. When the first
// one has stood still for longer than its lease, the next one brings the import to its end, and it is imported once.
func TestRunJobs_replicas(t *testing.T) {
	t.Parallel()
	r := newReplicas(t)
	a := r.p.Account(manager)
	company, before := r.companyOf(a[0].AccountID), r.contacts(a[0].AccountID)
	res, err := r.p.Service.ImportAccounts(t.Context(), a[1].Actor, service.ImportFiles{Contacts: contactsFile(company + ",One,one@people.example,,,")})
	wantCode(t, err, "")
	id := domain.JobID(res.ID)
	held := &gate{Writer: r.p.Writer, came: make(chan struct{}), open: make(chan struct{})}
	log := &lines{}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	run := func(log slog.Handler, writer change.Writer) {
		_, s, closeDB := r.start(log, writer)
		wg.Go(func() {
			s.RunJobs(ctx)
			if err := closeDB(); err != nil {
				t.Error(err)
			}
		})
	}
	defer wg.Wait()
	defer stop()
	run(slog.NewTextHandler(log, nil), held)
	<-held.came // the rows are written, and wait to become effective

	bad := r.badJob()
	run(slog.DiscardHandler, r.p.Writer)
	r.finished(bad) // by the second one, which has looked for work
	if _, err := r.claim(id); !errors.Is(err, store.ErrNotFound) || r.job(id).State != domain.JobRunning {
		t.Fatalf("the job is %+v (%v), want the first replica to have it", r.job(id), err)
	}
	r.p.Clock.Turn(time.Hour)
	if _, err := r.claim(id); err != nil {
		t.Fatalf("the lease does not end: %v", err)
	}
	run(slog.DiscardHandler, r.p.Writer)
	r.until("somebody takes the job over", func() bool { return r.heldByAnother(id) })
	close(held.open)
	job := r.finished(id)
	if job.State != domain.JobDone || job.Summary.ContactsCreated != 1 || r.contacts(a[0].AccountID) != before+1 {
		t.Errorf("the job is %+v, with %d contacts", job, r.contacts(a[0].AccountID))
	}
	r.until("the first replica notices", func() bool { return strings.Contains(log.String(), store.ErrLeaseLost.Error()) })
}

// badJob adds a job that fails at once, without waiting for anybody: its file has too many rows.
func (r *replicas) badJob() domain.JobID {
	r.Helper()
	job := domain.Job{
		ID: domain.NewID[domain.JobID](), Kind: "import_accounts", State: domain.JobQueued, Person: service.Operator.Person, CreatedAt: r.p.Clock.Now(),
	}
	err := r.p.DB.Update(r.Context(), func(tx *store.Tx) error {
		return tx.InsertJob(r.Context(), job, map[string][]byte{"contacts": contactsFile(slices.Repeat([]string{"A,B,b@people.example,,,"}, importer.DefaultLimits.Rows+1)...)})
	})
	if err != nil {
		r.Fatal(err)
	}
	return job.ID
}

// heldByAnother reports whether the job's lease reaches beyond the hour by which the clock was turned.
func (r *replicas) heldByAnother(id domain.JobID) bool {
	r.Helper()
	_, err := r.claim(id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.Fatal(err)
	}
	return err != nil
}

var errLook = errors.New("only looked")

// claim claims the job for somebody else, as it would be found at the clock's time, and takes that back.
func (r *replicas) claim(id domain.JobID) (job domain.Job, err error) {
	err = r.p.DB.Update(r.Context(), func(tx *store.Tx) error {
		now := r.p.Clock.Now()
		if job, err = tx.ClaimJob(r.Context(), id, store.Lease{Holder: "the test", Now: now, Until: now}); err == nil {
			err = errLook
		}
		return err
	})
	if errors.Is(err, errLook) {
		err = nil
	}
	return job, err
}

func (r *replicas) companyOf(id domain.AccountID) (name string) {
	r.Helper()
	err := r.p.DB.View(r.Context(), func(tx *store.Tx) error {
		a, err := tx.Account(r.Context(), id)
		name = a.Name
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return name
}

// TestImportNow_leaseLost takes a job over while its import runs: what the first one does is not kept.
func TestImportNow_leaseLost(t *testing.T) {
	t.Parallel()
	r := newReplicas(t)
	a := r.p.Account(manager)
	company, before := r.companyOf(a[0].AccountID), r.contacts(a[0].AccountID)
	in := service.ImportFiles{Contacts: contactsFile(company + ",One,one@people.example,,,")}
	other, _, closeOther := r.start(slog.DiscardHandler, r.p.Writer)
	defer closeOther()
	var stolen domain.Job
	job, err := r.p.Service.ImportNow(t.Context(), a[1].Actor, in, func(int, int) {
		if stolen.ID != "" {
			return
		}
		r.p.Clock.Turn(time.Hour)
		err := other.Update(t.Context(), func(tx *store.Tx) (err error) {
			now := r.p.Clock.Now()
			stolen, err = tx.ClaimJob(t.Context(), "", store.Lease{Holder: "thief", Now: now, Until: now.Add(time.Minute)})
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, store.ErrLeaseLost) || job.ID != stolen.ID {
		t.Errorf("got %v, want %v", err, store.ErrLeaseLost)
	}
	if n := r.contacts(a[0].AccountID); n != before {
		t.Errorf("there are %d contacts, want %d: what lost its lease was kept", n, before)
	}
	if job := r.job(stolen.ID); job.State != domain.JobRunning || !job.FinishedAt.IsZero() {
		t.Errorf("the job is %+v, want it with its new holder", job)
	}
}

// TestImportNow_repeated asks for an import again under its idempotency key.
func TestImportNow_repeated(t *testing.T) {
	t.Parallel()
	p := parts.Open(t)
	w := world{t, p}
	a := p.Account(manager)
	in := service.ImportFiles{Contacts: contactsFile(companyOf(t, p, a[0].AccountID) + ",One,one@people.example,,,"), IdempotencyKey: "key"}
	first := w.imports(a[1].Actor, in)
	p.Clock.Turn(time.Minute)
	again := w.imports(a[1].Actor, in)
	if first.State != domain.JobDone || again.ID != first.ID || again.State != first.State || !again.FinishedAt.Equal(first.FinishedAt) {
		t.Errorf("got %+v, then %+v", first, again)
	}
}
