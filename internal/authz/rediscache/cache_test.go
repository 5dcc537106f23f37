package rediscache_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"steward/internal/authz/check"
	"steward/internal/authz/rediscache"
	"steward/internal/testing/servers"
)

// patient is for tests that do not mean the deadline: on a busy machine 50 ms are little.
const patient = 5 * time.Second

func open(t testing.TB, o rediscache.Options) *rediscache.Cache {
	t.Helper()
	c, err := rediscache.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func client(t testing.TB, r *servers.RedisServer) *redis.Client {
	c := redis.NewClient(r.Options())
	t.Cleanup(func() { c.Close() })
	return c
}

// objects are n objects under one key. What is true of an object follows from its key and number, so that an answer to
// another question shows.
func objects(key byte, n int) []check.Entry {
	out := make([]check.Entry, n)
	for i := range out {
		known := uint64(1)<<(1+i%63) | 1<<63 | uint64(key)
		allowed := known & (uint64(i)*0x9e3779b97f4a7c15 | uint64(key))
		out[i] = check.Entry{Key: check.Key{key, 15: ^key}, Type: "site", ID: fmt.Sprintf("%d-%d", key, i), Known: known, Allowed: allowed}
	}
	return out
}

// load asks for the entries and returns how many were known. An answer that is not the entry's own fails the test.
func load(t testing.TB, c *rediscache.Cache, want []check.Entry) (hits int) {
	t.Helper()
	got := slices.Clone(want)
	for i := range got {
		got[i].Known, got[i].Allowed = 0, 0
	}
	c.Load(context.Background(), got)
	for i := range got {
		if got[i].Known == 0 && got[i].Allowed == 0 {
			continue
		}
		if hits++; got[i] != want[i] {
			t.Errorf("%s: known %x allowed %x, want %x %x", got[i].ID, got[i].Known, got[i].Allowed, want[i].Known, want[i].Allowed)
		}
	}
	return hits
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// stored stores the entries and waits until they are in Redis.
func stored(t testing.TB, c *rediscache.Cache, entries []check.Entry) {
	t.Helper()
	want := c.Stats().Stores + uint64(len(entries))
	c.Store(entries)
	eventually(t, "stored", func() bool { return c.Stats().Stores >= want })
}

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) count(line string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), line)
}

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func TestCache_StoreAndLoad(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c, other := open(t, rediscache.Options{URL: r.URL, Timeout: patient}), open(t, rediscache.Options{URL: r.URL, Timeout: patient})
	first, second := objects(1, 250), objects(2, 3)
	if n := load(t, c, first); n != 0 {
		t.Fatalf("%d known of nothing", n)
	}
	mixed := slices.Concat(first[:100], second, first[100:])
	stored(t, c, mixed)
	if n := load(t, other, mixed); n != 253 {
		t.Errorf("the other replica finds %d of 253", n)
	}
	if n := load(t, other, slices.Concat(first[:2], objects(3, 2), objects(1, 252)[250:])); n != 2 {
		t.Errorf("%d of 2", n)
	}
	// An answer replaces the one before, as a whole.
	again := slices.Clone(second)
	again[0].Known, again[0].Allowed = 0b110, 0b100
	stored(t, c, again)
	if n := load(t, other, again); n != 3 {
		t.Errorf("%d of 3", n)
	}
	if s := other.Stats(); s.Loads != 3 || s.Hits != 258 || s.Misses != 4 || s.Errors != 0 || s.Opened != 0 || s.Open {
		t.Errorf("%+v", s)
	}
	ctx, raw := t.Context(), client(t, r)
	for _, k := range raw.Keys(ctx, "*").Val() {
		if ttl := raw.TTL(ctx, k).Val(); !strings.HasPrefix(k, "steward:c1:") || ttl < 47*time.Minute || ttl > 73*time.Minute {
			t.Errorf("%s expires in %s", k, ttl)
		}
	}
	if n := raw.DBSize(ctx).Val(); n != 2 {
		t.Errorf("%d hashes", n)
	}
}

