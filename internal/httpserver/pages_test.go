package httpserver_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"steward/internal/httpserver"
	"steward/internal/httpserver/testdata/tiny"
)

func TestHealth(t *testing.T) {
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Ready = func(context.Context) map[string]error { return map[string]error{"x": errors.New("down")} }
	})
	for _, method := range []string{"GET", "HEAD"} {
		if r := f.send(t, method, "/healthz", ""); r.status != 200 || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s", method, r.status, r.body)
		}
	}
	wantRefusal(t, f.send(t, "POST", "/healthz", ""), 405, "BAD_USER_INPUT")
}

func TestReady(t *testing.T) {
	problems := map[string]error{}
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Ready = func(ctx context.Context) map[string]error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a readiness check has no deadline")
			}
			return problems
		}
	})
	if r := f.send(t, "GET", "/readyz", ""); r.status != 200 || strings.TrimSpace(r.body) != `{"status":"ok"}` {
		t.Errorf("got %d %s", r.status, r.body)
	}
	problems = map[string]error{"database": errors.New(tiny.Secret), "spicedb": errors.New(tiny.Secret), "mail": nil}
	r := f.send(t, "GET", "/readyz", "")
	if r.status != 503 || strings.TrimSpace(r.body) != `{"missing":["database","spicedb"],"status":"unavailable"}` {
		t.Errorf("got %d %s", r.status, r.body)
	}
	f.drain(t)
	if !strings.Contains(f.log.String(), tiny.Secret) {
		t.Error("the log does not say why a part is missing")
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
