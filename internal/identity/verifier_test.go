package identity_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"steward/internal/identity"
)

func TestVerifier_GoodTokens(t *testing.T) {
	rsaKey, ecKey := newRSAKey(t, "r1", 2048), newECKey(t, "e1")
	p := newProvider(t, rsaKey, ecKey)
	v := identity.NewVerifier(p.config(newClock().now))
	ann := identity.Claims{Issuer: p.URL, Subject: "u-1", Email: "ann@example.com", EmailVerified: true, Name: "Ann"}
	unverified, bare := ann, identity.Claims{Issuer: p.URL, Subject: "u-1"}
	unverified.EmailVerified = false
	for name, test := range map[string]struct {
		token string
		want  identity.Claims
	}{
		"rsa":                     {sign(t, rsaKey, p.claims()), ann},
		"ecdsa":                   {sign(t, ecKey, p.claims()), ann},
		"access_token_type":       {signAs(t, ecKey, p.claims(), "at+jwt"), ann},
		"several_audiences":       {sign(t, ecKey, p.with(map[string]any{"aud": []string{"other", audience}})), ann},
		"expired_within_leeway":   {sign(t, ecKey, p.with(map[string]any{"exp": now.Add(-29 * time.Second).Unix()})), ann},
		"not_yet_within_leeway":   {sign(t, ecKey, p.with(map[string]any{"nbf": now.Add(29 * time.Second).Unix()})), ann},
		"fraction_of_a_second":    {sign(t, ecKey, p.with(map[string]any{"exp": float64(now.Unix()) + 0.5})), ann},
		"email_verified_as_text":  {sign(t, ecKey, p.with(map[string]any{"email_verified": "true"})), ann},
		"email_verified_false":    {sign(t, ecKey, p.with(map[string]any{"email_verified": "false"})), unverified},
		"email_verified_nonsense": {sign(t, ecKey, p.with(map[string]any{"email_verified": 1})), unverified},
		"sub_in_capitals":         {sign(t, ecKey, p.with(map[string]any{"SUB": "u-2"})), ann},
		"nothing_but_subject":     {sign(t, ecKey, p.with(map[string]any{"email": nil, "name": nil})), bare},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), test.token)
			if err != nil || got != test.want {
				t.Fatalf("got %+v, %v (%v); want %+v", got, err, errors.Unwrap(err), test.want)
			}
		})
	}
}

