package matrix

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"steward/internal/testing/world"
)

// test is one part of the matrix. Operations, which have a table each, are added to these.
type test struct {
	name  string
	run   func(t *testing.T, r run)
	alone bool // needs a World of its own, in which there are no accounts but its own
}

var tests = []test{
	{name: "reads of an account", run: readsAccount},
	{name: "reads of contacts, field by field", run: readsContactsFieldByField},
	{name: "reads of the audit log", run: readsAuditLog},
	{name: "views by staff are written down", run: readsViewsByStaffAreWrittenDown},
	{name: "viewer", run: readsViewer, alone: true},
	{name: "filters are no oracle", run: listsFiltersAreNoOracle},
	{name: "pages", run: listsPages},
	{name: "lists of accounts", run: listsAccounts, alone: true},
	{name: "a hidden id is like an invented one in reads", run: hiddenReadsAnswerAsForAnInventedID},
	{name: "a hidden id is like an invented one in mutations", run: hiddenMutationsAnswerAsForAnInventedID},
	{name: "a hidden id is like an invented one in inputs", run: hiddenFurtherIDsInInputs},
	{name: "payloads", run: hiddenPayloads},
	{name: "changes", run: hiddenChanges},
	{name: "imports", run: importsByEverybody},
	{name: "imports by staff need a request", run: importsStaffNeedARequest},
	{name: "imports are no oracle", run: importsAreNoOracle},
	{name: "jobs are their starters' alone", run: importsJobsAreTheirStartersAlone},
	{name: "secrets that are none", run: invitationsSecretsThatAreNone},
	{name: "managers give what they hold", run: permissionsManagersGiveWhatTheyHold},
	{name: "ADMIN is not granted like the others", run: permissionsAdminIsNotGrantedLikeTheOthers},
	{name: "tokens sign in", run: tokensSignIn},
	{name: "a narrowed token makes none that is wider", run: tokensNarrowedMakesNoneThatIsWider},
	{name: "a token narrowed to an account", run: tokensNarrowedToAnAccount},
}

func allTests() []test {
	all := slices.Clone(tests)
	for _, op := range allOperations() {
		all = append(all, test{name: op.title(), run: func(t *testing.T, r run) { runOperation(t, r, op) }})
	}
	return all
}

// run is one test on one set of parts.
type run struct {
	test   string
	w      *world.World
	sample *sample // nil: all kinds of callers
}

// TestMatrix runs everything embedded. On the other sets it runs each test for a sample of callers, or everything too where
// that is asked for: see world.Full.
func TestMatrix(t *testing.T) {
	seed := world.Seed(t)
	for i, set := range world.Sets {
		t.Run(string(set), func(t *testing.T) {
			t.Parallel()
			if set == world.Embedded || world.Full() {
				runAll(t, set)
			} else {
				runSample(t, set, &sample{seed, i - 1})
			}
		})
	}
}

// runAll gives each test a World of its own, so that they can run at once.
func runAll(t *testing.T, set world.Set) {
	for _, test := range allTests() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, run{test.name, world.New(t, world.On(set)), nil})
		})
	}
}

// runSample runs the tests one after the other in one World, which takes longer to start than many of them.
func runSample(t *testing.T, set world.Set, s *sample) {
	w := world.New(t, world.On(set))
	for _, test := range allTests() {
		t.Run(test.name, func(t *testing.T) {
			own := w
			if test.alone {
				own = world.New(t, world.On(set))
			}
			test.run(t, run{test.name, own, s})
		})
	}
}

// sample chooses which pairs of a test and a kind of caller one of the sets tries. Each pair falls to one set, so that
// together they try them all, and each set tries every test that there are enough kinds for.
type sample struct {
	seed uint64
	set  int // of sampled, from 0 on
}

// sampled is how many sets the pairs are dealt out to.
var sampled = len(world.Sets) - 1

func (s *sample) has(test string, who Kind) bool {
	dealt := s.chance(test, 0).Perm(len(world.Callers))
	return dealt[slices.Index(world.Callers, who)]%sampled == s.set
}

// chance is the same for the same seed, test and use.
func (s *sample) chance(test string, use uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, test)
	return rand.New(rand.NewPCG(s.seed, h.Sum64()+use))
}

// callers are those of a list that the run tries.
func (r run) callers(list []Kind) []Kind {
	if r.sample == nil {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(k Kind) bool { return !r.sample.has(r.test, k) })
}

// rows are who tries each row of an operation: everybody, or each of the sample one row that is chosen by chance.
func (r run) rows(op operation) [][]Kind {
	who := make([][]Kind, len(op.rows))
	if r.sample == nil {
		for i, row := range op.rows {
			who[i] = row.callers()
		}
		return who
	}
	chance := r.sample.chance(r.test, 1)
	for _, k := range r.callers(world.Callers) {
		var fit []int
		for i, row := range op.rows {
			if slices.Contains(row.callers(), k) {
				fit = append(fit, i)
			}
		}
		if len(fit) > 0 {
			i := fit[chance.IntN(len(fit))]
			who[i] = append(who[i], k)
		}
	}
	return who
}

// Whatever the seed, the samples of all sets together try every kind of caller on every operation, each once.
func TestSample_hasEveryPair(t *testing.T) {
	seed := world.Seed(t)
	for n := range uint64(20) {
		for _, op := range allOperations() {
			tried, can := map[Kind]int{}, map[Kind]bool{}
			for _, row := range op.rows {
				for _, k := range row.callers() {
					can[k] = true
				}
			}
			for set := range sampled {
				for i, list := range (run{test: op.title(), sample: &sample{seed + n, set}}).rows(op) {
					for _, k := range list {
						tried[k]++
						if !slices.Contains(op.rows[i].callers(), k) {
							t.Errorf("%s: %s has no place in row %d", op.title(), k, i)
						}
					}
				}
			}
			for _, k := range world.Callers {
				if want := map[bool]int{true: 1}[can[k]]; tried[k] != want {
					t.Errorf("seed %d: %s is tried by %s %d times, want %d", seed+n, op.title(), k, tried[k], want)
				}
			}
		}
	}
}
