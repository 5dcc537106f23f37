package failures_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"steward/internal/domain"
	"steward/internal/testing/servers"
)

// What a house has: accounts of one owner, and programs that are contacts of each account and may do nothing more yet.
const (
	accountsOfHouse    = 8
	programsOfAccount  = 3
	contactsOfAccounts = accountsOfHouse * (programsOfAccount + 1)
)

// house is who is there before a test begins. All of them sign in by API tokens.
type house struct {
	database string // the name of the database that those of sites are copies of
	owner    string // the token of who owns all accounts
	accounts []account
}

type account struct {
	id       string // the global id
	owner    string // the global id of the owner's contact
	programs []person
}

// person is a program that may be granted CONTACT_MANAGEMENT on its account.
type person struct {
	name    string
	token   string
	contact string // the global id
	is      string // the subject's id in SpiceDB
	account *account
}

// people are all programs, one of each account first.
func (h *house) people() (all []person) {
	for i := range programsOfAccount {
		for _, a := range h.accounts {
			all = append(all, a.programs[i])
		}
	}
	return all
}

var shared struct {
	sync.Mutex
	house *house
}

// sharedHouse returns the house that all sites on the shared cluster begin with. The first call makes it.
func sharedHouse(t *testing.T) *house {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.house != nil {
		return shared.house
	}
	const name = "failures_house"
	cluster := servers.Postgres(t).Cluster
	url, err := cluster.CreateDatabase(t.Context(), name, "")
	try(t, "create the house's database", err)
	s := &site{cluster: cluster, database: url}
	s.open(t, url)
	h := build(t, s)
	try(t, "stop SpiceDB", s.spicedb.Stop())
	h.database = name
	untilAlone(t, cluster, name)
	shared.house = h
	return h
}

// untilAlone waits until nobody is connected to a database, as it must be for a copy.
func untilAlone(t *testing.T, c *servers.Cluster, name string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.AdminURL("postgres"))
	try(t, "connect", err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	until(t, patience, "nobody uses the house's database", func() bool {
		n := -1
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name).Scan(&n)
		return err == nil && n == 0
	})
}

// build fills an empty site: `steward migrate`, somebody of the provider's who makes the accounts, and everything else
// through the API of a replica, which is killed at the end.
func build(t *testing.T, s *site) *house {
	t.Helper()
	login, err := openProvider()
	try(t, "open the provider", err)
	s.must(t, "migrate")
	s.must(t, "staff", "grant", "--issuer", login.url, "--subject", "staff@failures.example", "--role", "accounting")
	r := s.replica(t, "STEWARD_OIDC_ISSUER="+login.url, "STEWARD_OIDC_AUDIENCE="+audience)
	staff, err1 := login.token("staff@failures.example")
	owner, err2 := login.token(ownerMail)
	try(t, "sign in", errors.Join(err1, err2))
	h := &house{accounts: make([]account, accountsOfHouse)}
	for i := range h.accounts {
		s.account(t, r, staff, owner, i, &h.accounts[i])
	}
	made := r.do(t, owner, `mutation { createApiToken(input: {name: "tests"}) { secret } }`, nil)
	h.owner = made.text("createApiToken", "secret")
	r.kill(t)
	return h
}

const ownerMail = "owner@failures.example"

// account makes an account, whose owner accepts it, and its programs.
func (s *site) account(t *testing.T, r *replica, staff, owner string, i int, a *account) {
	t.Helper()
	made := r.do(t, staff, `mutation New($name: String!, $owner: String!) { createAccount(input: {
		name: $name, owner: {firstName: "Ada", lastName: "Owner", email: $owner}, staffRequest: {reference: "T-1", reason: "A test."}
	}) { account { id owner { id } } userErrors { message } } }`, vars{"name": fmt.Sprint("Account ", i), "owner": ownerMail})
	a.id, a.owner = made.text("createAccount", "account", "id"), made.text("createAccount", "account", "owner", "id")
	r.do(t, owner, `mutation Accept($token: String!) { acceptInvitation(input: {token: $token}) { contact { id } userErrors { message } } }`, vars{"token": s.invitation(t)})
	for n := range programsOfAccount {
		p := person{name: fmt.Sprintf("program %d of account %d", n, i), account: a}
		made := r.do(t, owner, `mutation New($account: ID!) { createServiceAccount(input: {accountId: $account, name: "program"}) { contact { id } userErrors { message } } }`,
			vars{"account": a.id})
		p.contact = made.text("createServiceAccount", "contact", "id")
		made = r.do(t, owner, `mutation New($contact: ID!) { createServiceAccountToken(input: {contactId: $contact, name: "tests"}) { secret userErrors { message } } }`,
			vars{"contact": p.contact})
		p.token = made.text("createServiceAccountToken", "secret")
		made = r.do(t, p.token, `{ viewer { serviceAccount { id } } }`, nil)
		_, p.is, _ = domain.ParseGlobalID(made.text("viewer", "serviceAccount", "id"))
		if p.token == "" || p.contact == "" || p.is == "" {
			t.Fatalf("%s was not made: %s", p.name, made.Body)
		}
		a.programs = append(a.programs, p)
	}
}

// invitation returns the secret that was mailed last.
func (s *site) invitation(t *testing.T) string {
	t.Helper()
	var text string
	s.scan(t, "SELECT text FROM mails ORDER BY created_at DESC, id DESC LIMIT 1", &text)
	_, rest, ok := strings.Cut(text, "#invitation=")
	if !ok {
		t.Fatalf("no invitation in %q", text)
	}
	return strings.Fields(rest)[0]
}

// scan reads one row of the database, past Steward.
func (s *site) scan(t *testing.T, query string, to ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.database)
	try(t, "connect", err)
	err = conn.QueryRow(t.Context(), query).Scan(to...)
	try(t, query, errors.Join(err, conn.Close(t.Context())))
}