func TestVerifier_BadTokens(t *testing.T) {
	key, other := newRSAKey(t, "r1", 2048), newECKey(t, "e1")
	weak, encryption := newRSAKey(t, "weak", 1024), newECKey(t, "enc")
	encryption.Use = "enc"
	p := newProvider(t, key, weak, encryption)
	v := identity.NewVerifier(p.config(newClock().now))
	good := sign(t, key, p.claims())
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal("the good token:", err)
	}
	parts := strings.Split(good, ".")
	with := func(name string, value any) string { return sign(t, key, p.with(map[string]any{name: value})) }
	noID, stolenID, rs512, ps256 := key, other, key, key
	noID.KeyID, stolenID.KeyID, rs512.Algorithm, ps256.Algorithm = "", key.KeyID, "RS512", "PS256"
	for name, token := range map[string]string{
		"empty":                "",
		"dots":                 "..",
		"truncated":            good[:len(good)-10],
		"no_signature":         parts[0] + "." + parts[1] + ".",
		"two_parts":            parts[0] + "." + parts[1],
		"padded":               good + "=",
		"line_break":           parts[0] + ".\n" + parts[1] + "." + parts[2],
		"json_form":            `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"other_payload":        parts[0] + "." + strings.Split(with("sub", "u-2"), ".")[1] + "." + parts[2],
		"alg_none":             unsigned(t, p.claims()),
		"alg_none_with_key":    encode(t, map[string]any{"alg": "none", "kid": "r1"}) + "." + parts[1] + "." + parts[2],
		"hs256_public_key_der": sign(t, symmetric(t, key, false), p.claims()),
		"hs256_public_key_pem": sign(t, symmetric(t, key, true), p.claims()),
		"alg_not_in_discovery": sign(t, rs512, p.claims()),
		"alg_not_of_the_key":   sign(t, ps256, p.claims()),
		"other_key":            sign(t, other, p.claims()),
		"other_key_same_id":    sign(t, stolenID, p.claims()),
		"key_id_missing":       sign(t, noID, p.claims()),
		"weak_key":             sign(t, weak, p.claims()),
		"encryption_key":       sign(t, encryption, p.claims()),
		"huge":                 with("name", strings.Repeat("n", identity.MaxTokenBytes)),
		"wrong_aud":            with("aud", "someone-else"),
		"no_aud":               with("aud", nil),
		"wrong_iss":            with("iss", "https://login.example.com"),
		"iss_with_slash":       with("iss", p.URL+"/"),
		"no_iss":               with("iss", nil),
		"expired":              with("exp", now.Add(-31*time.Second).Unix()),
		"no_exp":               with("exp", nil),
		"exp_text":             with("exp", "tomorrow"),
		"exp_out_of_range":     with("exp", 1e300),
		"future_nbf":           with("nbf", now.Add(31*time.Second).Unix()),
		"no_sub":               with("sub", nil),
		"empty_sub":            with("sub", ""),
		"long_sub":             with("sub", strings.Repeat("s", 256)),
		"sub_number":           with("sub", 1),
		"sub_with_a_long_s":    with("\u017fub", "u-2"), // encoding/json takes it for "sub", and it comes last
		"logout_type":          signAs(t, key, p.claims(), "logout+jwt"),
		"logout_event":         with("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
		"payload_no_object":    sign(t, key, []string{"a"}),
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := v.Verify(t.Context(), token)
			if !errors.Is(err, identity.ErrInvalidToken) || claims != (identity.Claims{}) {
				t.Fatalf("got %+v, %v; want a refusal", claims, err)
			}
			want := "the token is not valid"
			if name == "expired" {
				want = "the token has expired"
			}
			if err.Error() != want {
				t.Errorf("the caller reads %q; want %q", err, want)
			}
		})
	}
	if n := p.fetches.Load(); n > 4 {
		t.Errorf("the bad tokens made %d fetches of the keys; want at most 4", n)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func unsigned(t *testing.T, claims any) string {
	return encode(t, map[string]any{"alg": "none", "typ": "JWT"}) + "." + encode(t, claims) + "."
}

// symmetric uses a public key as a secret, as an attacker can who has read the JWKS.
func symmetric(t *testing.T, key jose.JSONWebKey, asPEM bool) jose.JSONWebKey {
	t.Helper()
	secret, err := x509.MarshalPKIXPublicKey(&key.Key.(*rsa.PrivateKey).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if asPEM {
		secret = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: secret})
	}
	return jose.JSONWebKey{Key: secret, KeyID: key.KeyID, Algorithm: "HS256"}
}

func TestVerifier_HugeIsNotParsed(t *testing.T) {
	p := newProvider(t, newECKey(t, "e1"))
	v := identity.NewVerifier(p.config(nil))
	if _, err := v.Verify(t.Context(), strings.Repeat("a.", 5<<20)); !errors.Is(err, identity.ErrInvalidToken) {
		t.Fatal(err)
	}
	if p.discoveries.Load() != 0 {
		t.Error("the provider was asked")
	}
}

func TestVerifier_Rotation(t *testing.T) {
	first, second := newECKey(t, "e1"), newRSAKey(t, "r2", 2048)
	p := newProvider(t, first)
	clock := newClock()
	v := identity.NewVerifier(p.config(clock.now))
	old, fresh := sign(t, first, p.claims()), sign(t, second, p.claims())
	verify := func(token string) error { _, err := v.Verify(t.Context(), token); return err }
	if err := verify(old); err != nil {
		t.Fatal(err)
	}
	if err := verify(fresh); !errors.Is(err, identity.ErrInvalidToken) {
		t.Fatal("before the rotation:", err)
	}
	p.rotate(second)
	if err := verify(fresh); err != nil {
		t.Fatal("the new key at once:", err)
	}
	if err := verify(old); !errors.Is(err, identity.ErrInvalidToken) {
		t.Fatal("the withdrawn key:", err)
	}
}

// A key that the provider withdraws stops working without any token that names a new one.
func TestVerifier_WithdrawnKeyEnds(t *testing.T) {
	first, second := newECKey(t, "e1"), newECKey(t, "e2")
	p := newProvider(t, first)
	clock := newClock()
	v := identity.NewVerifier(p.config(clock.now))
	long := sign(t, first, p.with(map[string]any{"exp": now.AddDate(0, 0, 1).Unix()}))
	if _, err := v.Verify(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	p.rotate(second)
	clock.move(61 * time.Minute)
	if _, err := v.Verify(t.Context(), long); !errors.Is(err, identity.ErrInvalidToken) {
		t.Fatal("an hour after the key was withdrawn:", err)
	}
}

func TestVerifier_ProviderDownThenUp(t *testing.T) {
	key := newECKey(t, "e1")
	p := newProvider(t, key)
	p.down.Store(true)
	clock := newClock()
	v := identity.NewVerifier(p.config(clock.now))
	token := sign(t, key, p.claims())

	_, err := v.Verify(t.Context(), token)
	unavailable, ok := err.(interface{ Unavailable() bool })
	if !ok || !unavailable.Unavailable() || errors.Is(err, identity.ErrInvalidToken) {
		t.Fatalf("while down: %v; want an UnavailableError", err)
	}
	if strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the caller reads %q", err)
	}
	p.down.Store(false)
	if _, err := v.Verify(t.Context(), token); err == nil || p.discoveries.Load() != 0 {
		t.Fatal("asked again within the back-off:", err)
	}
	clock.move(31 * time.Second)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal("after the back-off:", err)
	}

	p.down.Store(true)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal("known keys need no provider:", err)
	}
	_, err = v.Verify(t.Context(), sign(t, newECKey(t, "unknown"), p.claims()))
	if _, ok := errors.AsType[*identity.UnavailableError](err); !ok {
		t.Fatalf("an unknown key while down: %v; want an UnavailableError", err)
	}
}

func TestVerifier_FailureIsLogged(t *testing.T) {
	p := newProvider(t, newECKey(t, "e1"))
	p.down.Store(true)
	logged := make(logLines, 10)
	cfg := p.config(nil)
	cfg.Log = slog.New(slog.NewJSONHandler(logged, nil))
	_, err := identity.NewVerifier(cfg).Verify(t.Context(), sign(t, newECKey(t, "e1"), p.claims()))
	if err == nil {
		t.Fatal("verified")
	}
	line := <-logged
	for _, want := range []string{`"issuer":"` + p.URL, `"document":"discovery"`, `"error":`, `"retry_after":`} {
		if !strings.Contains(line, want) {
			t.Errorf("log %s lacks %s", line, want)
		}
	}
}

