package spicedb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"steward/internal/authz/spicedb"
	"steward/internal/relation"
	"steward/internal/testing/servers"
)

// What is set up wrongly names the setting.
func TestDial_wrong_settings(t *testing.T) {
	t.Parallel()
	url := database(t)
	s, other, plain := servers.SpiceDB(t, url), servers.SpiceDB(t, url), servers.SpiceDB(t, url, servers.SpiceDBOptions{Plain: true})
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	q := qs(ask(relation.TypePlatform, relation.PlatformID, relation.Staff))
	for name, x := range map[string]struct {
		change func(o *spicedb.RemoteOptions)
		want   []string
	}{
		"right":         {func(*spicedb.RemoteOptions) {}, nil},
		"plain":         {func(o *spicedb.RemoteOptions) { o.Endpoint, o.Key, o.CAFile = plain.Endpoint, plain.Key, "" }, nil},
		"key":           {func(o *spicedb.RemoteOptions) { o.Key = "wrong" }, []string{"spicedb-key"}},
		"no_key":        {func(o *spicedb.RemoteOptions) { o.Key = "" }, []string{"spicedb-key"}},
		"authority":     {func(o *spicedb.RemoteOptions) { o.CAFile = other.CAFile }, []string{"spicedb-ca", "unknown authority"}},
		"no_authority":  {func(o *spicedb.RemoteOptions) { o.CAFile = "" }, []string{"spicedb-ca"}},
		"no_file":       {func(o *spicedb.RemoteOptions) { o.CAFile = empty + "x" }, []string{"spicedb-ca", "no such file"}},
		"empty_file":    {func(o *spicedb.RemoteOptions) { o.CAFile = empty }, []string{"spicedb-ca", "no certificate"}},
		"plain_to_tls":  {func(o *spicedb.RemoteOptions) { o.Endpoint, o.CAFile = "http://"+s.Endpoint, "" }, []string{"spicedb-endpoint", "without http://"}},
		"tls_to_plain":  {func(o *spicedb.RemoteOptions) { o.Endpoint = strings.TrimPrefix(plain.Endpoint, "http://") }, []string{"spicedb-endpoint", "does not speak TLS"}},
		"plain_with_ca": {func(o *spicedb.RemoteOptions) { o.Endpoint = plain.Endpoint }, []string{"spicedb-ca", "spicedb-endpoint"}},
		"nobody_there":  {func(o *spicedb.RemoteOptions) { o.Endpoint = "127.0.0.1:1" }, []string{"refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := spicedb.RemoteOptions{Endpoint: s.Endpoint, Key: s.Key, CAFile: s.CAFile, Log: quiet}
			x.change(&o)
			c, err := spicedb.Dial(t.Context(), o)
			if err == nil {
				_, err = c.Check(t.Context(), user("u"), q)
				if e := c.Close(); e != nil {
					t.Error(e)
				}
			}
			if (err == nil) != (x.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, w := range x.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v: says nothing of %q", err, w)
				}
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: it waited for nothing", err)
			}
		})
	}
}

// A client that is made while SpiceDB is away does not wait for it, and works when it comes, and again after each time it
// is away or silent.
func TestDial_comes_back_by_itself(t *testing.T) {
	t.Parallel()
	s := servers.SpiceDB(t, database(t))
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, func(o *spicedb.RemoteOptions) { o.Timeout = 2 * time.Second })
	_, err := c.Fence(t.Context())
	wantUnavailable(t, err)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: it waited for a server that is not there", err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("there after %v", eventually(t, 20*time.Second, func(ctx context.Context) error {
		return c.Write(ctx, "", []relation.Update{{Relationship: "platform:steward#support@user:u"}})
	}))
	goesAway(t, c, 10*time.Second, s.Stop, func() error { return s.Start(t.Context()) })
	goesAway(t, c, 400*time.Millisecond, s.Pause, s.Resume)
}

// Without a deadline of the caller a call ends after Timeout, and a watch notices a silent server too.
func TestDial_timeout(t *testing.T) {
	t.Parallel()
	s := servers.SpiceDB(t, database(t))
	c := dial(t, s, func(o *spicedb.RemoteOptions) { o.Timeout = time.Second })
	eventually(t, 10*time.Second, func(ctx context.Context) error { _, err := c.Fence(ctx); return err })
	w, _ := watch(t, c, "")
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err := c.Check(t.Context(), user("u"), qs(ask(relation.TypePlatform, relation.PlatformID, relation.Staff)))
	wantUnavailable(t, err)
	if d := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || d > 10*time.Second {
		t.Errorf("after %v: %v", d, err)
	}
	wantUnavailable(t, c.Each(t.Context(), func(string) error { return nil }))
	select {
	case err := <-w.ended:
		wantUnavailable(t, err)
		t.Logf("the watch ended after %v", time.Since(begin))
	case <-time.After(20 * time.Second):
		t.Error("the watch still waits")
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
}

// An export that is cut off goes on where it was.
func TestClient_Each_goes_on_after_a_restart(t *testing.T) {
	t.Parallel()
	s := servers.SpiceDB(t, database(t))
	c := dial(t, s)
	var updates []relation.Update
	for i := range 20_000 {
		updates = append(updates, relation.Update{Relationship: fmt.Sprintf("platform:steward#support@user:%0100d", i)})
	}
	write(t, c, updates...)
	seen := map[string]int{}
	err := c.Each(t.Context(), func(r relation.Relationship) error {
		seen[r]++
		if len(seen) == 1_500 {
			return errors.Join(s.Stop(), s.Start(t.Context()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(updates) {
		t.Errorf("%d relationships, want %d", len(seen), len(updates))
	}
	for r, n := range seen {
		if n != 1 {
			t.Fatalf("%s came %d times", r, n)
		}
	}
}
