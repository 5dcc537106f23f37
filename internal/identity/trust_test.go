package identity_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/identity"
)

// A provider whose certificate nobody but the file's authority signed is believed by who names that file, and by no other.
func TestTrustingClient(t *testing.T) {
	key := newECKey(t, "e1")
	p := newProvider(t, key)
	behind, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(behind))
	t.Cleanup(front.Close)
	const issuer = "https://login.internal.example"
	p.document = map[string]any{"issuer": issuer, "jwks_uri": front.URL + "/keys"}
	cfg := p.config(newClock().now)
	cfg.Issuer, cfg.DiscoveryURL = issuer, front.URL
	token := sign(t, key, p.with(map[string]any{"iss": issuer}))

	if _, err := identity.NewVerifier(cfg).Verify(t.Context(), token); err == nil || p.discoveries.Load() != 0 {
		t.Fatalf("a certificate that nobody vouches for was believed: %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}))
	if cfg.HTTPClient, err = identity.TrustingClient(ca); err != nil {
		t.Fatal(err)
	}
	if got, err := identity.NewVerifier(cfg).Verify(t.Context(), token); err != nil || got.Subject != "u-1" {
		t.Fatalf("got %+v, %v", got, err)
	}
	transport, ok := cfg.HTTPClient.Transport.(*http.Transport)
	if !ok || transport == http.DefaultTransport || http.DefaultTransport.(*http.Transport).TLSClientConfig != nil && http.DefaultTransport.(*http.Transport).TLSClientConfig.RootCAs != nil {
		t.Error("the authorities of the file are everybody's now")
	}
}

func TestTrustingClient_badFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	write(t, empty, []byte("no certificate\n"))
	for path, want := range map[string]string{
		filepath.Join(dir, "missing.pem"): "cannot be read: no such file",
		empty:                             "holds no certificate",
	} {
		_, err := identity.TrustingClient(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || errors.Is(err, identity.ErrInvalidToken) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
