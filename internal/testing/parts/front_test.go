package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// behind is a replica that says its name and what it was sent.
type behind struct {
	name, url string
	state     atomic.Int32
}

func newBehind(t *testing.T, name string) *behind {
	t.Helper()
	b := &behind{name: name}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	b.url = s.URL
	return b
}

func (b *behind) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/readyz" && b.state.Load() != isReady, r.URL.Path == "/healthz" && b.state.Load() == isGone:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/graphql":
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write([]byte(b.name + " " + r.Host + " " + r.Header.Get("X-Forwarded-For") + " " + string(body)))
	}
}

func ask(t *testing.T, front http.Handler, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:8080/graphql", strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1"
	front.ServeHTTP(w, r)
	return w.Body.String()
}

func turns(urls ...string) *inTurn {
	t := &inTurn{}
	for _, url := range urls {
		t.hosts = append(t.hosts, newHost(url))
	}
	return t
}

// goneURL is where nobody listens.
func goneURL() string {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	return gone.URL
}

func TestFront_inTurn(t *testing.T) {
	t.Parallel()
	front := proxy(turns(newBehind(t, "a").url, goneURL(), newBehind(t, "b").url))
	seen := map[string]int{}
	for range 6 { // the one that takes no connection is passed over, with the body
		answer := ask(t, front, "body")
		name, rest, _ := strings.Cut(answer, " ")
		if seen[name]++; rest != "127.0.0.1:8080  body" {
			t.Errorf("behind the front it looks like %q", answer)
		}
	}
	if seen["a"] < 2 || seen["b"] < 2 || seen["a"]+seen["b"] != 6 {
		t.Errorf("answered by %v", seen)
	}
	if answer := ask(t, proxy(turns(goneURL())), "x"); !strings.Contains(answer, "nobody behind the front answers") {
		t.Errorf("with nobody there: %q", answer)
	}
}

func TestFront_passesOver(t *testing.T) {
	t.Parallel()
	paused, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // the kernel takes connections, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = paused.Close() })
	hangs := "http://" + paused.Addr().String()
	for _, c := range []struct {
		name  string
		a, b  int32
		third string
		want  string // who answers
	}{
		{"all ready", isReady, isReady, goneURL(), "ab"},
		{"one ready, one paused", isReady, isLive, hangs, "a"},
		{"none ready, one paused", isLive, isLive, hangs, "ab"},
		{"one live, one paused", isGone, isLive, hangs, "b"},
		{"none answers as it should", isGone, isGone, goneURL(), "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := newBehind(t, "a"), newBehind(t, "b")
			a.state.Store(c.a)
			b.state.Store(c.b)
			turn := turns(a.url, c.third, b.url)
			for _, h := range turn.hosts[:2] { // as they were found before
				h.state.Store(isGone)
			}
			turn.look(t.Context())
			var seen []string
			for range 6 {
				name, _, _ := strings.Cut(ask(t, proxy(turn), ""), " ")
				seen = append(seen, name)
			}
			slices.Sort(seen)
			if got := strings.Join(slices.Compact(seen), ""); got != c.want {
				t.Errorf("answered by %s, want %s", got, c.want)
			}
		})
	}
}

// A request that was sent may have been carried out: it is not sent to another.
func TestFront_sendsNothingTwice(t *testing.T) {
	var asked atomic.Int32
	breaks := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); panic(http.ErrAbortHandler) }))
	t.Cleanup(breaks.Close)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://in-turn/", strings.NewReader("x"))
	r.RequestURI = ""
	_, err := turns(breaks.URL, breaks.URL).RoundTrip(r)
	if e, dial := errors.AsType[*net.OpError](err); err == nil || dial && e.Op == "dial" || asked.Load() != 1 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
}

func TestParse(t *testing.T) {
	self := "parts_test.go"
	for args, want := range map[string]string{
		"-steward " + self + " -listen 0.0.0.0:8080":   "127.0.0.1, [::1] or localhost only",
		"-steward " + self + " -replicas 8081,x":       "a port for each replica",
		"-steward " + self + " -replicas 99999":        "a port for each replica",
		"-steward " + self + " stop":                   `"stop" is not understood`,
		"-steward no-such-program":                     "make build",
		"-steward " + self + " -replicas 1,2,3":        "",
		"-steward " + self + " -listen localhost:8080": "",
	} {
		_, err := parse(strings.Fields(args))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
