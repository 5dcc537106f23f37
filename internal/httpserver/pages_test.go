package httpserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"steward/internal/httpserver"
	"steward/internal/httpserver/testdata/tiny"
)

func TestHealth(t *testing.T) {
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Parts = []httpserver.Part{{Name: "x", Check: func(context.Context) error { return errors.New("down") }}}
	})
	for _, method := range []string{"GET", "HEAD"} {
		if r := f.send(t, method, "/healthz", ""); r.status != 200 || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s", method, r.status, r.body)
		}
	}
	wantRefusal(t, f.send(t, "POST", "/healthz", ""), 405, "BAD_USER_INPUT")
}

func TestReady(t *testing.T) {
	var down sync.Map // the name of a part that does not answer -> true
	part := func(name string, optional bool) httpserver.Part {
		return httpserver.Part{Name: name, Optional: optional, Check: func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a readiness check has no deadline")
			}
			if _, is := down.Load(name); is {
				return errors.New(tiny.Secret)
			}
			return nil
		}}
	}
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Parts = []httpserver.Part{part("database", false), part("redis", true), part("spicedb", false)}
	})
	const ok, gone = "ok", "missing"
	for _, c := range []struct {
		down                             []string
		code                             int
		status, database, redis, spicedb string
		missing                          string
	}{
		{nil, 200, "ok", ok, ok, ok, "[]"},
		{[]string{"redis"}, 200, "degraded", ok, gone, ok, "[]"},
		{[]string{"spicedb"}, 503, "unavailable", ok, ok, gone, `["spicedb"]`},
		{[]string{"database", "redis", "spicedb"}, 503, "unavailable", gone, gone, gone, `["database","spicedb"]`},
	} {
		down.Clear()
		for _, name := range c.down {
			down.Store(name, true)
		}
		r := f.send(t, "GET", "/readyz", "")
		for _, part := range []string{"database", "redis", "spicedb"} {
			if !slices.ContainsFunc(strings.Split(r.body, "\n"), func(line string) bool { return strings.HasPrefix(line, `    "`+part+`": "`) }) {
				t.Errorf("%s has no line of its own in %s", part, r.body)
			}
		}
		want := fmt.Sprintf(`{"status":%q,"missing":%s,"parts":{"database":%q,"redis":%q,"spicedb":%q}}`, c.status, c.missing, c.database, c.redis, c.spicedb)
		if got := compact(t, r.body); r.status != c.code || got != want {
			t.Errorf("without %v: got %d %s, want %d %s", c.down, r.status, got, c.code, want)
		}
	}
	f.drain(t)
	if !strings.Contains(f.log.String(), tiny.Secret) {
		t.Error("the log does not say why a part is missing")
	}
}

func compact(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(body)); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return b.String()
}

// Parts are asked side by side, one that hangs counts as missing, and callers who come meanwhile share the answer.
func TestReady_hangs(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	begun, hang := make(chan struct{}, 2), make(chan struct{})
	t.Cleanup(func() { close(hang) })
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		for _, name := range []string{"a", "b"} {
			d.Parts = append(d.Parts, httpserver.Part{Name: name, Check: func(context.Context) error {
				asked.Add(1)
				begun <- struct{}{}
				<-hang // whatever its deadline
				return nil
			}})
		}
		d.Parts = append(d.Parts, httpserver.Part{Name: "c", Check: func(context.Context) error { return nil }})
	})
	begin := time.Now()
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			if r := f.send(t, "GET", "/readyz", ""); r.status != 503 || !strings.Contains(r.body, `"c": "ok"`) {
				t.Errorf("got %d %s", r.status, r.body)
			}
		})
	}
	<-begun
	<-begun
	callers.Wait()
	if took := time.Since(begin); took > 3900*time.Millisecond {
		t.Errorf("two parts that hang took %s: they were asked one after the other", took)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("%d checks for three callers of two parts", n)
	}
}

func TestSDL(t *testing.T) {
	const sdl = "type Query { hello: String! }\n"
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) { d.SDL = sdl })
	r := f.send(t, "GET", "/schema.graphql", "")
	if r.status != 200 || r.body != sdl || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %v %s", r.status, r.header, r.body)
	}
	if again := f.send(t, "GET", "/schema.graphql", "", "If-None-Match: "+r.header.Get("ETag")); again.status != 304 {
		t.Errorf("the same schema is sent again: %d", again.status)
	}
}

