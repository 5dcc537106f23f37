package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"steward/graph/generated"
	"steward/internal/app"
	"steward/internal/authz"
	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/httpserver"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/testing/servers"
	"steward/resolvers"
)

// rows are the contacts on the page.
const rows = 100

// site is one set of parts with the page's data, and servers that answer the page in each way.
type site struct {
	app.Parts
	name     string
	policy   *authz.Policy
	owner    domain.Actor
	account  domain.AccountID
	manager  domain.Actor // who holds contact management alone, as the contact managed
	managed  domain.ContactID
	query    []byte
	ours     string // URL
	floor    string
	naive    string
	noMemory string // ours without memory of its own; "" embedded
	second   string // another replica; "" embedded
	asked    []authz.Question
	chilled  bool
	closers  []func() error
}

func (s *site) close(err *error) {
	for i := len(s.closers) - 1; i >= 0; i-- {
		*err = errors.Join(*err, s.closers[i]())
	}
}

func openEmbedded(ctx context.Context, dir string) (*site, error) {
	s := &site{name: "embedded"}
	return s, s.open(ctx, config.Config{Data: dir + "/data"})
}

// openServers starts PostgreSQL and Redis, and two replicas with SpiceDB in process.
func openServers(ctx context.Context, dir string) (_ *site, err error) {
	s := &site{name: "PostgreSQL + Redis"}
	defer func() {
		if err != nil {
			s.close(&err)
		}
	}()
	cluster, err := servers.StartPostgres(ctx, dir+"/postgres", servers.PostgresOptions{})
	if err != nil {
		return s, err
	}
	s.closers = append(s.closers, func() error { return cluster.Stop(servers.Fast) })
	url, err := cluster.CreateDatabase(ctx, "bench", "")
	if err != nil {
		return s, err
	}
	redis, err := servers.StartRedis(ctx, dir+"/redis", servers.RedisOptions{})
	if err != nil {
		return s, err
	}
	s.closers = append(s.closers, redis.Stop)
	cfg := config.Config{Data: dir + "/none", DatabaseURL: url, RedisURL: redis.URL}
	if err := app.Migrate(ctx, cfg, quiet()); err != nil {
		return s, err
	}
	if err := s.open(ctx, cfg); err != nil {
		return s, err
	}
	if s.second, err = s.again(ctx, cfg); err != nil {
		return s, err
	}
	cfg.CheckCacheBytes = 1 // which is room for nothing
	s.noMemory, err = s.again(ctx, cfg)
	return s, err
}

// again starts one more replica and returns where it answers.
func (s *site) again(ctx context.Context, cfg config.Config) (string, error) {
	a, err := start(ctx, cfg)
	if err != nil {
		return "", err
	}
	s.closers = append(s.closers, a.Close)
	return s.serve(ctx, s.schema(a.Parts().Engine, nil), a.Parts().Engine)
}

// contacts are those on the page.
func (s *site) contacts(ctx context.Context) (page []domain.Contact, err error) {
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		q := store.ContactQuery{Order: store.Order{Field: store.OrderLastName}, Page: store.Page{Limit: rows}}
		got, err := tx.ContactsPage(ctx, []domain.AccountID{s.account}, q)
		page = got[s.account]
		return err
	})
	return page, err
}

func start(ctx context.Context, cfg config.Config) (*app.App, error) {
	cfg.Listen, cfg.MailsPerPerson, cfg.MailsPerAddress = "127.0.0.1:0", 1<<20, 1<<20
	cfg.SetDefaults()
	return app.New(ctx, cfg, app.Options{Out: io.Discard, Log: quiet(), Version: "bench"})
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (s *site) open(ctx context.Context, cfg config.Config) error {
	a, err := start(ctx, cfg)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, a.Close)
	s.Parts, s.policy = a.Parts(), a.Parts().Engine.Policy()
	if err := s.fill(ctx); err != nil {
		return fmt.Errorf("write the page's rows: %w", err)
	}
	s.query = s.page()
	if s.asked, err = s.questions(ctx); err != nil {
		return err
	}
	if s.ours, err = s.serve(ctx, s.schema(s.Engine, nil), s.Engine); err != nil {
		return err
	}
	perField := authz.New(authz.Options{
		Policy: s.policy, Checker: naive{s.SpiceDB, s.policy.AllPermissions()}, Live: s.SpiceDB, Loaders: resolvers.Loaders(s.DB, time.Now),
		Locate: s.Service.Locate, Viewed: s.Service.RecordViews, Repeats: s.Service.Repeats,
	})
	if s.naive, err = s.serve(ctx, s.schema(perField, nil), perField); err != nil {
		return err
	}
	s.floor, err = s.serve(ctx, s.schema(s.Engine, func(c *generated.Config) {
		c.Resolvers, c.Directives = floor{c.Resolvers, s.DB}, unguarded()
	}), nil)
	return err
}

func (s *site) schema(e *authz.Engine, change func(*generated.Config)) graphql.ExecutableSchema {
	c := resolvers.NewConfig(resolvers.Options{DB: s.DB, Engine: e, Service: s.Service, Log: quiet(), Version: "bench"})
	if change != nil {
		change(&c)
	}
	return generated.NewExecutableSchema(c)
}

