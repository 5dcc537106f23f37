package httpserver_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/httpserver"
)

const (
	asJSON = "Content-Type: application/json"
	hello  = `{"query":"{ hello }"}`
)

var graphqlRefusals = []struct {
	name, method, path, body string
	headers                  []string
	status                   int
	answer                   http.Header
}{
	{"put", "PUT", "/graphql", hello, []string{asJSON}, 405, http.Header{"Allow": {"GET, POST"}}},
	{"delete", "DELETE", "/graphql", "", nil, 405, http.Header{"Allow": {"GET, POST"}}},
	{"head", "HEAD", "/graphql", "", nil, 405, http.Header{"Allow": {"GET, POST"}}},
	{"options that is no preflight", "OPTIONS", "/graphql", "", nil, 405, http.Header{"Allow": {"GET, POST"}}},
	{"mutation by GET", "GET", asURL(`mutation { rename(name: "x") { id } }`), "", nil, 405, http.Header{"Allow": {"POST"}}},
	{"no content type", "POST", "/graphql", hello, nil, 415, nil},
	{"text", "POST", "/graphql", hello, []string{"Content-Type: text/plain"}, 415, nil},
	{"form", "POST", "/graphql", "query={hello}", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, nil},
	{"document", "POST", "/graphql", "{ hello }", []string{"Content-Type: application/graphql"}, 415, nil},
	{"latin", "POST", "/graphql", hello, []string{"Content-Type: application/json; charset=latin1"}, 415, nil},
	{"compressed", "POST", "/graphql", hello, []string{asJSON, "Content-Encoding: gzip"}, 415, nil},
	{"upgrade", "GET", asURL("{ hello }"), "", []string{"Connection: Upgrade", "Upgrade: websocket"}, 400, nil},
	{"accept html by POST", "POST", "/graphql", hello, []string{asJSON, "Accept: text/html"}, 406, nil},
	{"accept html by GET", "GET", asURL("{ hello }"), "", []string{"Accept: text/html"}, 406, nil},
	{"accept with weight zero", "POST", "/graphql", hello, []string{asJSON, "Accept: application/json;q=0"}, 406, nil},
	{"text after the body", "POST", "/graphql", hello + ` x`, []string{asJSON}, 400, nil},
	{"second body", "POST", "/graphql", hello + hello, []string{asJSON}, 400, nil},
	{"list", "POST", "/graphql", `[` + hello + `]`, []string{asJSON}, 400, nil},
	{"null", "POST", "/graphql", `null`, []string{asJSON}, 400, nil},
	{"empty", "POST", "/graphql", ``, []string{asJSON}, 400, nil},
	{"byte order mark", "POST", "/graphql", "\ufeff" + hello, []string{asJSON}, 400, nil},
	{"not UTF-8", "POST", "/graphql", "{\"query\":\"{ hello(name: \\\"\xff\\\") }\"}", []string{asJSON}, 400, nil},
	{"member in capitals", "POST", "/graphql", `{"QUERY":"{ hello }"}`, []string{asJSON}, 400, nil},
	{"empty query", "POST", "/graphql", `{"query":""}`, []string{asJSON}, 400, nil},
	{"no query by GET", "GET", "/graphql", "", nil, 400, nil},
	{"variables that are text by GET", "GET", asURL("{ hello }") + "&variables=x", "", nil, 400, nil},
	{"text after the variables by GET", "GET", asURL("{ hello }") + "&variables=%7B%7Dx", "", nil, 400, nil},
	{"bad escape by GET", "GET", "/graphql?query=%7Bhello%7D&x=%zz", "", nil, 400, nil},
	{"long body", "POST", "/graphql", `{"query":"{ hello }","x":"` + strings.Repeat("y", 2000) + `"}`, []string{asJSON}, 413, nil},
	{"no such path", "GET", "/graphql/x", "", nil, 404, nil},
	{"post at the playground", "POST", "/", "", nil, 405, http.Header{"Allow": {"GET, HEAD"}}},
}

