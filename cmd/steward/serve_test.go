package main

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	olivia   = "olivia.owner@alderfinch.example"
	bill     = "bill.billing@alderfinch.example"
	stranger = "zack.stranger@elsewhere.example"
	ana      = "ana.accounting@steward.example"
)

// contactsQuery is what the playground's first example asks, in short.
const contactsQuery = `{ viewer { accounts { edges { node { id name contacts(first: 3) { edges { node { id lastName email } } } } } } } }`

func TestServe_demo(t *testing.T) {
	data := dataDir(t)
	s := serve(t, "--demo", "--data", data)
	for path, want := range map[string]string{
		"/healthz": `{"status":"ok"}`, "/readyz": `"status": "ok"`, "/schema.graphql": "type Viewer @signedIn", "/": "<html", "/demo/people": olivia,
	} {
		status, body := s.get(path)
		if status != http.StatusOK {
			t.Errorf("%s answers %d", path, status)
		}
		contains(t, path, body, want)
	}
	byOwner := s.as(data, olivia, contactsQuery)
	contains(t, "the owner's page", byOwner, `"name":"Alder & Finch Bakery"`, `"email":"adam.admin@alderfinch.example"`)
	if strings.Contains(byOwner, "errors") {
		t.Errorf("the owner is refused something: %s", byOwner)
	}
	byBilling := s.as(data, bill, contactsQuery)
	contains(t, "the page of a contact with billing only", byBilling, `"lastName":"Admin","email":null`, `"code":"FORBIDDEN"`, "view_contact_details")
	if strings.Contains(byBilling, "adam.admin@") {
		t.Errorf("a contact with billing only sees an address: %s", byBilling)
	}
	contains(t, "a stranger's page", s.as(data, stranger, contactsQuery), `{"accounts":{"edges":[]}}`)
	contains(t, "nobody's page", s.ask("", contactsQuery), `"viewer":null`, `"code":"UNAUTHENTICATED"`)
	contains(t, "an unknown token's answer", s.ask("abc", contactsQuery), `"code":"UNAUTHENTICATED"`)

	id := field(t, byOwner, "data", "viewer", "accounts", "edges", 0, "node", "id")
	s.as(data, olivia, `mutation { editAccount(input: {accountId: "`+id+`", phone: "+44 161 496 0999"}) { auditId } }`)
	made := s.as(data, olivia, `mutation { createApiToken(input: {name: "kept", expiresInDays: 7}) { secret } }`)
	secret := field(t, made, "data", "createApiToken", "secret")
	if code := s.interrupt(); code != 0 {
		t.Errorf("Ctrl-C gives exit code %d:\n%s", code, s.errOut)
	}

	s = serve(t, "--demo", "--data", data)
	phone := `{ viewer { accounts { edges { node { phone } } } } }`
	contains(t, "the second start", s.as(data, olivia, phone), "+44 161 496 0999")
	contains(t, "the second start, by the API token of the first", s.ask(secret, phone), "+44 161 496 0999")
	contains(t, "the list of tokens after the second start", s.as(data, olivia, `{ viewer { apiTokens { name } } }`), `"name":"kept"`)
	if strings.Contains(s.errOut.String(), "demo data written") {
		t.Error("the second start wrote the demo's data once more")
	}
	if r := steward(t, "reconcile", "--data", data); r.code != 0 || !strings.Contains(r.out, "exactly") {
		t.Errorf("reconcile on the running server says %+v", r)
	}
}

// TestServe_announcesWhoCanSignIn also holds that nobody's kind of caller is missing from the demo.
func TestServe_announcesWhoCanSignIn(t *testing.T) {
	data := dataDir(t)
	before := steward(t, "token", "--list", "--data", data) // before a server ever ran
	if before.code != 0 {
		t.Fatalf("token --list gives %+v", before)
	}
	contains(t, "token --list", before.out, `{"email":"`+olivia+`","is":"owner of Alder & Finch Bakery"}`,
		"ADMIN (", "CONTACT_MANAGEMENT only", "CASE_MANAGEMENT only", `SUPPORT only`, "BILLING only", "RENEW_CONTRACTS only", "UPGRADE_CONTRACTS only",
		"LICENSE_MANAGEMENT only", "ACCOUNT_ADMINISTRATOR", "BILLING_ONLY", "SUPPORT_ONLY", "BILLING_AND_SUPPORT", "without permissions", "deactivated",
		"another account", "two accounts", "staff: support", "staff: accounting", "stranger")
	token := demoToken(t, data, olivia)
	s := serve(t, "--demo", "--data", data)
	contains(t, "a token from before the first start", s.ask(token, `{ viewer { user { email } } }`), olivia)
	while := steward(t, "token", "--list", "--data", data)
	if while.out != before.out {
		t.Errorf("token --list says something else while the server runs:\n%s", while.out)
	}
	if r := steward(t, "token", "--data", data, "--email", "nobody@x.example"); r.code != 1 {
		t.Errorf("a token for nobody: %+v", r)
	}
	if s.interrupt() != 0 {
		t.Error("no clean end")
	}
}

