package failures_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
)

// step is where a process is killed, and what its changes have come to by then.
type step struct {
	name      string
	written   bool // the row and the outbox entry are there: the change will become effective
	effective bool // it is
}

var steps = []step{
	{"before_commit", false, false}, {"after_commit", true, false}, {"before_apply", true, false}, {"after_apply", true, false}, {"after_bump", true, true},
}

// TestKilled kills a replica in the middle of a grant and a revoke, at each step. What it has not answered takes place as a
// whole or not at all, without anybody's help; nothing that was answered is lost, and a revoked right never comes back.
func TestKilled(t *testing.T) {
	t.Run("while another replica serves", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		live := s.replica(t)
		for i, at := range steps {
			t.Run(at.name, func(t *testing.T) { (&killing{site: s, at: at, live: live, number: i}).run(t) })
		}
	})
	t.Run("alone, then started again", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		for i, at := range steps {
			t.Run(at.name, func(t *testing.T) { (&killing{site: s, at: at, number: i}).run(t) })
		}
	})
}

// killing is the story of one kill. Its people are on accounts of their own.
type killing struct {
	*site
	at     step
	number int
	live   *replica // who serves meanwhile; nil: nobody

	gains, loses   person // of the changes that are not answered
	gained, before person // of changes that are answered
	killed         *replica
	changes        sync.WaitGroup
}

func (k *killing) run(t *testing.T) {
	alone := k.live == nil
	if alone {
		k.live = k.replica(t)
	}
	at := func(n int) person { return k.accounts[n%accountsOfHouse].programs[n/accountsOfHouse] }
	k.gains, k.loses = at(2*k.number), at(2*k.number+1)
	// These two are of other accounts: those two are locked while the process stands still.
	k.gained, k.before = k.accounts[(2*k.number+2)%accountsOfHouse].programs[2], k.accounts[(2*k.number+3)%accountsOfHouse].programs[2]
	k.live.grant(t, k.house, k.loses)
	k.live.grant(t, k.house, k.before)
	k.live.grant(t, k.house, k.gained)
	k.live.revoke(t, k.house, k.before)
	if alone {
		k.live.kill(t)
	}
	k.killed = k.replica(t, "STEWARD_FAILPOINT="+k.at.name)
	k.everybody(t, k.killed, allowed, refused)
	var seen *history
	if !alone {
		k.everybody(t, k.live, allowed, refused)
		seen = k.watch(t)
	}
	k.stop(t, alone)
	k.killed.kill(t)
	k.changes.Wait()
	if alone {
		k.live = k.replica(t)
		k.outcome(t, 0)
	} else {
		k.outcome(t, patience)
		seen.end(t)
	}
	k.aftermath(t)
}

// everybody holds what the four may do.
func (k *killing) everybody(t *testing.T, r *replica, loses, gains verdict) {
	t.Helper()
	is(t, k.loses, loses, r)
	is(t, k.gains, gains, r)
	is(t, k.gained, allowed, r)
	is(t, k.before, refused, r)
}

// key makes the repetition of a change the same change.
func (k *killing) key(p person) string { return k.at.name + " " + p.contact[len(p.contact)-6:] }

// stop sends both changes and waits until they stand still at the step.
func (k *killing) stop(t *testing.T, alone bool) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for p, on := range map[person]bool{k.gains: true, k.loses: false} {
		k.changes.Go(func() {
			if code := k.killed.set(ctx, k.house, p, on, k.key(p)); !strings.HasPrefix(code, noAnswer) {
				t.Errorf("the change of %s was answered by a process that was killed at %s: %q", p.name, k.at.name, code)
			}
		})
	}
	until(t, patience, "both changes stand at "+k.at.name, func() bool { return k.killed.Lines("failpoint reached: "+k.at.name) == 2 })
	if alone {
		return
	}
	// The process that stands still holds the locks of two accounts, and nobody else up.
	k.live.grant(t, k.house, k.before)
	k.live.revoke(t, k.house, k.before)
	if k.at.effective {
		is(t, k.loses, refused, k.live)
		is(t, k.gains, allowed, k.live)
	}
	if k.at.name == "before_apply" || k.at.name == "after_apply" { // nobody else can go on with it
		for _, op := range []string{"grant_permission", "revoke_permission"} {
			if effective, known := k.change(t, op, k.gains, k.loses); !known || effective {
				t.Errorf("change(id) of the %s at %s: known %v, effective %v", op, k.at.name, known, effective)
			}
		}
	}
}