type logLines chan string

func (l logLines) Write(b []byte) (int, error) { l <- string(b); return len(b), nil }

func TestVerifier_Concurrent(t *testing.T) {
	key := newECKey(t, "e1")
	p := newProvider(t, key)
	v := identity.NewVerifier(p.config(newClock().now))
	token := sign(t, key, p.claims())
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if d, f := p.discoveries.Load(), p.fetches.Load(); d != 1 || f != 1 {
		t.Errorf("%d discoveries and %d fetches of keys; want 1 and 1", d, f)
	}
}

func TestVerifier_BadDocuments(t *testing.T) {
	key := newECKey(t, "e1")
	for name, test := range map[string]struct {
		document map[string]any
		jwks     string
	}{
		"other_issuer":       {document: map[string]any{"issuer": "https://login.example.com"}},
		"only_symmetric":     {document: map[string]any{"id_token_signing_alg_values_supported": []string{"HS256", "none"}}},
		"no_algorithms":      {document: map[string]any{"id_token_signing_alg_values_supported": nil}},
		"keys_by_plain_http": {document: map[string]any{"jwks_uri": "http://login.example.com/keys"}},
		"keys_in_a_file":     {document: map[string]any{"jwks_uri": "file:///etc/passwd"}},
		"no_keys":            {jwks: `{"keys":[]}`},
		"symmetric_key":      {jwks: `{"keys":[{"kty":"oct","kid":"e1","k":"c2VjcmV0"}]}`},
		"no_json":            {jwks: `<html>`},
		"endless":            {jwks: `{"keys":[` + encodeKey(t, key) + strings.Repeat(" ", 2<<20) + `]}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, key)
			p.document = test.document
			if test.jwks != "" {
				p.jwks = []byte(test.jwks)
			}
			cfg := p.config(newClock().now)
			cfg.HTTPClient = &http.Client{Transport: onlyTo{t, p.Listener.Addr().String()}}
			_, err := identity.NewVerifier(cfg).Verify(t.Context(), sign(t, key, p.claims()))
			if _, ok := errors.AsType[*identity.UnavailableError](err); !ok {
				t.Fatalf("got %v; want an UnavailableError", err)
			}
		})
	}
}

// onlyTo fails the test when anyone but the provider is asked.
type onlyTo struct {
	t    *testing.T
	host string
}

func (o onlyTo) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != o.host {
		o.t.Errorf("%s was asked", r.URL)
		return nil, errors.New("another host")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func encodeKey(t *testing.T, key jose.JSONWebKey) string {
	t.Helper()
	text, err := key.Public().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A bad signature under a known key id says nothing about new keys: whoever sends many does not reach the provider.
func TestVerifier_BadSignatureAsksNobody(t *testing.T) {
	key, forged := newECKey(t, "e1"), newECKey(t, "e1")
	p := newProvider(t, key)
	v := identity.NewVerifier(p.config(newClock().now))
	for range 5 {
		if _, err := v.Verify(t.Context(), sign(t, forged, p.claims())); !errors.Is(err, identity.ErrInvalidToken) {
			t.Fatal(err)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches; want 1", n)
	}
}

// Without a key id nothing says which key to look for, so the provider is not asked for newer ones either.
func TestVerifier_NoKeyID(t *testing.T) {
	key := newECKey(t, "e1")
	p := newProvider(t, key)
	v := identity.NewVerifier(p.config(newClock().now))
	key.KeyID = ""
	if _, err := v.Verify(t.Context(), sign(t, key, p.claims())); !errors.Is(err, identity.ErrInvalidToken) || p.fetches.Load() != 0 {
		t.Fatalf("%v after %d fetches", err, p.fetches.Load())
	}
}

// Documents that lie elsewhere than the issuer says still have to be that issuer's.
func TestVerifier_DiscoveryURL(t *testing.T) {
	const issuer = "https://login.example.com"
	key := newECKey(t, "e1")
	p := newProvider(t, key)
	claims := p.with(map[string]any{"iss": issuer})
	for _, suffix := range []string{"", "/.well-known/openid-configuration"} {
		cfg := p.config(newClock().now)
		cfg.Issuer, cfg.DiscoveryURL = issuer, p.URL+suffix
		if _, err := identity.NewVerifier(cfg).Verify(t.Context(), sign(t, key, claims)); err == nil {
			t.Fatal("the document of another issuer was used")
		}
		p.document = map[string]any{"issuer": issuer}
		got, err := identity.NewVerifier(cfg).Verify(t.Context(), sign(t, key, claims))
		if err != nil || got.Issuer != issuer {
			t.Fatalf("got %+v, %v", got, err)
		}
		p.document = nil
	}
}

func TestVerifier_RedirectToPlainHTTP(t *testing.T) {
	key := newECKey(t, "e1")
	p := newProvider(t, key)
	front := httptest.NewTLSServer(http.RedirectHandler(p.URL+"/.well-known/openid-configuration", http.StatusFound))
	t.Cleanup(front.Close)
	p.document = map[string]any{"issuer": front.URL}
	cfg := p.config(newClock().now)
	cfg.Issuer, cfg.HTTPClient = front.URL, front.Client()
	_, err := identity.NewVerifier(cfg).Verify(t.Context(), sign(t, key, p.with(map[string]any{"iss": front.URL})))
	if _, ok := errors.AsType[*identity.UnavailableError](err); !ok || p.discoveries.Load() != 0 {
		t.Fatalf("got %v, %d discoveries; want no way from https to http", err, p.discoveries.Load())
	}
}

func TestConfig_Validate(t *testing.T) {
	good := identity.Config{Issuer: "https://login.example.com/tenant", Audience: audience}
	for name, test := range map[string]struct {
		change func(*identity.Config)
		want   string
	}{
		"good":              {func(*identity.Config) {}, ""},
		"loopback":          {func(c *identity.Config) { c.Issuer = "http://127.0.0.1:5556/dex" }, ""},
		"localhost_name":    {func(c *identity.Config) { c.Issuer = "http://demo.steward.localhost" }, ""},
		"no_audience":       {func(c *identity.Config) { c.Audience = "" }, "audience"},
		"no_issuer":         {func(c *identity.Config) { c.Issuer = "" }, "URL"},
		"plain_http":        {func(c *identity.Config) { c.Issuer = "http://login.example.com" }, "https"},
		"query":             {func(c *identity.Config) { c.Issuer += "?a=b" }, "query"},
		"discovery_by_http": {func(c *identity.Config) { c.DiscoveryURL = "http://login.example.com" }, "https"},
		"leeway":            {func(c *identity.Config) { c.Leeway = 31 * time.Second }, "leeway"},
		"negative_leeway":   {func(c *identity.Config) { c.Leeway = -1 }, "leeway"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			test.change(&cfg)
			err := cfg.Validate()
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if _, ok := errors.AsType[*identity.ConfigError](err); !ok || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v; want a ConfigError about %s", err, test.want)
			}
			_, err = identity.NewVerifier(cfg).Verify(t.Context(), "a.b.c")
			if _, ok := errors.AsType[*identity.ConfigError](err); !ok {
				t.Errorf("Verify: %v; want the fault of the config", err)
			}
		})
	}
}

func TestVerifiers(t *testing.T) {
	keyA, keyB := newECKey(t, "e1"), newECKey(t, "e1")
	a, b := newProvider(t, keyA), newProvider(t, keyB)
	clock := newClock()
	vs, err := identity.NewVerifiers(a.config(clock.now), b.config(clock.now))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		*provider
		key, foreign jose.JSONWebKey
	}{{a, keyA, keyB}, {b, keyB, keyA}} {
		if got, err := vs.Verify(t.Context(), sign(t, p.key, p.claims())); err != nil || got.Issuer != p.URL {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := vs.Verify(t.Context(), sign(t, p.foreign, p.claims())); !errors.Is(err, identity.ErrInvalidToken) {
			t.Errorf("signed by the other issuer: %v", err)
		}
	}
	for name, token := range map[string]string{
		"unknown_issuer": sign(t, keyA, a.with(map[string]any{"iss": "https://login.example.com"})),
		"no_issuer":      sign(t, keyA, a.with(map[string]any{"iss": nil})),
		"issuer_number":  sign(t, keyA, a.with(map[string]any{"iss": 1})),
		"no_json":        "a.b.c",
		"bad_base64":     "a.b!.c",
		"huge":           strings.Repeat("a", identity.MaxTokenBytes+1),
	} {
		if _, err := vs.Verify(t.Context(), token); !errors.Is(err, identity.ErrInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := identity.NewVerifiers(a.config(nil), a.config(nil)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same issuer twice: %v", err)
	}
	if _, err := identity.NewVerifiers(identity.Config{Issuer: a.URL}); err == nil {
		t.Error("a config without audience was taken")
	}
	none, err := identity.NewVerifiers()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Verify(t.Context(), sign(t, keyA, a.claims())); !errors.Is(err, identity.ErrInvalidToken) {
		t.Errorf("without any issuer: %v", err)
	}
}