func TestServe_secondServerOnOneDirectory(t *testing.T) {
	data := dataDir(t)
	s := serve(t, "--demo", "--data", data)
	sentence(t, steward(t, "serve", "--demo", "--listen", "127.0.0.1:0", "--data", data), 1, "in use by a running server")
	sentence(t, steward(t, "migrate", "--data", data), 1, "in use by a running server")
	files := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(files, []byte("Company\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sentence(t, steward(t, "import", "accounts", "--data", data, files, files), 1, "importAccounts")
	addr := strings.TrimPrefix(s.url, "http://")
	sentence(t, steward(t, "serve", "--listen", addr, "--data", dataDir(t)), 1, "another program listens on "+addr)
	s.kill() // leaves lock and socket behind
	s = serve(t, "--demo", "--data", data)
	if r := steward(t, "staff", "list", "--data", data); r.code != 0 || !strings.Contains(r.out, ana) {
		t.Errorf("staff list after a kill: %+v", r)
	}
}

func TestServe_refusesToStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("listne: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign, newer := dataDir(t), dataDir(t)
	if r := steward(t, "staff", "grant", "--data", foreign, "--issuer", "https://login.example.com", "--subject", "1", "--role", "support"); r.code != 0 {
		t.Fatalf("staff grant: %+v", r)
	}
	if r := steward(t, "migrate", "--data", newer); r.code != 0 {
		t.Fatalf("migrate: %+v", r)
	}
	execute(t, filepath.Join(newer, "steward.db"), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"demo_on_every_address": {[]string{"--demo", "--listen", "0.0.0.0:0", "--data", dataDir(t)}, "127.0.0.1, [::1] or localhost only"},
		"demo_on_ipv6_any":      {[]string{"--demo", "--listen", "[::]:0", "--data", dataDir(t)}, "127.0.0.1, [::1] or localhost only"},
		"demo_without_a_host":   {[]string{"--demo", "--listen", ":0", "--data", dataDir(t)}, "127.0.0.1, [::1] or localhost only"},
		"bad_address":           {[]string{"--listen", "nowhere", "--data", dataDir(t)}, "listen must be HOST:PORT"},
		"directory_is_a_file":   {[]string{"--data", file}, "the data directory " + file},
		"unknown_key":           {[]string{"--config", file}, `there is no setting "listne"`},
		"demo_on_real_data":     {[]string{"--demo", "--listen", "127.0.0.1:0", "--data", foreign}, "holds data of its own"},
		"newer_schema":          {[]string{"--listen", "127.0.0.1:0", "--data", newer}, "newer version of steward"},
	} {
		t.Run(name, func(t *testing.T) {
			sentence(t, steward(t, append([]string{"serve", "--log-level", "error"}, c.args...)...), 1, c.want)
		})
	}
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Ctrl-C comes while half of a request's body is still on its way.
func TestServe_finishesRequestsInFlight(t *testing.T) {
	data := dataDir(t)
	s := serve(t, "--demo", "--data", data)
	token := demoToken(t, data, olivia)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	body := `{"query":"{ viewer { user { email } } }"}`
	// "100 Continue" tells that the server has begun to read the body: the request is in flight.
	fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", token, len(body))
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server says %q, %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, body[:10]); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for refused := 0; refused < 200; { // until the server has heard of it, and has had time to cut the request off
		if c, err := net.Dial("tcp", conn.RemoteAddr().String()); err != nil {
			refused++
		} else {
			c.Close()
		}
	}
	if _, err := io.WriteString(conn, body[10:]); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("the request in flight got no answer: %v", err)
	}
	answer, _ := io.ReadAll(res.Body)
	contains(t, "the request in flight", string(answer), olivia)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, s.errOut)
	}
}

// A first start that was killed at any moment is finished by the next one.
func TestServe_interruptedFirstStart(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	data := dataDir(t)
	took := measureStart(t)
	for range 4 {
		cmd := program(t, "serve", "--demo", "--listen", "127.0.0.1:0", "--data", data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(took))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
	}
	s := serve(t, "--demo", "--data", data)
	everybody := s.as(data, ana, `{ viewer { accounts(first: 100) { totalCount edges { node { contacts(first: 100) { totalCount edges { node { email personKind state } } } } } } } }`)
	count := func(part string) int { return strings.Count(everybody, part) }
	// 400 contacts and the service account; Petra is two of the 17 who have a login.
	if count(`"state"`) != 401 || count(`"personKind":"USER"`) != 17 || count(`"personKind":"SERVICE_ACCOUNT"`) != 1 || count(`"state":"DEACTIVATED"`) != 1 {
		t.Errorf("there are %d contacts, %d with a login, %d programs, %d deactivated", count(`"state"`), count(`"personKind":"USER"`),
			count(`"personKind":"SERVICE_ACCOUNT"`), count(`"state":"DEACTIVATED"`))
	}
	contains(t, "the deactivated contact", everybody, `"email":"dave.deactivated@alderfinch.example","personKind":"USER","state":"DEACTIVATED"`)
	tokens := s.as(data, olivia, `{ viewer { accounts { edges { node { contacts(first: 100) { edges { node { apiTokens { name } } } } } } } } }`)
	if strings.Count(tokens, `"name":`) != 1 {
		t.Errorf("the service account should have one token: %s", tokens)
	}
	if r := steward(t, "reconcile", "--data", data); r.code != 0 {
		t.Errorf("reconcile: %+v", r)
	}
}

// measureStart returns how long a first start takes here, so that kills fall within one.
func measureStart(t *testing.T) time.Duration {
	t.Helper()
	begin := time.Now()
	serve(t, "--demo", "--data", dataDir(t)).kill()
	return time.Since(begin)
}
