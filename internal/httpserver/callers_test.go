package httpserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
)

// holding is a transport whose operations run until they are let go.
type holding struct{ entered, release chan struct{} }

func (holding) Supports(*http.Request) bool { return true }
func (h holding) Do(http.ResponseWriter, *http.Request, graphql.GraphExecutor) {
	h.entered <- struct{}{}
	<-h.release
}

func TestEndpoint_operationsOfOneCaller(t *testing.T) {
	h := holding{make(chan struct{}), make(chan struct{})}
	e := &endpoint{
		transports:   []graphql.Transport{h},
		authenticate: func(r *http.Request) (context.Context, error) { return r.Context(), nil },
		callers:      &callers{most: 2, running: map[string]int{}},
	}
	type who struct{}
	e.authenticate = func(r *http.Request) (context.Context, error) {
		return context.WithValue(r.Context(), who{}, r.Header.Get("Who")), nil
	}
	e.caller = func(ctx context.Context) string { return ctx.Value(who{}).(string) }
	ask := func(name string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", nil)
		r.Header.Set("Who", name)
		e.ServeHTTP(w, r)
		return w
	}
	done := make(chan struct{})
	for _, name := range []string{"ann", "ann", "bob", "", "", ""} { // nobody is not one caller
		go func() { ask(name); done <- struct{}{} }()
		<-h.entered
	}
	answered := make(chan *httptest.ResponseRecorder, 1)
	third := func() { answered <- ask("ann") }
	go third()
	select {
	case w := <-answered:
		if w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), codeRateLimited) {
			t.Errorf("a third operation at once: %d %s", w.Code, w.Body)
		}
	case <-h.entered:
		t.Fatal("a third operation at once was let in")
	}
	for range 6 {
		h.release <- struct{}{}
		<-done
	}
	go third()
	select {
	case <-h.entered:
		h.release <- struct{}{}
		<-answered
	case w := <-answered:
		t.Errorf("no place was given back: %d %s", w.Code, w.Body)
	}
	if len(e.callers.running) != 0 {
		t.Errorf("places are still taken: %v", e.callers.running)
	}
}

func TestEndpoint_filesOfNobody(t *testing.T) {
	e := &endpoint{
		transports:   []graphql.Transport{&multipartTransport{}},
		authenticate: func(r *http.Request) (context.Context, error) { return r.Context(), nil },
		caller:       func(context.Context) string { return "" },
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader("never read"))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	e.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), codeUnauthenticated) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
