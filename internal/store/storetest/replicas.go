package storetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

// soon is how long a test looks whether a lock is waited for.
const soon = 150 * time.Millisecond

func testGenerationsOfReplicas(t *testing.T, f *fixture) {
	other := f.open()
	first := f.incarnation(f.db)
	if f.db.Shared() != (first != "") {
		t.Errorf("the incarnation is %q", first)
	}
	equal(f, f.generations(f.db, "global"), nil)
	equal(f, f.generations(f.db), nil)
	seen := map[string]bool{}
	for range 20 {
		f.update(func(tx *store.Tx) error { return tx.BumpGenerations(f.ctx, []string{"global", "it's {\"odd\\"}) })
		of := f.generations(other, "none", "it's {\"odd\\", "global", "global")
		equal(f, f.generations(f.db, "it's {\"odd\\", "global"), of)
		equal(f, f.incarnation(other), first)
		for _, g := range of {
			if len(of) != 2 || seen[g] {
				t.Fatalf("the generations %v, after %v", of, seen)
			}
			seen[g] = true
		}
	}
	many := numbered("account:%d", 1201)
	f.update(func(tx *store.Tx) error { return tx.BumpGenerations(f.ctx, many) })
	equal(f, len(f.generations(f.db, append(many, "none")...)), len(many))
	gone, cancel := context.WithCancel(f.ctx)
	cancel()
	if _, _, err := f.db.Generations(gone, many); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// locked is a transaction that holds locks until it is released.
type locked struct {
	release chan struct{}
	ended   chan error
}

// lock begins a transaction on db, and returns it once it has the locks; nil if ctx ends before, with the error.
func (f *fixture) lock(ctx context.Context, db *store.DB, exclusive []string, shared ...string) (*locked, error) {
	l := &locked{make(chan struct{}), make(chan error, 1)}
	has := make(chan struct{})
	go func() {
		l.ended <- db.Update(ctx, func(tx *store.Tx) error {
			if err := tx.LockScopes(ctx, exclusive, shared...); err != nil {
				return err
			}
			close(has)
			<-l.release
			return nil
		})
	}()
	select {
	case <-has:
		return l, nil
	case err := <-l.ended:
		return nil, err
	}
}

func (l *locked) end(t testing.TB) {
	t.Helper()
	close(l.release)
	if err := <-l.ended; err != nil {
		t.Error(err)
	}
}

func testLockScopes(t *testing.T, f *fixture) {
	if !f.db.Shared() {
		t.Skip("a transaction that may write is the only one")
	}
	other := f.open()
	type locks struct{ exclusive, shared []string }
	a, b, many := []string{"a"}, []string{"b"}, numbered("account:%d", 5000)
	for name, test := range map[string]struct {
		first, second locks
		waits         bool
	}{
		"both alone":           {locks{exclusive: a}, locks{exclusive: a}, true},
		"alone, then shared":   {locks{exclusive: a}, locks{shared: a}, true},
		"shared, then alone":   {locks{shared: a}, locks{exclusive: a}, true},
		"both shared":          {locks{shared: a}, locks{shared: a}, false},
		"alone and shared":     {locks{exclusive: a, shared: a}, locks{shared: a}, true},
		"others":               {locks{exclusive: a, shared: []string{"g"}}, locks{exclusive: b, shared: []string{"g"}}, false},
		"the second of two":    {locks{exclusive: []string{"b", "a", "b"}}, locks{exclusive: b}, true},
		"many":                 {locks{exclusive: many}, locks{exclusive: many[4999:]}, true},
		"one, then many":       {locks{exclusive: many[:1]}, locks{exclusive: many}, true},
		"shared, then many":    {locks{shared: many[:1]}, locks{exclusive: many}, true},
		"nothing, beside many": {locks{exclusive: many}, locks{}, false},
	} {
		for _, second := range []*store.DB{f.db, other} {
			held, err := f.lock(f.ctx, f.db, test.first.exclusive, test.first.shared...)
			if err != nil {
				t.Fatal(err)
			}
			patience := 10 * time.Second
			if test.waits {
				patience = soon
			}
			ctx, cancel := context.WithTimeout(f.ctx, patience)
			l, err := f.lock(ctx, second, test.second.exclusive, test.second.shared...)
			switch {
			case test.waits && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("%s: got %v, want it to wait until %v", name, err, context.DeadlineExceeded)
			case !test.waits && err != nil:
				t.Errorf("%s: %v", name, err)
			}
			if l != nil {
				l.end(t)
			}
			cancel()
			held.end(t)
			if l, err = f.lock(f.ctx, second, test.second.exclusive, test.second.shared...); err != nil {
				t.Fatalf("%s: after the end: %v", name, err)
			}
			l.end(t)
		}
	}
}

// testLockScopesOrder takes locks of random scopes, in random order and modes, in two replicas: nobody waits for ever, and
// what is done under a lock is done by one at a time.
func testLockScopesOrder(t *testing.T, f *fixture) {
	const workers, rounds, scopes = 4, 25, 6
	dbs := []*store.DB{f.db, f.open()}
	random := f.random()
	f.update(func(tx *store.Tx) error {
		for s := range scopes {
			if err := tx.SetMeta(f.ctx, strconv.Itoa(s), "0"); err != nil {
				return err
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	want := make([]int, scopes)
	for i := range workers * len(dbs) {
		var plans [][]string
		for range rounds {
			plan := []string{}
			for _, s := range random.Perm(scopes) {
				plan = append(plan, strconv.Itoa(s))
			}
			plans = append(plans, plan)
			want[must(strconv.Atoi(plan[0]))]++
			want[must(strconv.Atoi(plan[1]))]++
		}
		wg.Go(func() {
			for _, plan := range plans {
				err := dbs[i%2].Update(f.ctx, func(tx *store.Tx) error {
					if err := tx.LockScopes(f.ctx, plan[:2], plan[2:4]...); err != nil {
						return err
					}
					for _, key := range plan[:2] {
						v, err := tx.Meta(f.ctx, key)
						if err == nil {
							err = tx.SetMeta(f.ctx, key, strconv.Itoa(must(strconv.Atoi(v))+1))
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for s, n := range want {
		equal(f, read(f, func(tx *store.Tx) (string, error) { return tx.Meta(f.ctx, strconv.Itoa(s)) }), strconv.Itoa(n))
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func testJobLeases(t *testing.T, f *fixture) {
	other := f.open()
	queued := func(id domain.JobID, created int) domain.Job {
		job := domain.Job{ID: id, Kind: "import_accounts", State: domain.JobQueued, Person: domain.UserPerson("u"), CreatedAt: at(created)}
		f.update(func(tx *store.Tx) error { return tx.InsertJob(f.ctx, job, nil) })
		return job
	}
	lease := func(holder string, now int) store.Lease {
		return store.Lease{Holder: holder, Now: at(now), Until: at(now + 10)}
	}
	claim := func(db *store.DB, id domain.JobID, l store.Lease) (job domain.Job, err error) {
		err = db.Update(f.ctx, func(tx *store.Tx) (err error) { job, err = tx.ClaimJob(f.ctx, id, l); return err })
		return job, err
	}
	claims := func(db *store.DB, id domain.JobID, l store.Lease, want domain.JobID) {
		t.Helper()
		job, err := claim(db, id, l)
		if want == "" && !errors.Is(err, store.ErrNotFound) || want != "" && (err != nil || job.ID != want || job.State != domain.JobRunning) {
			t.Errorf("claimed %q, %s (%v), want %q", job.ID, job.State, err, want)
		}
	}
	young := queued("young", 1)
	queued("old", 0)
	claims(f.db, "", lease("a", 0), "old")
	claims(other, "old", lease("b", 0), "")
	claims(other, "", lease("b", 0), "young")
	claims(other, "", lease("c", 9), "")
	claims(f.db, "old", lease("a", 0), "old") // its holder may

	renew := func(db *store.DB, id domain.JobID, l store.Lease) error {
		return db.Update(f.ctx, func(tx *store.Tx) error { return tx.RenewJob(f.ctx, id, l) })
	}
	if err := renew(f.db, "old", lease("a", 5)); err != nil {
		t.Error(err)
	}
	claims(other, "", lease("c", 10), "young") // whose lease was not renewed
	if err := renew(other, "young", lease("b", 10)); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, store.ErrLeaseLost)
	}
	update := func(holder string, state domain.JobState) error {
		young.State, young.Done, young.Total = state, 5, 5
		return f.db.Update(f.ctx, func(tx *store.Tx) error { return tx.UpdateHeldJob(f.ctx, young, holder) })
	}
	for holder, want := range map[string]error{"": store.ErrLeaseLost, "b": store.ErrLeaseLost} {
		if err := update(holder, domain.JobDone); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", holder, err, want)
		}
	}
	if err := update("c", domain.JobQueued); err != nil {
		t.Error(err)
	}
	if err := update("c", domain.JobDone); !errors.Is(err, store.ErrLeaseLost) { // it has let go
		t.Errorf("got %v, want %v", err, store.ErrLeaseLost)
	}
	claims(f.db, "", lease("d", 11), "young")
	if err := update("d", domain.JobDone); err != nil {
		t.Error(err)
	}
	claims(f.db, "young", lease("d", 99), "")
	equal(f, read(f, func(tx *store.Tx) (domain.Job, error) { return tx.Job(f.ctx, "young") }), young)
	claims(f.db, "", lease("e", 15), "old")
}

// testJobsOfReplicas claims jobs from two replicas at once: each is claimed once.
func testJobsOfReplicas(t *testing.T, f *fixture) {
	const jobs = 120
	f.update(func(tx *store.Tx) error {
		for i := range jobs {
			job := domain.Job{ID: domain.JobID(strconv.Itoa(i)), State: domain.JobQueued, CreatedAt: at(i / 4)}
			if err := tx.InsertJob(f.ctx, job, nil); err != nil {
				return err
			}
		}
		return nil
	})
	var mu sync.Mutex
	var claimed []string
	dbs := []*store.DB{f.db, f.open()}
	each(t, dbs, func(db *store.DB) (more bool, err error) {
		var job domain.Job
		err = db.Update(f.ctx, func(tx *store.Tx) (err error) {
			job, err = tx.ClaimJob(f.ctx, "", store.Lease{Holder: string(domain.NewID[domain.JobID]()), Now: at(0), Until: at(1)})
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		mu.Lock()
		defer mu.Unlock()
		claimed = append(claimed, string(job.ID))
		return true, err
	})
	want := numbered("%d", jobs)
	slices.Sort(want)
	slices.Sort(claimed)
	equal(f, claimed, want)
}

// each calls fn from several goroutines on each database, until it says that there is no more.
func each(t *testing.T, dbs []*store.DB, fn func(db *store.DB) (more bool, err error)) {
	t.Helper()
	var wg sync.WaitGroup
	for _, db := range slices.Repeat(dbs, 3) {
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = fn(db); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func testMailClaims(t *testing.T, f *fixture) {
	const mails = 400
	var all []domain.Mail
	for i := range mails {
		all = append(all, domain.Mail{ID: domain.MailID(strconv.Itoa(i)), To: "a@example.com", Subject: "s", Text: "t", CreatedAt: at(i % 7)})
	}
	f.update(func(tx *store.Tx) error { return tx.InsertMails(f.ctx, all) })
	now, until := at(10), at(20)
	var mu sync.Mutex
	var claimed []domain.Mail
	claim := func(db *store.DB, now time.Time) (got []domain.Mail, err error) {
		err = db.Update(f.ctx, func(tx *store.Tx) error {
			got, err = tx.ClaimMails(f.ctx, now, until, 7)
			return err
		})
		return got, err
	}
	each(t, []*store.DB{f.db, f.open()}, func(db *store.DB) (bool, error) {
		got, err := claim(db, now)
		mu.Lock()
		defer mu.Unlock()
		claimed = append(claimed, got...)
		return len(got) > 0, err
	})
	ids := map[domain.MailID]bool{}
	for _, m := range claimed {
		ids[m.ID] = true
		if !m.NextTry.Equal(until) || m.Text != "t" {
			t.Errorf("claimed %+v", m)
		}
	}
	if len(claimed) != mails || len(ids) != mails {
		t.Fatalf("claimed %d, %d of them different ones; want %d", len(claimed), len(ids), mails)
	}
	note := func(m domain.Mail, until time.Time) error {
		return f.db.Update(f.ctx, func(tx *store.Tx) error { return tx.UpdateClaimedMail(f.ctx, m, until) })
	}
	sent := claimed[0]
	sent.SentAt = at(11)
	if err := note(sent, until); err != nil {
		t.Error(err)
	}
	if err := note(sent, until); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("noted twice: got %v, want %v", err, store.ErrLeaseLost)
	}
	stale := claimed[1]
	until = at(30)
	if again, err := claim(f.db, at(20)); err != nil || len(again) != 7 {
		t.Fatalf("when the claims have ended, %d are claimed (%v)", len(again), err)
	}
	f.update(func(tx *store.Tx) error { // the rest
		_, err := tx.ClaimMails(f.ctx, at(20), until, mails)
		return err
	})
	if err := note(stale, at(20)); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("noted by who has no claim any more: got %v, want %v", err, store.ErrLeaseLost)
	}
}

func testAnalyze(t *testing.T, f *fixture) {
	f.account("A")
	if err := f.db.Analyze(f.ctx); err != nil {
		t.Error(err)
	}
	equal(f, len(read(f, func(tx *store.Tx) ([]domain.Account, error) {
		return tx.AccountsPage(f.ctx, store.AccountQuery{All: true, Page: store.Page{Limit: 9}})
	})), 1)
}
