package httpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"steward/internal/httpserver"
	"steward/internal/httpserver/testdata/tiny"
)

// front is a running server over testdata/tiny.
type front struct {
	addr string
	tiny *tiny.Resolvers
	http *http.Server
	log  *lines
}

// start serves on a free port of 127.0.0.1 until the test ends.
func start(t testing.TB, edit func(*httpserver.Config, *httpserver.Deps)) *front {
	t.Helper()
	f := &front{tiny: &tiny.Resolvers{Waiting: make(chan struct{}, 1)}, log: &lines{}}
	cfg := httpserver.Config{}
	deps := httpserver.Deps{
		Schema:       tiny.NewExecutableSchema(tiny.Config{Resolvers: f.tiny}),
		Authenticate: func(r *http.Request) (context.Context, error) { return r.Context(), nil },
		Log:          slog.New(slog.NewJSONHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if edit != nil {
		edit(&cfg, &deps)
	}
	server, err := httpserver.NewServer(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr, f.http = listener.Addr().String(), server
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("serve ended with %v", err)
		}
	})
	return f
}

// drain waits until every handler has returned, and returns the log.
func (f *front) drain(t testing.TB) []map[string]any {
	t.Helper()
	if err := f.http.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f.log.parse(t)
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) parse(t testing.TB) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
	answer struct {
		Data       json.RawMessage
		Extensions map[string]any
		Errors     []struct {
			Message    string
			Path       []any
			Extensions map[string]any
		}
	}
}

func (r *reply) code() string {
	if len(r.answer.Errors) == 0 {
		return ""
	}
	code, _ := r.answer.Errors[0].Extensions["code"].(string)
	return code
}

func (r *reply) message() string {
	if len(r.answer.Errors) == 0 {
		return ""
	}
	return r.answer.Errors[0].Message
}

// send does one request; headers are "Name: value".
func (f *front) send(t testing.TB, method, path, body string, headers ...string) *reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // follows nothing
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := &reply{status: resp.StatusCode, header: resp.Header, body: string(b)}
	_ = json.Unmarshal(b, &out.answer)
	return out
}

// query posts a document and expects JSON back.
func (f *front) query(t testing.TB, document string, headers ...string) *reply {
	t.Helper()
	b, err := json.Marshal(map[string]any{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	return f.send(t, "POST", "/graphql", string(b), append([]string{"Content-Type: application/json"}, headers...)...)
}

func (f *front) alive(t testing.TB) {
	t.Helper()
	if r := f.query(t, "{ hello }"); r.status != 200 || r.body != `{"data":{"hello":"hello"}}` {
		t.Fatalf("the server does not answer a plain query any more: %d %s", r.status, r.body)
	}
}

func asURL(document string) string { return "/graphql?query=" + url.QueryEscape(document) }

func wantRefusal(t testing.TB, r *reply, status int, code string) {
	t.Helper()
	if r.status != status || r.code() != code || len(r.answer.Data) != 0 {
		t.Fatalf("got %d %s, want %d with code %s and no data", r.status, r.body, status, code)
	}
	if !strings.HasPrefix(r.header.Get("Content-Type"), "application/") {
		t.Fatalf("a refusal is written as %q", r.header.Get("Content-Type"))
	}
	if id := r.answer.Errors[0].Extensions["requestId"]; id != r.header.Get("X-Request-ID") || id == "" {
		t.Fatalf("a refusal has request id %q, its header %q", id, r.header.Get("X-Request-ID"))
	}
}