// serve answers on a port of its own, as the owner. e is nil for the floor.
func (s *site) serve(ctx context.Context, schema graphql.ExecutableSchema, e *authz.Engine) (string, error) {
	deps := httpserver.Deps{
		Schema: schema, ErrorPresenter: resolvers.PresentError(quiet()), Log: quiet(),
		Authenticate: func(r *http.Request) (context.Context, error) {
			actor := s.owner
			if id := r.Header.Get("As"); id != "" {
				actor = domain.Actor{Person: domain.Person{Kind: domain.PersonUser, ID: id}}
			}
			return authz.WithActor(r.Context(), actor), nil
		},
	}
	if e != nil {
		deps.Extensions = []graphql.HandlerExtension{authz.Extension{Engine: e}}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server, err := httpserver.NewServer(httpserver.Config{PublicHosts: []string{listener.Addr().String()}}, deps)
	if err != nil {
		return "", err
	}
	go func() { _ = server.Serve(listener) }()
	s.closers = append(s.closers, server.Close)
	return "http://" + listener.Addr().String() + "/graphql", nil
}

// page asks for 100 contacts with every field of viewerCan.
func (s *site) page() []byte {
	var names []string
	for _, f := range generated.NewExecutableSchema(generated.Config{}).Schema().Types["ContactViewerCan"].Fields {
		names = append(names, f.Name)
	}
	b, _ := json.Marshal(map[string]any{
		"query": `query Page($id: ID!) { node(id: $id) { ... on Account { contacts(first: 100) { edges { node {
			id firstName lastName email phone viewerCan { ` + strings.Join(names, " ") + ` } } } } } } }`,
		"variables": map[string]any{"id": domain.GlobalID("Account", s.account)},
	})
	return b
}

// post sends a query and returns the answer, which must hold no error.
func post(ctx context.Context, url, as string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("As", as)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, out)
	}
	return out, err
}

// get is the page in one way; it must hold all rows.
func (s *site) get(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		out, err := post(ctx, url, "", s.query)
		if err == nil && (bytes.Count(out, []byte(`"viewerCan"`)) != rows || bytes.Contains(out, []byte(`"errors"`))) {
			err = fmt.Errorf("not the page: %.300s", out)
		}
		return err
	}
}

// fill writes ten accounts of 100 contacts, as people would. The owner of the first one and one of its contact managers
// have accepted their invitations.
func (s *site) fill(ctx context.Context) error {
	login := store.Login{Issuer: issuer, Subject: "staff", Email: "staff@bench.example", EmailVerified: true}
	if _, err := s.Service.SetStaff(ctx, login, domain.StaffAccounting, true); err != nil {
		return err
	}
	staff, err := s.Service.SignIn(ctx, login)
	if err != nil {
		return err
	}
	accounts, contacts := csv(10)
	job, err := s.Service.ImportNow(ctx, staff, service.ImportFiles{Accounts: accounts, Contacts: contacts, StaffRequest: request}, nil)
	if err == nil && len(job.Problems) > 0 {
		err = fmt.Errorf("import: %+v", job.Problems)
	}
	if err != nil {
		return err
	}
	if s.owner, _, err = s.accept(ctx, staff, "c0@b0.example"); err != nil {
		return err
	}
	s.manager, s.managed, err = s.accept(ctx, staff, "c3@b0.example")
	return err
}

const issuer = "https://bench.example"

var request = &service.StaffRequest{Reference: "BENCH-1", Reason: "The page that is measured."}

// accept signs somebody in and takes the invitation that was mailed to them.
func (s *site) accept(ctx context.Context, staff domain.Actor, email string) (domain.Actor, domain.ContactID, error) {
	actor, err := s.Service.SignIn(ctx, store.Login{Issuer: issuer, Subject: email, Email: email, EmailVerified: true})
	if err != nil {
		return actor, "", err
	}
	var contact domain.Contact
	err = s.DB.View(ctx, func(tx *store.Tx) error {
		a, err := tx.AccountByName(ctx, "Bench 0")
		if err != nil {
			return err
		}
		s.account = a.ID
		contact, err = tx.ContactByEmail(ctx, a.ID, email)
		return err
	})
	if err != nil {
		return actor, "", err
	}
	if _, err := s.Service.ResendInvitation(ctx, staff, contact.ID, service.ContactChange{StaffRequest: request}); err != nil {
		return actor, "", err
	}
	var mails []domain.Mail
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		mails, err = tx.MailsTo(ctx, email, 1)
		return err
	})
	if err != nil {
		return actor, "", err
	}
	_, link, _ := strings.Cut(mails[0].Text, "#invitation=")
	_, err = s.Service.AcceptInvitation(ctx, actor, strings.Fields(link)[0], "")
	return actor, contact.ID, err
}

// csv makes accounts of 100 contacts with all kinds of permissions.
func csv(accounts int) (a, c []byte) {
	held := []string{"Billing", "Support", "Support; Case management", "Contact management", "Billing; Renew contracts", ""}
	var companies, people strings.Builder
	companies.WriteString("Company\n")
	people.WriteString("Company,First Name,Last Name,E-Mail,Role,Permissions\n")
	for i := range accounts {
		fmt.Fprintf(&companies, "Bench %d\n", i)
		for n := range rows {
			role, permissions := "", held[n%len(held)]
			if n == 0 {
				role, permissions = "Account owner", ""
			}
			fmt.Fprintf(&people, "Bench %d,First%d,Last%03d,c%d@b%d.example,%s,%s\n", i, n, n, n, i, role, permissions)
		}
	}
	return []byte(companies.String()), []byte(people.String())
}
