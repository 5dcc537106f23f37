package httpserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"steward/internal/httpserver"
)

const friend = "https://app.example.com"

func TestCrossOrigin(t *testing.T) {
	f := start(t, func(c *httpserver.Config, d *httpserver.Deps) {
		c.AllowedOrigins = []string{friend}
		d.Mounts = map[string]http.Handler{"/mount": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })}
	})
	own := "http://" + f.addr
	tests := []struct {
		name    string
		headers []string
		refused bool
		cors    string
	}{
		{"a program", nil, false, ""},
		{"the own page", []string{"Origin: " + own, "Sec-Fetch-Site: same-origin"}, false, ""},
		{"the own page in an old browser", []string{"Origin: " + own}, false, ""},
		{"a listed page", []string{"Origin: " + friend, "Sec-Fetch-Site: cross-site"}, false, friend},
		{"another page", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, true, ""},
		{"another page in an old browser", []string{"Origin: https://evil.example"}, true, ""},
		{"a page in a sandbox", []string{"Origin: null"}, true, ""},
		{"a neighbour", []string{"Origin: https://evil.app.example.com", "Sec-Fetch-Site: same-site"}, true, ""},
		{"a page that begins like a listed one", []string{"Origin: https://app.example.com.evil.example"}, true, ""},
		{"a listed name without TLS", []string{"Origin: http://app.example.com"}, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := f.query(t, "{ hello }", tt.headers...)
			if tt.refused {
				wantRefusal(t, r, 403, "FORBIDDEN")
				if m := f.send(t, "POST", "/mount", "", tt.headers...); m.status != 403 {
					t.Errorf("a mount answers %d", m.status)
				}
			} else if r.status != 200 {
				t.Errorf("got %d %s", r.status, r.body)
			}
			if got := r.header.Get("Access-Control-Allow-Origin"); got != tt.cors {
				t.Errorf("Access-Control-Allow-Origin is %q, want %q", got, tt.cors)
			}
			if r.header.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(r.header.Values("Vary"), "Origin") {
				t.Errorf("headers are %v", r.header)
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.AllowedOrigins = []string{friend} })
	ask := []string{"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type"}
	r := f.send(t, "OPTIONS", "/graphql", "", append(ask, "Origin: "+friend)...)
	if r.status != 204 || r.header.Get("Access-Control-Allow-Origin") != friend ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("got %d %v", r.status, r.header)
	}
	r = f.send(t, "OPTIONS", "/graphql", "", append(ask, "Origin: https://evil.example")...)
	wantRefusal(t, r, 403, "FORBIDDEN")
	if r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("got %v", r.header)
	}
}

func TestPublicHosts(t *testing.T) {
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) {
		c.PublicHosts = []string{"api.example.com", "localhost:8080", "::1"}
	})
	for host, allowed := range map[string]bool{
		"api.example.com": true, "API.example.com:443": true, "localhost:8080": true, "[::1]:99": true,
		"evil.example": false, "localhost:9": false, "localhost": false, "api.example.com.evil.example": false, "127.0.0.1": false,
	} {
		r := f.query(t, "{ hello }", "Host: "+host)
		if allowed && r.status != 200 {
			t.Errorf("%s: got %d", host, r.status)
		}
		if !allowed {
			wantRefusal(t, r, 421, "BAD_USER_INPUT")
		}
		if r := f.send(t, "GET", "/healthz", "", "Host: "+host); r.status != 200 {
			t.Errorf("%s: a health check is answered %d", host, r.status)
		}
	}
}
