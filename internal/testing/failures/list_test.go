package failures_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// page is a list within a list: two levels that ask.
const page = `{ viewer { accounts(first: 50) { edges { node { name contacts(first: 50) { edges { node { lastName email viewerCan { editContact removeContact } } } } } } } } }`

// whole holds that a page has all that the owner may see.
func whole(t *testing.T, a answer) {
	t.Helper()
	if a.Code != "" || strings.Count(a.Body, `"lastName"`) != contactsOfAccounts || strings.Count(a.Body, ownerMail) != accountsOfHouse {
		t.Errorf("not the whole page: %.500s", a.Body)
	}
}

// TestBulkCalls counts what a page costs SpiceDB: a bulk call for each level, then nothing, on the other replica too.
func TestBulkCalls(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.proxied(t)
	replicas := s.replicas(t, 2)
	misses(t, http.StatusOK, nil, replicas...)
	count := func(what string, r *replica, least, most int) {
		t.Helper()
		calls, items := p.during(func() { whole(t, r.do(t, s.owner, page, nil)) })
		if calls < least || calls > most {
			t.Errorf("%s: %d bulk calls with %d items, want %d to %d", what, calls, items, least, most)
		}
	}
	count("the first time", replicas[0], 2, 2)
	count("again", replicas[0], 0, 0)
	s.redisHolds(t, accountsOfHouse+contactsOfAccounts)
	count("on the other replica", replicas[1], 0, 0)
	count("there again", replicas[1], 0, 0)
	replicas[0].grant(t, s.house, s.people()[0])
	count("after a grant", replicas[0], 1, 2)
	count("after it, again", replicas[0], 0, 0)
	replicas[0].revoke(t, s.house, s.people()[0])
	count("after a revoke, on the other replica", replicas[1], 1, 2)
	count("after it, again there", replicas[1], 0, 0)
}

// redisHolds waits until Redis has the answers about so many objects.
func (s *site) redisHolds(t *testing.T, objects int64) {
	t.Helper()
	c := redis.NewClient(s.redis.Options())
	defer c.Close()
	var n int64
	until(t, patience, "Redis holds all answers", func() bool {
		n = 0
		for keys := c.Scan(t.Context(), 0, "*", 1000).Iterator(); keys.Next(t.Context()); {
			n += c.HLen(t.Context(), keys.Val()).Val()
		}
		return n >= objects
	})
}

// TestBulkError spoils what SpiceDB answers to one level of a list. The list is refused as a whole, and nothing is kept.
func TestBulkError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.proxied(t)
	r := s.replica(t)
	misses(t, http.StatusOK, nil, r)
	for name, spoil := range map[string]func(*v1.CheckBulkPermissionsResponse) error{
		"one item has an error": func(r *v1.CheckBulkPermissionsResponse) error {
			errorAt(r.GetPairs()[len(r.GetPairs())/2])
			return nil
		},
		"one item has no plain answer": func(r *v1.CheckBulkPermissionsResponse) error {
			r.GetPairs()[0].GetItem().Permissionship = v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION
			return nil
		},
		"one item is missing": func(r *v1.CheckBulkPermissionsResponse) error { r.Pairs = r.GetPairs()[1:]; return nil },
		"the whole fails":     func(*v1.CheckBulkPermissionsResponse) error { return status.Error(codes.Unavailable, "spoiled") },
	} {
		for _, level := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, level %d", name, level), func(t *testing.T) {
				// What is global moves, so that nothing kept answers.
				s.must(t, "staff", "grant", "--issuer", "https://nobody.example", "--subject", t.Name(), "--role", "support")
				s.spoiledLevel(t, r, p, level, spoil)
			})
		}
	}
}

func (s *site) spoiledLevel(t *testing.T, r *replica, p *proxy, level int, spoil func(*v1.CheckBulkPermissionsResponse) error) {
	t.Helper()
	n := 0
	p.spoils(func(r *v1.CheckBulkPermissionsResponse) error {
		if n++; n < level {
			return nil
		}
		return spoil(r)
	}, func() {
		a := r.ask(t.Context(), s.owner, page, nil)
		if a.Code != "UNAVAILABLE" || strings.Contains(a.Body, `"lastName"`) || level == 1 && strings.Contains(a.Body, `"name"`) {
			t.Errorf("%s: %.1000s", a.Code, a.Body)
		}
	})
	calls, _ := p.during(func() { whole(t, r.do(t, s.owner, page, nil)) })
	if want := 3 - level; calls != want {
		t.Errorf("%d bulk calls after it, want %d: what was spoiled must not be kept, and all else is", calls, want)
	}
	other := s.replica(t) // has what Redis has
	whole(t, other.do(t, s.owner, page, nil))
	other.kill(t)
}