// What is not known, or says that something is allowed that is not known, is not kept.
func TestCache_StoresNothingUnknown(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c := open(t, rediscache.Options{URL: r.URL, Timeout: patient})
	c.Store([]check.Entry{{Type: "site", ID: "1"}, {Type: "site", ID: "2", Known: 1, Allowed: 3}})
	stored(t, c, objects(1, 1)) // in order: after this the others would be there
	if s, n := c.Stats(), client(t, r).DBSize(t.Context()).Val(); s.Stores != 1 || n != 1 {
		t.Errorf("%+v, %d hashes", s, n)
	}
}

// A Load of one wave is one round trip, whatever the number of keys: the wire turns once from question to answer.
func TestCache_OneRoundTrip(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	wire := tap(t, r)
	c := open(t, rediscache.Options{URL: "redis://" + wire.addr, Timeout: patient})
	all := slices.Concat(objects(1, 100), objects(2, 100), objects(3, 100))
	stored(t, c, all)
	ctx, raw := t.Context(), client(t, r)
	if err := raw.ConfigResetStat(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	turns := wire.turns.Load()
	if n := load(t, c, all); n != 300 {
		t.Fatalf("%d of 300", n)
	}
	if n := wire.turns.Load() - turns; n != 1 {
		t.Errorf("%d round trips", n)
	}
	info := raw.InfoMap(ctx, "commandstats").Val()["Commandstats"]
	if got := info["cmdstat_hmget"]; !strings.HasPrefix(got, "calls=3,") {
		t.Errorf("HMGET: %s", got)
	}
	turns = wire.turns.Load()
	stored(t, c, []check.Entry{all[0], all[100], all[1], all[101]})
	if n := wire.turns.Load() - turns; n != 1 {
		t.Errorf("a Store takes %d round trips", n)
	}
	info = raw.InfoMap(ctx, "commandstats").Val()["Commandstats"]
	if h, e := info["cmdstat_hset"], info["cmdstat_expire"]; !strings.HasPrefix(h, "calls=2,") || !strings.HasPrefix(e, "calls=2,") {
		t.Errorf("HSET: %s; EXPIRE: %s", h, e)
	}
}

// Whatever somebody else writes into our hashes is a miss.
func TestCache_ForeignValues(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	c := open(t, rediscache.Options{URL: r.URL, Timeout: patient})
	mine, theirs := objects(1, 3), objects(2, 3)
	stored(t, c, slices.Concat(mine, theirs))
	ctx, raw := t.Context(), client(t, r)
	keys := raw.Keys(ctx, "*").Val()
	all := map[string]map[string]string{}
	for _, k := range keys {
		all[k] = raw.HGetAll(ctx, k).Val()
	}
	for i, k := range keys {
		for field := range all[k] {
			for _, size := range []int{0, 1, 16, 23, 24, 25, 1000} { // all bits set
				raw.HSet(ctx, k, field, strings.Repeat("\xff", size))
				if n := load(t, c, slices.Concat(mine, theirs)); n != 5 {
					t.Errorf("%d bytes: %d known, want 5", size, n)
				}
			}
			for from, value := range all[keys[1-i]] { // somebody else's rights on another object
				raw.HSet(ctx, k, field, value)
				if n := load(t, c, slices.Concat(mine, theirs)); n != 5 {
					t.Errorf("the value of %q: %d known, want 5", from, n)
				}
			}
			raw.HSet(ctx, k, field, all[k][field])
		}
	}
	raw.Set(ctx, keys[0], "no hash", 0)
	if n := load(t, c, slices.Concat(mine, theirs)); n != 0 {
		t.Errorf("after an error %d are known, want none", n)
	}
}

// Somebody who may do no more than the documented commands is enough; one who may do less only misses, and the log says why.
func TestCache_Permissions(t *testing.T) {
	t.Parallel()
	r := servers.Redis(t)
	ctx, raw := t.Context(), client(t, r)
	for user, may := range map[string][]any{"steward": {"+hmget", "+hset", "+expire"}, "reader": {"+hmget"}} {
		if err := raw.Do(ctx, append([]any{"ACL", "SETUSER", user, "on", ">p@ss/word", "~steward:*"}, may...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	at := func(user, password string) string {
		return "redis://" + url.UserPassword(user, password).String() + "@" + strings.TrimPrefix(r.URL, "redis://")
	}
	c := open(t, rediscache.Options{URL: at("steward", "p@ss/word"), Timeout: patient})
	stored(t, c, objects(1, 5))
	var j journal
	reader := open(t, rediscache.Options{URL: at("reader", "p@ss/word"), Timeout: patient, Log: j.log()})
	if n := load(t, reader, objects(1, 5)); n != 5 {
		t.Errorf("the reader finds %d of 5", n)
	}
	reader.Store(objects(1, 1))
	eventually(t, "told of the refused write", func() bool { return j.count("redis does not take writes") == 1 && j.count("NOPERM") == 1 })
	if n := load(t, reader, objects(1, 5)); n != 5 || reader.Stats().Dropped != 1 {
		t.Errorf("a refused write stops reads: %d of 5", n)
	}
	var wrong journal
	stranger := open(t, rediscache.Options{URL: at("steward", "wr0ng"), Timeout: patient, Log: wrong.log()})
	if n := load(t, stranger, objects(1, 5)); n != 0 {
		t.Errorf("the stranger finds %d", n)
	}
	eventually(t, "told of the wrong password, and where it stands", func() bool { return wrong.count("redis-url") == 1 && wrong.count(`error="WRONGPASS`) == 1 })
	if wrong.count("wr0ng") > 0 {
		t.Error("the log repeats the password")
	}
}

func TestCache_UnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "redis.sock")
	servers.Redis(t, servers.RedisOptions{Args: []string{"--unixsocket", socket}})
	c := open(t, rediscache.Options{URL: "unix://" + socket + "?db=3", Timeout: patient})
	stored(t, c, objects(1, 5))
	if n := load(t, c, objects(1, 5)); n != 5 {
		t.Errorf("%d of 5", n)
	}
	if n := load(t, open(t, rediscache.Options{URL: "unix://" + socket, Timeout: patient}), objects(1, 5)); n != 0 {
		t.Errorf("%d in another database", n)
	}
}

func TestCache_TLS(t *testing.T) {
	t.Parallel()
	r, stranger := servers.Redis(t, servers.RedisOptions{TLS: true, Password: "p@ss/word"}), servers.Redis(t, servers.RedisOptions{TLS: true})
	if _, err := os.Stat(stranger.CAFile); err != nil {
		t.Fatal(err)
	}
	c := open(t, rediscache.Options{URL: r.URL, CAFile: r.CAFile, Timeout: patient})
	stored(t, c, objects(1, 5))
	if n := load(t, c, objects(1, 5)); n != 5 {
		t.Errorf("%d of 5", n)
	}
	for name, ca := range map[string]string{"another authority": stranger.CAFile, "the system's authorities": ""} {
		var j journal
		c := open(t, rediscache.Options{URL: r.URL, CAFile: ca, Timeout: patient, Log: j.log()})
		if n := load(t, c, objects(1, 5)); n != 0 || c.Stats().Errors != 1 {
			t.Errorf("%s: %d known, %+v", name, n, c.Stats())
		}
		eventually(t, name, func() bool { return j.count("certificate signed by unknown authority") > 0 })
	}
	// A name that the certificate does not have.
	misnamed := strings.Replace(r.URL, "127.0.0.1", "127.0.0.2", 1)
	wire := tapOn(t, r, "127.0.0.2:0")
	misnamed = misnamed[:strings.LastIndex(misnamed, "@")+1] + wire.addr
	var j journal
	m := open(t, rediscache.Options{URL: misnamed, CAFile: r.CAFile, Timeout: patient, Log: j.log()})
	if n := load(t, m, objects(1, 5)); n != 0 {
		t.Errorf("%d known from a server of another name", n)
	}
	eventually(t, "misnamed", func() bool { return j.count("certificate is valid for") > 0 })
}
