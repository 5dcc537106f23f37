package world

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const audience = "steward-test"

// provider is an OIDC provider on a loopback address. It signs in whomever a test names.
type provider struct {
	url    string
	signer jose.Signer
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "world", Algorithm: string(jose.ES256), Use: "sig"}
	p := &provider{}
	p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	document := func(path string, of func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(of()); err != nil {
				t.Errorf("provider: %v", err)
			}
		})
	}
	document("/.well-known/openid-configuration", func() any {
		return map[string]any{
			"issuer": p.url, "jwks_uri": p.url + "/jwks", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{string(jose.ES256)},
		}
	})
	document("/jwks", func() any { return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}} })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// token signs the login in for an hour.
func (p *provider) token(t testing.TB, subject, email, name string) string {
	t.Helper()
	now := time.Now().Unix()
	token, err := jwt.Signed(p.signer).Claims(map[string]any{
		"iss": p.url, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + 3600,
		"email": email, "email_verified": true, "name": name,
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
