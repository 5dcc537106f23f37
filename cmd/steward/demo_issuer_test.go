package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startIssuer runs `steward demo-issuer` on a free port until the test ends, and returns where it listens.
func startIssuer(t *testing.T, args ...string) string {
	t.Helper()
	cmd := program(t, append([]string{"demo-issuer", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the issuer ended with %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, url, ok := strings.Cut(strings.TrimSpace(line), " listens on ")
	if err != nil || !ok {
		t.Fatalf("the issuer says %q, %v", line, err)
	}
	return url
}

// tokenFrom signs a person in as the playground does.
func tokenFrom(t *testing.T, url, email string) string {
	t.Helper()
	res, err := http.Post(url+"/demo/token", "application/json", strings.NewReader(`{"email":"`+email+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Token, Error string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("no token for %s: %s, %s, %v", email, res.Status, answer.Error, err)
	}
	return answer.Token
}

// A server whose demo has its issuer elsewhere signs nobody in itself, starts on data that were written before, and takes
// the tokens of the issuer, and no others.
func TestServe_demoWithItsIssuerElsewhere(t *testing.T) {
	issuer, data := startIssuer(t, "--data", dataDir(t)), dataDir(t)
	told := []string{"--demo", "--data", data, "--oidc-issuer", "http://demo.steward.localhost", "--oidc-audience", "steward-demo", "--oidc-discovery-url", issuer + "/demo/oidc"}
	sentence(t, steward(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error"}, told...)...), 1, "steward migrate --demo")
	for range 2 { // the second time there is nothing to do
		if r := steward(t, "migrate", "--demo", "--data", data); r.code != 0 {
			t.Fatalf("migrate --demo: %+v", r)
		}
	}
	s := serve(t, told...)
	if status, _ := s.get("/demo/people"); status != http.StatusNotFound {
		t.Errorf("the server answers /demo/people with %d", status)
	}
	contains(t, "the owner's page", s.ask(tokenFrom(t, issuer, olivia), contactsQuery), `"name":"Alder & Finch Bakery"`, `"email":"adam.admin@alderfinch.example"`)
	contains(t, "a token of an issuer of its own", s.ask(demoToken(t, data, olivia), contactsQuery), `"code":"UNAUTHENTICATED"`)
	contains(t, "the mail that the demo shows", s.ask(tokenFrom(t, issuer, olivia), `{ viewer { mailbox { subject } } }`), "Alder & Finch Bakery")
	if s.interrupt() != 0 {
		t.Error("no clean end")
	}
	sentence(t, steward(t, "serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data", data), 1, "start with --demo")
}

func TestDemoIssuer_refusesToBeOpenByAccident(t *testing.T) {
	certificates, data := filepath.Join(t.TempDir(), "certificates"), dataDir(t)
	if r := steward(t, "demo-certificates", certificates, "demo-issuer"); r.code != 0 || !strings.Contains(r.out, certificates) {
		t.Fatalf("demo-certificates: %+v", r)
	}
	cert, key := filepath.Join(certificates, "demo-issuer.pem"), filepath.Join(certificates, "demo-issuer.key")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"every_address":      {[]string{"--listen", "0.0.0.0:0"}, "say --sign-in-anyone"},
		"every_address_tls":  {[]string{"--listen", "[::]:0", "--tls-cert", cert, "--tls-key", key}, "say --sign-in-anyone"},
		"anyone_without_tls": {[]string{"--listen", "0.0.0.0:0", "--sign-in-anyone"}, "needs --tls-cert and --tls-key"},
		"half_of_a_pair":     {[]string{"--tls-cert", cert}, "go together"},
		"a_pair_of_no_keys":  {[]string{"--tls-cert", cert, "--tls-key", cert}, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := program(t, append([]string{"demo-issuer", "--data", data}, c.args...)...)
			cmd.Env = append(cmd.Env, "STEWARD_SIGN_IN_ANYONE=true") // which is no setting: it is said on the command line or not at all
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("it says %q, %v; want %q", out, err, c.want)
			}
		})
	}
	url := startIssuer(t, "--data", data, "--sign-in-anyone", "--tls-cert", cert, "--tls-key", key)
	if r := steward(t, "healthcheck", "--url", url+"/readyz", "--ca", filepath.Join(certificates, "ca.pem")); r.code != 0 || r.out+r.err != "" {
		t.Errorf("healthcheck: %+v", r)
	}
	sentence(t, steward(t, "healthcheck", "--url", url+"/readyz"), 1, "certificate")
}

func TestHealthcheck(t *testing.T) {
	s := serve(t, "--demo", "--data", dataDir(t))
	addr := strings.TrimPrefix(s.url, "http://")
	if r := steward(t, "healthcheck", "--listen", addr); r.code != 0 || r.out+r.err != "" {
		t.Errorf("on a server that is ready: %+v", r)
	}
	s.kill()
	sentence(t, steward(t, "healthcheck", "--listen", addr), 1, "does not answer")
}
