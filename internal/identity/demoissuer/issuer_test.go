package demoissuer_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/identity"
	"steward/internal/identity/demoissuer"
)

var people = []demoissuer.Person{
	{Email: "olga@northwind.example", Name: "Olga Owner", Subject: "demo-1", Is: "owner of Northwind"},
	{Email: "Bo@northwind.example", Name: "Bo Billing", Subject: "demo-2", Is: "contact of Northwind with billing only"},
}

func open(t testing.TB, dir string) *demoissuer.Issuer {
	t.Helper()
	issuer, err := demoissuer.Open(dir, people)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

// serve mounts the issuer as the server does and gives its address, e.g. "127.0.0.1:40321".
func serve(t testing.TB, issuer *demoissuer.Issuer) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/demo/", issuer.Handler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestIssuer_TokenVerifies(t *testing.T) {
	dir := t.TempDir()
	issuer := open(t, dir)
	network := issuer.VerifierConfig()
	network.HTTPClient, network.DiscoveryURL = nil, "http://"+serve(t, issuer)+"/demo/oidc"
	for name, cfg := range map[string]identity.Config{"in_process": issuer.VerifierConfig(), "over_http": network} {
		t.Run(name, func(t *testing.T) {
			verifier := identity.NewVerifier(cfg)
			// Signed from the data directory alone, as a command does beside the running server.
			token, expires, err := open(t, dir).Token(" BO@northwind.example", 0)
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(expires); left > demoissuer.DefaultTTL || left < demoissuer.DefaultTTL-time.Minute {
				t.Errorf("valid for %s; want %s", left, demoissuer.DefaultTTL)
			}
			got, err := verifier.Verify(t.Context(), token)
			want := identity.Claims{Issuer: "http://demo.steward.localhost", Subject: "demo-2", Email: "Bo@northwind.example", EmailVerified: true, Name: "Bo Billing"}
			if err != nil || got != want {
				t.Fatalf("got %+v, %v; want %+v", got, err, want)
			}
			foreign, _, err := open(t, t.TempDir()).Token("olga@northwind.example", 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verifier.Verify(t.Context(), foreign); !errors.Is(err, identity.ErrInvalidToken) {
				t.Errorf("a token of another data directory: %v", err)
			}
		})
	}
}

func TestIssuer_TokenExpires(t *testing.T) {
	issuer := open(t, t.TempDir())
	token, expires, err := issuer.Token("olga@northwind.example", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	cfg := issuer.VerifierConfig()
	for _, test := range []struct {
		at time.Time
		ok bool
	}{{expires.Add(-time.Second), true}, {expires.Add(31 * time.Second), false}} {
		cfg.Now = func() time.Time { return test.at }
		if _, err := identity.NewVerifier(cfg).Verify(t.Context(), token); (err == nil) != test.ok {
			t.Errorf("%s after the expiry: %v", test.at.Sub(expires), err)
		}
	}
}

func TestIssuer_TokenRefused(t *testing.T) {
	issuer := open(t, t.TempDir())
	for _, email := range []string{"", "nobody@northwind.example", "olga@northwind.example\n.evil"} {
		if token, _, err := issuer.Token(email, 0); !errors.Is(err, demoissuer.ErrUnknownPerson) || token != "" {
			t.Errorf("%q: %q, %v", email, token, err)
		}
	}
	for _, ttl := range []time.Duration{-time.Hour, time.Millisecond, 25 * time.Hour} {
		if token, _, err := issuer.Token("olga@northwind.example", ttl); err == nil || token != "" {
			t.Errorf("valid for %s: %q", ttl, token)
		}
	}
}

func TestOpen_People(t *testing.T) {
	for name, faulty := range map[string][]demoissuer.Person{
		"no_email":     {{Subject: "a"}},
		"no_subject":   {{Email: "a@example.com"}},
		"same_email":   {{Email: "a@example.com", Subject: "a"}, {Email: "A@example.com", Subject: "b"}},
		"same_subject": {{Email: "a@example.com", Subject: "a"}, {Email: "b@example.com", Subject: "a"}},
	} {
		if _, err := demoissuer.Open(t.TempDir(), faulty); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	listed := open(t, t.TempDir()).People()
	if !slices.Equal(listed, people) {
		t.Errorf("people are %+v", listed)
	}
	line, err := json.Marshal(listed[0])
	if err != nil || string(line) != `{"email":"olga@northwind.example","is":"owner of Northwind"}` {
		t.Errorf("as JSON: %s, %v", line, err)
	}
}

func TestOpen_RestartKeepsTheKey(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	path := filepath.Join(dir, "demo", "issuer.key")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	token, _, err := first.Token("olga@northwind.example", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identity.NewVerifier(open(t, dir).VerifierConfig()).Verify(t.Context(), token); err != nil {
		t.Error("a token from before the restart:", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("the restart changed the key file")
	}
}

func TestOpen_TwoAtOnce(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		issuers := make([]*demoissuer.Issuer, 8)
		var wg sync.WaitGroup
		for n := range issuers {
			wg.Go(func() {
				issuer, err := demoissuer.Open(dir, people)
				if err != nil {
					t.Error(err)
				}
				issuers[n] = issuer
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		verifier := identity.NewVerifier(issuers[0].VerifierConfig())
		for _, issuer := range issuers {
			token, _, err := issuer.Token("olga@northwind.example", 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := verifier.Verify(t.Context(), token); err != nil {
				t.Fatal("two keys are in use:", err)
			}
		}
		if files, err := os.ReadDir(filepath.Join(dir, "demo")); err != nil || len(files) != 1 {
			t.Fatalf("%d files are left, %v; want the key alone", len(files), err)
		}
	}
}

func TestOpen_FaultyKeyFile(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"open_to_group": {func(path string) error { return os.Chmod(path, 0o640) }, "chmod 600"},
		"open_to_all":   {func(path string) error { return os.Chmod(path, 0o604) }, "chmod 600"},
		"empty":         {func(path string) error { return os.Truncate(path, 0) }, "no private key"},
		"torn":          {func(path string) error { return os.Truncate(path, 100) }, "no private key"},
		"text":          {func(path string) error { return os.WriteFile(path, []byte("secret"), 0o600) }, "no private key"},
		"other_content": {func(path string) error {
			return os.WriteFile(path, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
		}, "no readable private key"},
		"text_after": {func(path string) error {
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, append(text, "more"...), 0o600))
		}, "no private key"},
		"other_curve": {func(path string) error { return writeKey(path, elliptic.P384()) }, "P-256"},
		"folder":      {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "is not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			path := filepath.Join(dir, "demo", "issuer.key")
			if err := test.spoil(path); err != nil {
				t.Fatal(err)
			}
			issuer, err := demoissuer.Open(dir, people)
			if err == nil || issuer != nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v; want an error that names the file and says %q", err, test.want)
			}
		})
	}
}

func writeKey(path string, curve elliptic.Curve) error {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func TestCheckListen(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1:0": true, "[::1]:8080": true, "localhost:8080": true, "LOCALHOST:80": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "*:8080": false, "192.168.1.4:8080": false, "127.0.0.2:8080": false,
		"example.com:8080": false, "localhost.example.com:80": false, "localhost.:80": false, "steward:8080": false, "": false,
		"127.0.0.1": false, "8080": false, "[::ffff:127.0.0.1]:80": false, "[::1%lo]:80": false, "127.1:80": false,
	} {
		err := demoissuer.CheckListen(addr)
		if (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n;") {
			t.Errorf("%q: %q is not one sentence", addr, err)
		}
	}
}

type call struct {
	method, path, host, body string
	header                   map[string]string
}

// do sends the call to addr over HTTP and gives the status and the body.
func (c call) do(t testing.TB, addr string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+addr+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = c.host
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if cors := response.Header.Get("Access-Control-Allow-Origin"); cors != "" || response.Header.Get("Cache-Control") != "no-store" && response.StatusCode == http.StatusOK {
		t.Errorf("%s %s: headers %v", c.method, c.path, response.Header)
	}
	return response.StatusCode, string(body)
}

func tokenCall(changes ...func(*call)) call {
	c := call{method: http.MethodPost, path: "/demo/token", body: `{"email":"olga@northwind.example"}`, header: map[string]string{"Content-Type": "application/json"}}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func withHeader(name, value string) func(*call) { return func(c *call) { c.header[name] = value } }
func withBody(body string) func(*call)          { return func(c *call) { c.body = body } }
func withHost(host string) func(*call)          { return func(c *call) { c.host = host } }

func TestHandler_Token(t *testing.T) {
	issuer := open(t, t.TempDir())
	addr := serve(t, issuer)
	_, port, _ := net.SplitHostPort(addr)
	for name, test := range map[string]struct {
		call call
		want int
	}{
		"plain":                 {tokenCall(), 200},
		"charset":               {tokenCall(withHeader("Content-Type", "application/json; charset=utf-8")), 200},
		"own_page":              {tokenCall(withHeader("Origin", "http://"+addr), withHeader("Sec-Fetch-Site", "same-origin")), 200},
		"localhost":             {tokenCall(withHost("localhost:" + port)), 200},
		"localhost_no_port":     {tokenCall(withHost("localhost")), 200},
		"ipv6":                  {tokenCall(withHost("[::1]:" + port)), 200},
		"ipv6_no_port":          {tokenCall(withHost("[::1]")), 200},
		"unknown":               {tokenCall(withBody(`{"email":"nobody@northwind.example"}`)), 404},
		"empty_object":          {tokenCall(withBody(`{}`)), 404},
		"no_json":               {tokenCall(withBody(`email=a`)), 400},
		"text_after":            {tokenCall(withBody(`{"email":"olga@northwind.example"} x`)), 400},
		"other_field":           {tokenCall(withBody(`{"email":"olga@northwind.example","sub":"demo-2"}`)), 400},
		"huge":                  {tokenCall(withBody(`{"email":"` + strings.Repeat("a", 1<<20) + `"}`)), 400},
		"form":                  {tokenCall(withHeader("Content-Type", "application/x-www-form-urlencoded")), 415},
		"text_plain":            {tokenCall(withHeader("Content-Type", "text/plain")), 415},
		"no_type":               {tokenCall(withHeader("Content-Type", "")), 415},
		"get":                   {call{method: http.MethodGet, path: "/demo/token?email=olga@northwind.example"}, 405},
		"elsewhere":             {call{method: http.MethodGet, path: "/demo/"}, 404},
		"cross_site":            {tokenCall(withHeader("Sec-Fetch-Site", "cross-site")), 403},
		"other_port":            {tokenCall(withHeader("Sec-Fetch-Site", "same-site")), 403},
		"other_origin":          {tokenCall(withHeader("Origin", "http://evil.example")), 403},
		"other_port_origin":     {tokenCall(withHeader("Origin", "http://127.0.0.1:1")), 403},
		"sandboxed_page":        {tokenCall(withHeader("Origin", "null")), 403},
		"foreign_host":          {tokenCall(withHost("evil.example")), 403},
		"rebound_name":          {tokenCall(withHost("127.0.0.1.evil.example:" + port)), 403},
		"rebound_localhost":     {tokenCall(withHost("localhost.evil.example:" + port)), 403},
		"subdomain":             {tokenCall(withHost("demo.steward.localhost:" + port)), 403},
		"trailing_dot":          {tokenCall(withHost("localhost.:" + port)), 403},
		"any_address":           {tokenCall(withHost("0.0.0.0:" + port)), 403},
		"lan_address":           {tokenCall(withHost("192.168.1.4:" + port)), 403},
		"other_loopback":        {tokenCall(withHost("127.0.0.2:" + port)), 403},
		"ipv6_no_brackets":      {tokenCall(withHost("::1")), 403},
		"ipv6_port_no_brackets": {tokenCall(withHost("::1:" + port)), 403},
		"mapped":                {tokenCall(withHost("[::ffff:127.0.0.1]:" + port)), 403},
		"brackets_around_ipv4":  {tokenCall(withHost("[127.0.0.1]:" + port)), 403},
		"port_is_a_word":        {tokenCall(withHost("localhost:evil")), 403},
		"port_too_large":        {tokenCall(withHost("localhost:65536")), 403},
		"forwarded":             {tokenCall(withHeader("Forwarded", "for=10.0.0.1")), 403},
		"forwarded_empty":       {tokenCall(withHeader("Forwarded", "")), 403},
		"x_forwarded_for":       {tokenCall(withHeader("X-Forwarded-For", "127.0.0.1")), 403},
		"x_forwarded_host":      {tokenCall(withHeader("x-forwarded-host", "localhost")), 403},
		"x_forwarded_proto":     {tokenCall(withHeader("X-Forwarded-Proto", "https")), 403},
		"x_forwarded_something": {tokenCall(withHeader("X-Forwarded-Client-Cert", "x")), 403},
		"x_real_ip":             {tokenCall(withHeader("X-Real-IP", "127.0.0.1")), 403},
		"via":                   {tokenCall(withHeader("Via", "1.1 proxy")), 403},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := test.call.do(t, addr)
			if status != test.want {
				t.Fatalf("%d %s; want %d", status, body, test.want)
			}
			if (status == 200) != strings.Contains(body, "eyJ") {
				t.Fatalf("%d with body %s", status, body)
			}
		})
	}
}

func TestHandler_TokenAnswer(t *testing.T) {
	issuer := open(t, t.TempDir())
	_, body := tokenCall().do(t, serve(t, issuer))
	var answer struct {
		Token     string
		ExpiresAt time.Time
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	claims, err := identity.NewVerifier(issuer.VerifierConfig()).Verify(t.Context(), answer.Token)
	if err != nil || claims.Subject != "demo-1" || time.Until(answer.ExpiresAt) < 7*time.Hour {
		t.Fatalf("%s: %+v, %v", body, claims, err)
	}
}

// Reading needs no less: the list says whom one could sign in as, and keys from a foreign name could be replaced.
func TestHandler_Reads(t *testing.T) {
	issuer := open(t, t.TempDir())
	addr := serve(t, issuer)
	for path, want := range map[string]string{
		"/demo/people": `[{"email":"olga@northwind.example","is":"owner of Northwind"},{"email":"Bo@northwind.example","is":"contact of Northwind with billing only"}]`,
		"/demo/oidc/.well-known/openid-configuration": `"jwks_uri":"http://` + addr + `/demo/oidc/jwks"`,
		"/demo/oidc/jwks": `"kty":"EC"`,
	} {
		status, body := call{method: http.MethodGet, path: path}.do(t, addr)
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s; want %s", path, status, body, want)
		}
		if strings.Contains(body, `"d":`) {
			t.Errorf("%s shows the private key", path)
		}
		for _, refused := range []call{
			{host: "evil.example"},
			{header: map[string]string{"X-Forwarded-For": "10.0.0.1"}},
		} {
			refused.method, refused.path = http.MethodGet, path
			if status, body := refused.do(t, addr); status != 403 {
				t.Errorf("%s as %+v: %d %s", path, refused, status, body)
			}
		}
	}
}

func TestHandler_RemoteAddress(t *testing.T) {
	handler := open(t, t.TempDir()).Handler()
	for remote, want := range map[string]int{
		"127.0.0.1:4000": 200, "127.0.0.9:4000": 200, "[::1]:4000": 200, "[::ffff:127.0.0.1]:4000": 200,
		"192.168.1.4:4000": 403, "[fe80::1%eth0]:4000": 403, "8.8.8.8:1": 403, "@": 403, "": 403, "127.0.0.1": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/demo/people", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("from %q: %d; want %d", remote, w.Code, want)
		}
	}
}

func TestClient_ReachesNothingElse(t *testing.T) {
	client := open(t, t.TempDir()).Client()
	for _, c := range []struct{ method, url string }{
		{http.MethodPost, "http://localhost/demo/token"},
		{http.MethodGet, "http://localhost/demo/people"},
		{http.MethodGet, "http://localhost/"},
		{http.MethodPost, "http://localhost/demo/oidc/jwks"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(r); err == nil {
			response.Body.Close()
			t.Errorf("%s %s: %s", c.method, c.url, response.Status)
		}
	}
	response, err := client.Get("http://evil.example/demo/oidc/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 403 {
		t.Errorf("a foreign host: %s", response.Status)
	}
}