func TestGraphQL_Refusals(t *testing.T) {
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.MaxBodyBytes = 2000 })
	for _, tt := range graphqlRefusals {
		t.Run(tt.name, func(t *testing.T) {
			r := f.send(t, tt.method, tt.path, tt.body, tt.headers...)
			if tt.method == "HEAD" {
				if r.status != tt.status {
					t.Fatalf("got %d", r.status)
				}
			} else {
				code := "BAD_USER_INPUT"
				if tt.status == 404 {
					code = "NOT_FOUND"
				}
				wantRefusal(t, r, tt.status, code)
			}
			for name, want := range tt.answer {
				if got := r.header.Values(name); !slices.Equal(got, want) {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if strings.Contains(r.body, "hello") || strings.Contains(r.body, "yyy") {
				t.Errorf("the answer echoes the request: %s", r.body)
			}
			if r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("a refusal can be cached: %q", r.header.Get("Cache-Control"))
			}
		})
	}
	if n := f.tiny.Ran.Load(); n != 0 {
		t.Errorf("%d resolvers ran for refused requests", n)
	}
	f.alive(t)
}

// A body whose length is not said beforehand is cut when it is too long.
func TestGraphQL_LongBodyWithoutLength(t *testing.T) {
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.MaxUploadBytes = 1000 })
	upload, multipartType := form(t, "operations", one, "map", `{"0":["variables.file"]}`, "[0]", strings.Repeat("y", 1000))
	for contentType, body := range map[string]string{
		"application/json": `{"query":"{ hello }","x":"` + strings.Repeat("y", 128<<10) + `"}`,
		strings.TrimPrefix(multipartType, "Content-Type: "): upload,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+f.addr+"/graphql", io.NopCloser(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = -1
		req.Header.Set("Content-Type", contentType)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("%s: got %d, want 413", contentType, resp.StatusCode)
		}
	}
	if f.tiny.Ran.Load() != 0 {
		t.Error("a cut body was executed")
	}
}

// A body that says that it is too long is refused before any of it has come.
func TestGraphQL_AnnouncedLongBody(t *testing.T) {
	f := start(t, nil)
	for _, contentType := range []string{"application/json", "multipart/form-data; boundary=x"} {
		got := f.raw(t, "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999\r\nContent-Type: "+contentType+"\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 413 ") {
			t.Errorf("%s: got %q, want 413", contentType, got)
		}
	}
}

func TestGraphQL_MediaTypeOfAnswers(t *testing.T) {
	f := start(t, nil)
	const plain, graphql = "application/json; charset=utf-8", "application/graphql-response+json; charset=utf-8"
	for accept, want := range map[string]string{
		"":                                  plain,
		"*/*":                               plain,
		"application/*":                     plain,
		"application/json":                  plain,
		"application/graphql-response+json": graphql,
		"application/graphql-response+json, application/json;q=0.9":                graphql,
		"application/graphql-response+json;q=0.5, application/json":                plain,
		"application/json;q=0.5, application/graphql-response+json":                graphql,
		"application/json, application/graphql-response+json":                      plain,
		"application/graphql-response+json, application/json":                      graphql,
		"application/graphql-response+json, */*":                                   graphql,
		"application/graphql-response+json;q=0.1, */*;q=0.5":                       plain,
		"application/json;q=0, */*":                                                graphql,
		"text/html,application/xhtml+xml,*/*;q=0.8":                                plain,
		"application/graphql-response+json;charset=utf-16, application/json;q=0.2": plain,
		"nonsense;;, application/graphql-response+json;charset=\"UTF-8\"":          graphql,
	} {
		r := f.query(t, "{ hello }", "Accept: "+accept)
		if got := r.header.Get("Content-Type"); r.status != 200 || got != want {
			t.Errorf("Accept %q is answered %d as %q, want %q", accept, r.status, got, want)
		}
		if vary := r.header.Values("Vary"); !slices.Contains(vary, "Accept") || !slices.Contains(vary, "Origin") {
			t.Errorf("Vary is %q", vary)
		}
		if r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("an answer can be cached")
		}
	}
}