// change asks the API for the newest change of an operation on the accounts of two people.
func (k *killing) change(t *testing.T, operation string, of ...person) (effective, known bool) {
	t.Helper()
	var id string
	k.scan(t, fmt.Sprintf(`SELECT coalesce((SELECT id FROM authz_outbox WHERE operation = '%s' AND (account_scopes LIKE '%%%s%%' OR account_scopes LIKE '%%%s%%')
		ORDER BY seq DESC LIMIT 1), '')`, operation, of[0].account.key(), of[1].account.key()), &id)
	if id == "" {
		return false, false
	}
	a := k.live.do(t, k.owner, `query Ask($id: ID!) { change(id: $id) { operation effective } }`, vars{"id": domain.GlobalID("Change", id)})
	if got := a.text("change", "operation"); got != operation {
		t.Errorf("change(id) says %q, want %q: %s", got, operation, a.Body)
	}
	effective, _ = a.get("change", "effective").(bool)
	return effective, true
}

func (a *account) key() string {
	_, id, _ := domain.ParseGlobalID(a.id)
	return id
}

// outcome waits until everything has taken place that was written. It must have at once where the process was started
// again: a start goes on with what is pending before it serves.
func (k *killing) outcome(t *testing.T, within time.Duration) {
	t.Helper()
	loses, gains := allowed, refused
	if k.at.written {
		loses, gains = refused, allowed
	}
	if within > 0 {
		becomes(t, within, k.loses, loses, k.live)
		becomes(t, within, k.gains, gains, k.live)
	}
	k.everybody(t, k.live, loses, gains)
	if k.at.written {
		for _, op := range []string{"grant_permission", "revoke_permission"} {
			until(t, within+time.Second, "change(id) says that the "+op+" is effective", func() bool {
				effective, known := k.change(t, op, k.gains, k.loses)
				return known && effective
			})
		}
	}
}

// aftermath repeats the changes, as whoever got no answer does, and holds that nothing is lost.
func (k *killing) aftermath(t *testing.T) {
	t.Helper()
	k.consistent(t)
	for p, on := range map[person]bool{k.gains: true, k.loses: false} {
		if code := k.live.set(t.Context(), k.house, p, on, k.key(p)); code != "" {
			t.Errorf("the repetition of the change of %s: %s", p.name, code)
		}
	}
	k.everybody(t, k.live, refused, allowed)
	a := k.live.do(t, k.owner, `{ viewer { accounts(first: 50) { edges { node { id contacts(first: 50) { edges { node { id permissions } } } } } } } }`, nil)
	holds, contacts := map[string]bool{}, 0
	edges, _ := a.get("viewer", "accounts", "edges").([]any)
	for i := range edges {
		rows, _ := a.get("viewer", "accounts", "edges", i, "node", "contacts", "edges").([]any)
		for n := range rows {
			contacts++
			at := []any{"viewer", "accounts", "edges", i, "node", "contacts", "edges", n, "node"}
			holds[a.text(append(at, "id")...)] = a.text(append(at, "permissions", 0)...) == "CONTACT_MANAGEMENT"
		}
	}
	if contacts != contactsOfAccounts || !holds[k.gains.contact] || holds[k.loses.contact] || !holds[k.gained.contact] || holds[k.before.contact] {
		t.Errorf("the rows are %s", a.Body)
	}
	k.consistent(t)
}

// history is what another replica answers while all of this goes on.
type history struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

// watch asks the living replica all the time: an answer changes once at most, in the direction of the change.
func (k *killing) watch(t *testing.T) *history {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := &history{stop: stop}
	for p, first := range map[person]verdict{k.gains: refused, k.loses: allowed} {
		h.done.Go(func() {
			last := first
			for ctx.Err() == nil {
				got, _ := k.live.check(ctx, p)
				switch {
				case ctx.Err() != nil || got == last:
				case got != allowed && got != refused:
					t.Errorf("%s was answered %q", p.name, got)
				case last != first:
					t.Errorf("%s was %s, then %s, and now %s again", p.name, first, last, got)
				}
				if got == allowed || got == refused {
					last = got
				}
				select { // leave something of the machine to what is tested
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	return h
}

func (h *history) end(t *testing.T) {
	t.Helper()
	h.stop()
	h.done.Wait()
}
