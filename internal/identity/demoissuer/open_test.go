package demoissuer_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/identity"
	"steward/internal/identity/demoissuer"
)

// What an issuer in a process of its own answers that has been told to sign in anyone: whatever came on the way, but no name
// that is not its own.
func TestOpenHandler_Token(t *testing.T) {
	server := httptest.NewServer(open(t, t.TempDir()).OpenHandler("demo.example.com:8080"))
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for name, test := range map[string]struct {
		call call
		want int
	}{
		"own_name":              {tokenCall(withHost("localhost:" + port)), 200},
		"public_name":           {tokenCall(withHost("demo.example.com:8080")), 200},
		"public_name_in_caps":   {tokenCall(withHost("Demo.Example.com:8080")), 200},
		"through_a_proxy":       {tokenCall(withHeader("X-Forwarded-For", "203.0.113.9")), 200},
		"own_page":              {tokenCall(withHost("demo.example.com:8080"), withHeader("Origin", "http://demo.example.com:8080")), 200},
		"public_name_no_port":   {tokenCall(withHost("demo.example.com")), 403},
		"rebound_name":          {tokenCall(withHost("evil.example:" + port)), 403},
		"cross_site":            {tokenCall(withHeader("Sec-Fetch-Site", "cross-site")), 403},
		"other_origin":          {tokenCall(withHeader("Origin", "http://evil.example")), 403},
		"people":                {call{method: http.MethodGet, path: "/demo/people", host: "demo.example.com:8080"}, 200},
		"people_rebound":        {call{method: http.MethodGet, path: "/demo/people", host: "evil.example"}, 403},
		"discovery_by_any_name": {call{method: http.MethodGet, path: "/demo/oidc/.well-known/openid-configuration", host: "demo-issuer:8443"}, 200},
		"keys_by_any_name":      {call{method: http.MethodGet, path: "/demo/oidc/jwks", host: "demo-issuer:8443"}, 200},
		"elsewhere":             {call{method: http.MethodGet, path: "/demo/oidc/", host: "demo-issuer:8443"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := test.call.do(t, addr); status != test.want {
				t.Errorf("answered %d %s, want %d", status, body, test.want)
			}
		})
	}
}

// An issuer without a public name has those of this machine alone: an empty Host is none of them.
func TestOpenHandler_WithoutPublicName(t *testing.T) {
	handler := open(t, t.TempDir()).OpenHandler("")
	for host, want := range map[string]int{"": 403, "demo-issuer": 403, "127.0.0.1:1": 200} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/demo/people", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != want {
			t.Errorf("host %q is answered %d, want %d", host, w.Code, want)
		}
	}
}

// Servers in other containers know the issuer as they know any provider: by https and an authority of their own.
func TestOpenHandler_VerifiesOverTLS(t *testing.T) {
	issuer := open(t, t.TempDir())
	server := httptest.NewTLSServer(issuer.OpenHandler(""))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := identity.TrustingClient(ca)
	if err != nil {
		t.Fatal(err)
	}
	cfg := identity.Config{Issuer: demoissuer.IssuerURL, Audience: demoissuer.Audience, DiscoveryURL: server.URL + demoissuer.DiscoveryPath, HTTPClient: client}
	token, _, err := issuer.Token("olga@northwind.example", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := identity.NewVerifier(cfg).Verify(t.Context(), token); err != nil || got.Subject != "demo-1" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if cfg.DiscoveryURL = "http://issuer.internal/demo/oidc"; cfg.Validate() == nil || !strings.Contains(cfg.Validate().Error(), "must be https") {
		t.Error("keys may come by http from another machine")
	}
}
