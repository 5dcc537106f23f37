package escalation

import (
	"context"
	"sync"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// patience is how long something may take that takes a moment.
const patience = 10 * time.Second

// waiting is how many transactions of the World wait for a lock of a type, such as "advisory".
func (s scene) waiting(typ string) (n int) {
	s.Helper()
	s.w.Scan(s, `SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = '`+typ+`'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, &n)
	return n
}

// until returns once something has happened.
func (s scene) until(what string, happened func() bool) {
	s.Helper()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(patience); !happened(); <-pace.C {
		if time.Now().After(end) {
			s.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// hold begins to lock scopes. The first function returns once they are locked, the second lets go of them.
func (s scene) hold(exclusive []string, shared ...string) (held, letGo func()) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	locked, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.w.DB.Update(ctx, func(tx *store.Tx) error {
			if err := tx.LockScopes(ctx, exclusive, shared...); err != nil {
				return err
			}
			close(locked)
			<-free
			return nil
		})
	}()
	letGo = sync.OnceFunc(func() {
		close(free)
		if err := <-ended; err != nil {
			s.Errorf("holding locks ended with %v", err)
		}
		cancel()
	})
	s.Cleanup(letGo)
	return func() { s.Helper(); s.until("the locks are held", func() bool { return closed(locked) }) }, letGo
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestLocks_import holds that an import by somebody without any right locks nothing of others: it ends while others work.
func TestLocks_import(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.On(world.Postgres))
	nobody := w.Account(t, world.Contact).As(t, world.Contact) // there, without a permission
	for name, account := range map[string]string{"no account": "Nobody & Sons", "an account that they cannot see": ""} {
		t.Run(name, func(t *testing.T) {
			s := scene{t, w, w.Account(t, world.Admin)}
			if account == "" {
				account = s.a.Name
			}
			held, letGo := s.hold([]string{string(s.a.Key)}, authz.GlobalScope)
			held()
			before := s.a.Rows(t)
			s.endsSoon(nobody, account)
			letGo()
			if s.a.Rows(t) != before {
				t.Error("something was changed")
			}
		})
	}
}

// endsSoon imports a contact of an account that is none for who imports, and waits for the job's end.
func (s scene) endsSoon(who world.Person, account string) {
	s.Helper()
	res := s.w.Upload(s, who, mutation("importAccounts"), Vars{"input": Vars{}}, map[string]string{
		"input.contacts": "Company,Last name,E-mail,Role,Permissions\n" + account + ",Row,row@world.example,,\n",
	})
	if code := codeOf(res, "importAccounts"); code != "" {
		s.Fatalf("the upload was not accepted: %s", res.Body)
	}
	job := Vars{"id": res.Text("importAccounts.job.id")}
	s.until("the job ends", func() bool {
		res = s.w.Must(s, who, `query($id: ID!) { node(id: $id) { ... on ImportJob { state finishedAt problems { line message } } } }`, job)
		return res.Get("node.finishedAt") != nil
	})
	want := "There is no account " + account + ", or you may not see it."
	if res.Text("node.state") != "FAILED" || len(res.List("node.problems")) != 1 || res.Text("node.problems.0.message") != want {
		s.Errorf("the job ended as %s", res.Body)
	}
}

// TestLocks_pending has a right taken by a change whose second half finds the account locked by somebody else: the answer
// says so while its caller still listens, and names the change, which becomes effective when the lock is free.
func TestLocks_pending(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	w := world.New(t, world.On(world.Postgres), world.WithConfig(func(c *config.Config) { c.OperationTimeout = timeout }))
	t.Run("in time", func(t *testing.T) {
		s := scene{t, w, w.Account(t, world.TargetAdmin)}
		res, took, pending := s.takeHeldUp(0)
		if !pending {
			t.Fatalf("the change was not begun: %s", res.Body)
		}
		if took >= timeout {
			t.Errorf("it was answered after %s", took)
		}
	})
	t.Run("at the last moment", func(t *testing.T) { // so that the second half ends with the operation's time over
		for range 5 {
			s := scene{t, w, w.Account(t, world.TargetAdmin)}
			res, took, pending := s.takeHeldUp(timeout - 150*time.Millisecond)
			if pending {
				if took > 2*timeout {
					t.Errorf("it was answered after %s", took)
				}
				return
			}
			t.Logf("the moment was missed: %s", res.Body) // by a busy machine: the first half has not begun in time
		}
		t.Error("the moment was missed each time")
	})
}

// takeHeldUp takes a right by a mutation that has to wait for the account's lock until some time after its start, and then
// again in its middle. It returns the answer, how long that took, and whether the mutation came to its middle.
func (s scene) takeHeldUp(until time.Duration) (res world.Response, took time.Duration, pending bool) {
	s.Helper()
	held, letGo := s.hold([]string{string(s.a.Key)})
	held()
	owner, input := s.as(world.Owner), s.on(world.TargetAdmin)
	before := s.w.LastChange(s)
	begin := time.Now()
	answered := make(chan world.Response, 1)
	go func() {
		defer close(answered)
		answered <- s.w.Do(s, owner, mutation("revokeAdminPermission"), Vars{"input": input})
	}()
	s.until("the mutation waits", func() bool { return s.waiting("advisory") == 1 })
	_, letGoSecond := s.hold([]string{string(s.a.Key)})
	s.until("somebody waits behind it", func() bool { return s.waiting("advisory") == 2 })
	<-time.After(time.Until(begin.Add(until)))
	letGo()
	res = <-answered
	took = time.Since(begin)
	id := s.w.LastChange(s)
	if id != before {
		s.wantPending(res, domain.GlobalID("Change", id), letGoSecond)
	}
	letGoSecond()
	return res, took, id != before
}

// wantPending holds what a change that is written, and not effective, was answered with, and that it becomes effective.
func (s scene) wantPending(res world.Response, id string, free func()) {
	s.Helper()
	if res.Code() != "AUTHZ_PENDING" || res.Errors[0].Text("change") != id || res.Get("revokeAdminPermission") != nil {
		s.Errorf("the change %s was answered by %s", id, res.Body)
	}
	effective := func() bool {
		return s.w.Must(s, s.as(world.Owner), `query($id: ID!) { change(id: $id) { effective } }`, Vars{"id": id}).Get("change.effective") == true
	}
	if effective() {
		s.Error("the change is effective while the account is locked")
	}
	free()
	s.until("the change is effective", effective)
	if res := s.w.Do(s, s.as(world.TargetAdmin), pageOfRights, Vars{"id": s.a.ID}); rights[0].shows(res) {
		s.Errorf("the right is still there: %s", res.Body)
	}
}
