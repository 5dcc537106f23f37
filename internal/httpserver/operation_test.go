package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"steward/internal/httpserver"
	"steward/internal/httpserver/testdata/tiny"
)

type withinKey struct{}

// operations notes what the front door tells.
type operations struct {
	mu  sync.Mutex
	log []string
}

func (o *operations) operation(ctx context.Context, h http.Header) (context.Context, func(string, []string, bool)) {
	id := h.Get("X-Request-ID")
	return context.WithValue(ctx, withinKey{}, id), func(kind string, codes []string, gone bool) {
		o.mu.Lock()
		defer o.mu.Unlock()
		slices.Sort(codes)
		o.log = append(o.log, fmt.Sprintf("%s: %s %s %t", id, kind, strings.Join(codes, ","), gone))
	}
}

func TestOperation(t *testing.T) {
	t.Parallel()
	o := &operations{}
	f := start(t, func(c *httpserver.Config, d *httpserver.Deps) {
		c.PublicHosts = []string{"127.0.0.1"}
		d.Operation = o.operation
		d.Authenticate = func(r *http.Request) (context.Context, error) {
			if r.Context().Value(withinKey{}) != r.Header.Get("X-Request-ID") {
				t.Error("sign-in does not run within the operation")
			}
			if r.Header.Get("Authorization") != "" {
				return nil, errors.New("no")
			}
			return r.Context(), nil
		}
	})
	id := func(s string) string { return "X-Request-ID: " + s }
	f.query(t, `{ hello }`, id("a"))
	f.query(t, `{ fail(how: "forbidden") again: fail(how: "forbidden") other: fail(how: "x") }`, id("b"))
	f.query(t, `mutation { rename(name: "x") { id } }`, id("c"))
	f.query(t, `{ nothing }`, id("d"))
	f.query(t, `{ hello }`, id("e"), "Authorization: Bearer x")
	f.query(t, `{ hello }`, id("f"), "Host: elsewhere.example")
	f.send(t, "GET", asURL(`mutation { rename(name: "x") { id } }`), "", id("g"))
	f.send(t, "GET", "/healthz", "", id("not counted"))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.addr+asURL(`{ waits { id } }`), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Request-ID", "h")
	go func() { <-f.tiny.Waiting; leave() }()
	if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
		res.Body.Close()
		t.Errorf("the answer came before the caller left: %d", res.StatusCode)
	}
	f.drain(t)
	want := []string{
		"a: query  false", "b: query FORBIDDEN,INTERNAL false", "c: mutation  false", "d:  BAD_USER_INPUT false",
		"e:  UNAUTHENTICATED false", "f:  BAD_USER_INPUT false", "g: mutation BAD_USER_INPUT false", "h: query  true",
	}
	if !slices.Equal(o.log, want) {
		t.Errorf("told %q, want %q", o.log, want)
	}
}

// Every line of a request has its id, once, whoever writes it; other lines have none.
func TestLog_RequestID(t *testing.T) {
	t.Parallel()
	var l lines
	log := slog.New(httpserver.LogHandler(slog.NewJSONHandler(&l, nil))).With("by", "us")
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Log = log
		d.Extensions = []graphql.HandlerExtension{logging{log}}
	})
	f.query(t, `{ panics }`, "X-Request-ID: abc")
	log.Info("of nobody")
	if err := f.http.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(l.parse(t)); got != 4 {
		t.Errorf("%d lines: %s", got, &l)
	}
	for line := range strings.Lines(l.String()) {
		want := 1
		if strings.Contains(line, "of nobody") {
			want = 0
		}
		if n := strings.Count(line, `"request_id":"abc"`); n != want || !strings.Contains(line, `"by":"us"`) {
			t.Errorf("%d request ids in %s", n, line)
		}
	}
	if !strings.Contains(l.String(), tiny.Secret) {
		t.Error("the panic is not in the log")
	}
}

// logging is a part of the API that has the same log.
type logging struct{ log *slog.Logger }

func (logging) ExtensionName() string                   { return "Logging" }
func (logging) Validate(graphql.ExecutableSchema) error { return nil }
func (l logging) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	l.log.InfoContext(ctx, "on the way")
	return next(ctx)
}
