package imports

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// longestLife is how long a server may live after the upload, at most; an import of this size takes about as long.
const longestLife = time.Second

// A server is killed while an import waits or runs. The next server finds the job and brings it to its end: each row once,
// its rights in SpiceDB, nobody invited twice.
func TestRestart(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed: %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	data := t.TempDir()
	s := serve(t, data)
	want := count(t, data)
	sometime := func() func(job) bool {
		end := time.Now().Add(time.Duration(random.Int64N(int64(longestLife))))
		return func(job) bool { return time.Now().After(end) }
	}
	for i, enough := range []func() func(job) bool{
		func() func(job) bool { return func(job) bool { return true } },                               // at once
		func() func(job) bool { return func(j job) bool { return j.State != "QUEUED" } },              // once it runs
		func() func(job) bool { return func(j job) bool { return j.Total > 0 && j.Done == j.Total } }, // once its rows are in
		sometime, sometime,
	} {
		big := s.upload(t, generate("R"+string(rune('a'+i)), seed, 10, 100))
		small := s.upload(t, generate("S"+string(rune('a'+i)), seed, 1, 5))
		seen := s.killWhen(t, big, enough())
		s = serve(t, data)
		for id, contacts := range map[string]int{big: 1000, small: 5} {
			got := s.finished(t, id)
			if got.State != "DONE" || got.Summary.ContactsCreated != contacts || got.Summary.ContactsUnchanged != 0 || got.Done != got.Total {
				t.Errorf("killed at %s, the job ended as %+v, want %d contacts", seen, got, contacts)
			}
		}
		want.accounts, want.contacts, want.mails, want.jobs = want.accounts+11, want.contacts+1005, want.mails+11, want.jobs+2
		want.audits += 2 + 11 + 1005
		if got := count(t, data); got != want {
			t.Fatalf("killed at %s there is %+v, want %+v", seen, got, want)
		}
		if out := must(t, data, "reconcile"); !strings.Contains(out, "SpiceDB holds exactly what the rows mean.") {
			t.Errorf("killed at %s: %s", seen, out)
		}
		t.Logf("killed at %s", seen)
	}
}

// killWhen kills the server once the job is as it should be, and returns how it was last seen.
func (s *server) killWhen(t *testing.T, id string, enough func(job) bool) (seen string) {
	t.Helper()
	for {
		j, err := s.job(id)
		if err != nil {
			t.Fatal(err)
		}
		if seen = fmt.Sprintf("%s, %d of %d", j.State, j.Done, j.Total); enough(*j) {
			s.kill()
			return seen
		}
	}
}
