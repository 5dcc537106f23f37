package failures_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const audience = "failures"

// provider is an OIDC provider on a loopback address, which signs in whomever a test names. It ends with the process.
type provider struct {
	url    string
	signer jose.Signer
}

var openProvider = sync.OnceValues(func() (*provider, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private := jose.JSONWebKey{Key: key, KeyID: "failures", Algorithm: string(jose.ES256), Use: "sig"}
	p := &provider{}
	p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	serve := func(path string, of func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(of()) // the server that asked says what it missed
		})
	}
	serve("/.well-known/openid-configuration", func() any {
		return map[string]any{
			"issuer": p.url, "jwks_uri": p.url + "/jwks", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{string(jose.ES256)},
		}
	})
	serve("/jwks", func() any { return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}} })
	p.url = httptest.NewServer(mux).URL
	return p, nil
})

// token signs in who has this e-mail address, for an hour.
func (p *provider) token(email string) (string, error) {
	now := time.Now().Unix()
	return jwt.Signed(p.signer).Claims(map[string]any{
		"iss": p.url, "sub": email, "aud": audience, "iat": now, "nbf": now, "exp": now + 3600,
		"email": email, "email_verified": true, "name": email,
	}).Serialize()
}