func TestPlayground(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"www/index.html": "<!doctype html>page", "www/favicon.svg": "<svg/>", "www/assets/app-1a2b.js": "code()", "www/assets/app-1a2b.css": "a{}",
		"www/assets/app-1a2b.js.map": "source", "www/.env": "key", "www/.git/config": "git", "secret.txt": "secret",
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) { d.Playground = os.DirFS(filepath.Join(dir, "www")) })
	for path, want := range map[string]struct{ body, mediaType, cache string }{
		"/":                    {"<!doctype html>page", "text/html; charset=utf-8", "no-cache"},
		"/index.html":          {"<!doctype html>page", "text/html; charset=utf-8", "no-cache"},
		"/favicon.svg":         {"<svg/>", "image/svg+xml", "no-cache"},
		"/assets/app-1a2b.js":  {"code()", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"},
		"/assets/app-1a2b.css": {"a{}", "text/css; charset=utf-8", "public, max-age=31536000, immutable"},
	} {
		r := f.send(t, "GET", path, "")
		if r.status != 200 || r.body != want.body || r.header.Get("Content-Type") != want.mediaType || r.header.Get("Cache-Control") != want.cache {
			t.Errorf("%s: got %d %v %s", path, r.status, r.header, r.body)
		}
		wantPolicy(t, path, r.header)
	}
	for _, path := range []string{
		"/assets", "/assets/", "/assets/none.js", "/assets/app-1a2b.js.map", "/.env", "/.git/config", "/secret.txt", "/index.html/",
		"/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets%5c..%5c.env", "/%00", "/none",
	} {
		r := f.send(t, "GET", path, "")
		if r.status == 200 || strings.Contains(r.body, "secret") || strings.Contains(r.body, dir) {
			t.Errorf("%s: got %d %s", path, r.status, r.body)
		}
		if r.status == 404 {
			wantRefusal(t, r, 404, "NOT_FOUND")
		}
	}
}

func wantPolicy(t *testing.T, path string, h http.Header) {
	t.Helper()
	policy := map[string]string{}
	for part := range strings.SplitSeq(h.Get("Content-Security-Policy"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		policy[name] = value
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "script-src": "'self'", "worker-src": "'self'", "connect-src": "'self'", "font-src": "'self' data:",
		"img-src": "'self' data:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'", "style-src": "'self' 'unsafe-inline'",
	} {
		if policy[name] != want {
			t.Errorf("%s: %s is %q, want %q", path, name, policy[name], want)
		}
	}
	if len(policy) != 10 || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: headers are %v", path, h)
	}
}

func TestPlayground_None(t *testing.T) {
	f := start(t, nil)
	wantRefusal(t, f.send(t, "GET", "/", ""), 404, "NOT_FOUND")
	f = start(t, func(_ *httpserver.Config, d *httpserver.Deps) { d.Playground = fstest.MapFS{} })
	wantRefusal(t, f.send(t, "GET", "/", ""), 404, "NOT_FOUND")
}

func TestMounts(t *testing.T) {
	f := start(t, func(c *httpserver.Config, d *httpserver.Deps) {
		c.MaxUploadBytes = 10
		d.Mounts = map[string]http.Handler{
			"/demo/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err != nil {
					w.WriteHeader(413)
				}
			}),
			"/breaks": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("begun"))
				_ = http.NewResponseController(w).Flush()
				panic(tiny.Secret)
			}),
			"/panics": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(tiny.Secret) }),
		}
	})
	asForm := "Content-Type: application/x-www-form-urlencoded"
	if r := f.send(t, "POST", "/demo/x", "a=b", asForm); r.status != 200 {
		t.Errorf("got %d", r.status)
	}
	if r := f.send(t, "POST", "/demo/x", "a=0123456789", asForm); r.status != 413 {
		t.Errorf("a long body reaches a mount: %d", r.status)
	}
	r := f.send(t, "GET", "/panics", "")
	wantRefusal(t, r, 500, "INTERNAL")
	if strings.Contains(r.body, "10.1.2.3") {
		t.Errorf("the answer leaks: %s", r.body)
	}
	resp, err := http.Get("http://" + f.addr + "/breaks")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("an answer that broke off looks complete: %q", b)
	}
	f.alive(t)
	f.drain(t)
	if !strings.Contains(f.log.String(), "TestMounts") {
		t.Error("the log has no stack of the panic")
	}
}
