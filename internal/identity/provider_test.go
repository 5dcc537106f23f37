package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"steward/internal/identity"
)

const audience = "steward"

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// provider is an OIDC provider on 127.0.0.1 that can be down, rotate its keys and publish other documents.
type provider struct {
	*httptest.Server
	discoveries, fetches atomic.Int32
	down                 atomic.Bool

	mu       sync.Mutex
	keys     []jose.JSONWebKey
	document map[string]any // laid over the discovery document
	jwks     []byte         // instead of keys
}

func newProvider(t testing.TB, keys ...jose.JSONWebKey) *provider {
	t.Helper()
	p := &provider{keys: keys}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		p.discoveries.Add(1)
		document := map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "HS256", "none"},
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		maps.Copy(document, p.document)
		json.NewEncoder(w).Encode(document)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.jwks != nil {
			w.Write(p.jwks)
			return
		}
		var set jose.JSONWebKeySet
		for _, key := range p.keys {
			set.Keys = append(set.Keys, key.Public())
		}
		json.NewEncoder(w).Encode(set)
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) rotate(keys ...jose.JSONWebKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

func (p *provider) config(now func() time.Time) identity.Config {
	return identity.Config{Issuer: p.URL, Audience: audience, Now: now, Log: slog.New(slog.DiscardHandler)}
}

func (p *provider) claims() map[string]any {
	return map[string]any{
		"iss": p.URL, "sub": "u-1", "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "ann@example.com", "email_verified": true, "name": "Ann",
	}
}

// with gives the claims of a good token, changed; a nil value removes a claim.
func (p *provider) with(changes map[string]any) map[string]any {
	claims := p.claims()
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	return claims
}

func newRSAKey(t testing.TB, id string, bits int) jose.JSONWebKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: id, Use: "sig", Algorithm: "RS256"}
}

func newECKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: crypto.PrivateKey(key), KeyID: id, Use: "sig", Algorithm: "ES256"}
}

func sign(t testing.TB, key jose.JSONWebKey, claims any) string {
	t.Helper()
	return signAs(t, key, claims, "JWT")
}

func signAs(t testing.TB, key jose.JSONWebKey, claims any, typ jose.ContentType) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType(typ))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: now} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
