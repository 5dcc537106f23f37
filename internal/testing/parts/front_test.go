package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// host is one behind the front that says its name and what it was sent.
func host(t *testing.T, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write([]byte(name + " " + r.Host + " " + r.Header.Get("X-Forwarded-For") + " " + string(body)))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func ask(t *testing.T, front http.Handler, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/graphql", strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1"
	front.ServeHTTP(w, r)
	return w.Body.String()
}

func TestFront_inTurn(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	front := proxy(&inTurn{hosts: []string{host(t, "a"), gone.Listener.Addr().String(), host(t, "b")}})
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
	if answer := ask(t, proxy(&inTurn{hosts: []string{gone.Listener.Addr().String()}}), "x"); !strings.Contains(answer, "nobody behind the front answers") {
		t.Errorf("with nobody there: %q", answer)
	}
}

// A request that was sent may have been carried out: it is not sent to another.
func TestFront_sendsNothingTwice(t *testing.T) {
	asked := 0
	breaks := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++; panic(http.ErrAbortHandler) }))
	t.Cleanup(breaks.Close)
	addr := breaks.Listener.Addr().String()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://in-turn/", strings.NewReader("x"))
	r.RequestURI = ""
	_, err := (&inTurn{hosts: []string{addr, addr}}).RoundTrip(r)
	if e, dial := errors.AsType[*net.OpError](err); err == nil || dial && e.Op == "dial" || asked != 1 {
		t.Errorf("asked %d times, %v", asked, err)
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
