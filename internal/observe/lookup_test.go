package observe_test

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"steward/internal/config"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// sparse adds so many accounts, and returns staff by a token for one of them alone: their list of accounts is looked up.
func sparse(t testing.TB, w *world.World, n int) world.Person {
	t.Helper()
	staff := w.As(t, world.StaffSupport)
	accounts := make([]domain.Account, n)
	var updates []relation.Update
	for i := range accounts {
		accounts[i] = domain.Account{ID: domain.NewID[domain.AccountID](), Name: fmt.Sprintf("Sparse %d", i), CreatedAt: time.Now(), UpdatedAt: time.Now()}
		for _, r := range relation.OfAccount(accounts[i].ID) {
			updates = append(updates, relation.Update{Relationship: r})
		}
	}
	token, err := w.Service.CreateAPIToken(t.Context(), w.Actor(t, staff), service.CreateToken{
		Name: "one account", ExpiresInDays: 1, Scope: domain.Scope{Accounts: []domain.AccountID{accounts[n-1].ID}},
	})
	err = errors.Join(err, w.SpiceDB.Write(t.Context(), "", updates), w.DB.Update(t.Context(), func(tx *store.Tx) error {
		for _, a := range accounts {
			if err := tx.InsertAccount(t.Context(), a); err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	staff.Token = token.Secret
	return staff
}

// A lookup of a list of which the caller sees little is a call that somebody waits for, as all others are.
func TestLookup(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // milliseconds until spans are sent
	r := newReceiver(t)
	w := world.New(t, world.WithConfig(func(c *config.Config) { c.OTLPEndpoint, c.MetricsListen = r.url, "127.0.0.1:0" }))
	w.Must(t, sparse(t, w, 250), `{ viewer { accounts(first: 100) { edges { node { id } } } } }`, nil)
	f := scrape(t, "http://"+w.App.MetricsAddr().String()+"/metrics")
	if n := value(t, f, "steward_backend_call_duration_seconds", "call=lookup"); n != 1 {
		t.Errorf("%v lookups, want 1", n)
	}
	for _, spans := range r.operations(t, 1) {
		for _, s := range spans {
			if s.GetName() == "operation" && !strings.Contains(tree(spans, s.GetSpanId()), "lookup") {
				t.Errorf("the operation has no span of the lookup: %s", tree(spans, s.GetSpanId()))
			}
		}
	}
}

// What the engine logs for a request has the request's id: an answer that is withheld, since the audit log is not written.
func TestLog_EngineNamesTheRequest(t *testing.T) {
	t.Parallel()
	var log lines
	w := world.New(t, world.WithLog(slog.NewJSONHandler(&log, nil)))
	a, staff := w.Account(t, world.Contact), w.As(t, world.StaffSupport)
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(w.Dir, "steward.db"))+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER silent BEFORE INSERT ON audit_log BEGIN SELECT RAISE(ABORT, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	if res := w.Do(t, staff, page, world.Vars{"id": a.ID}); res.Code() != string(domain.CodeUnavailable) {
		t.Errorf("staff got %q though nobody wrote down what they saw", res.Code())
	}
	withheld := 0
	for _, line := range log.parse(t) {
		if text, _ := line["msg"].(string); strings.HasPrefix(text, "answer withheld") {
			withheld++
			if id, _ := line["request_id"].(string); id == "" {
				t.Errorf("a line of no request: %v", line)
			}
		}
	}
	if withheld != 1 {
		t.Errorf("%d lines, want 1: %s", withheld, log.String())
	}
}