func TestGraphQL_StatusOfRequestErrors(t *testing.T) {
	f := start(t, nil)
	for _, document := range []string{"{", "{ nothing }", "query ($x: ID!) { item(id: $x) { id } }", "{ hello } { hello }"} {
		plain := f.query(t, document, "Accept: application/json")
		wantRefusal(t, plain, 200, "BAD_USER_INPUT")
		if strings.Contains(plain.body, `"data"`) {
			t.Errorf("a request error has a data key: %s", plain.body)
		}
		wantRefusal(t, f.query(t, document, "Accept: application/graphql-response+json"), 400, "BAD_USER_INPUT")
	}
}

func TestRequestID(t *testing.T) {
	f := start(t, nil)
	for id, taken := range map[string]bool{
		"a": true, "A-9._z": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\"b": false, "é": false, "a/b": false,
	} {
		r := f.query(t, "{ nothing }", "X-Request-ID: "+id)
		wantRefusal(t, r, 200, "BAD_USER_INPUT")
		if got := r.header.Get("X-Request-ID"); (got == id) != taken || len(got) == 0 {
			t.Errorf("sent %q, got %q", id, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Mounts = map[string]http.Handler{"/files/{secret}": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(httpserver.RequestID(r.Context())))
		})}
	})
	f.query(t, `{ hello(name: "sesame") nothing }`, "Authorization: Bearer sesame", "X-Request-ID: one")
	f.query(t, `{ hello }`, "Cookie: sesame", "X-Request-ID: two")
	if r := f.send(t, "GET", "/files/sesame?sesame", "", "X-Request-ID: three"); r.body != "three" {
		t.Errorf("the context of a mount holds request id %q", r.body)
	}
	f.send(t, "SESAME", "/sesame", "")
	log := f.drain(t)
	if len(log) != 4 {
		t.Fatalf("%d lines for 4 requests: %s", len(log), f.log)
	}
	if strings.Contains(strings.ToLower(f.log.String()), "sesame") {
		t.Errorf("the log holds what a request said: %s", f.log)
	}
	for i, want := range []map[string]any{
		{"msg": "request", "request_id": "one", "method": "POST", "route": "/graphql", "status": 200.0, "error_count": 1.0},
		{"request_id": "two", "operation": "query", "status": 200.0, "bytes": 26.0, "remote_ip": "127.0.0.1"},
		{"request_id": "three", "route": "/files/{secret}", "status": 200.0},
		{"method": "other", "route": "/", "status": 405.0},
	} {
		for key, value := range want {
			if log[i][key] != value {
				t.Errorf("line %d has %s %v, want %v", i+1, key, log[i][key], value)
			}
		}
	}
}

// raw sends bytes on a connection of its own, and returns all that comes back until the server ends it.
func (f *front) raw(t testing.TB, sent string) string {
	t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(sent)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	got, err := io.ReadAll(conn)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		t.Fatalf("the server keeps the connection open after %q", got)
	}
	return string(got)
}

// A connection whose headers or body come too slowly is ended, and holds no handler for longer than that.
func TestSlowClients(t *testing.T) {
	t.Run("headers", func(t *testing.T) {
		f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.HeaderTimeout = 50 * time.Millisecond })
		f.raw(t, "POST /graphql HTTP/1.1\r\nHost: x\r\nX-A: b\r\n")
		f.alive(t)
	})
	t.Run("body", func(t *testing.T) {
		f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.ReadTimeout = 100 * time.Millisecond })
		got := f.raw(t, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
		if !strings.HasPrefix(got, "HTTP/1.1 408 ") {
			t.Errorf("a slow body is answered %q, want 408", got)
		}
		f.alive(t)
	})
}

func TestLongHeaders(t *testing.T) {
	f := start(t, nil)
	if r := f.send(t, "GET", "/healthz", "", "X-Long: "+strings.Repeat("x", 64<<10)); r.status != 431 {
		t.Errorf("got %d, want 431", r.status)
	}
}
