package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// tables are what a change can write, but for the answers that are kept under idempotency keys, and the time at which a
// token was last used. Of the audit log the number of entries is enough: none can be edited.
var tables = map[string]string{
	"users": "*", "staff": "user_id || role", "accounts": "*", "contacts": "*", "service_accounts": "*", "links": "*", "audit_log": "count(*)",
	"authz_outbox": "*", "authz_generation": "*", "jobs": "*", "mails": "*",
	"api_tokens": "id, user_id, service_account_id, name, hash, scope, expires_at, revoked_at",
}

// Fingerprint returns a hash of everything that is written down; two that are equal mean that nothing was changed between.
func (p *Parts) Fingerprint() string {
	p.TB.Helper()
	h := sha256.New()
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintln(h, name)
		p.Query("SELECT "+tables[name]+" FROM "+name+" ORDER BY 1", func(values []any) { fmt.Fprintf(h, "%q\n", values) })
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Writes is a number that changes whenever anything is written, to the rows or to SpiceDB. It serves where Fingerprint
// takes too long.
func (p *Parts) Writes() string {
	p.TB.Helper()
	return fmt.Sprint(p.Count("PRAGMA data_version"), p.SpiceDB.Stats().Writes)
}

// Reset empties the rows, but for the audit log, which nobody can empty, and SpiceDB.
func (p *Parts) Reset(t TB) {
	p.TB = t
	t.Helper()
	for _, table := range []string{
		"mails", "job_files", "jobs", "idempotency_keys", "authz_outbox", "authz_generation", "links", "api_tokens", "contacts", "service_accounts", "accounts", "staff", "users",
	} {
		p.Exec("DELETE FROM " + table)
	}
	var all []relation.Update
	err := p.SpiceDB.Each(context.Background(), func(r relation.Relationship) error {
		all = append(all, relation.Update{Delete: true, Relationship: r})
		return nil
	})
	if err == nil {
		err = p.SpiceDB.Write(context.Background(), "", all)
	}
	if err == nil {
		err = p.Changes.BumpGlobal(context.Background())
	}
	if err != nil {
		t.Fatalf("empty SpiceDB: %v", err)
	}
}

// Query hands each row to fn, past the store.
func (p *Parts) Query(query string, fn func(values []any), args ...any) {
	p.TB.Helper()
	rows, err := p.SQL.Query(p.numbered(query), args...)
	if err != nil {
		p.TB.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		p.TB.Fatalf("%s: %v", query, err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			p.TB.Fatalf("%s: %v", query, err)
		}
		fn(values)
	}
	if err := rows.Err(); err != nil {
		p.TB.Fatalf("%s: %v", query, err)
	}
}

// numbered gives the placeholders of a query the names that PostgreSQL has for them.
func (p *Parts) numbered(query string) string {
	if !p.OnPostgres() {
		return query
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			fmt.Fprintf(&b, "$%d", i)
		}
		b.WriteString(part)
	}
	return b.String()
}

// Count returns the number that a query answers.
func (p *Parts) Count(query string, args ...any) int {
	p.TB.Helper()
	var n int
	if err := p.SQL.QueryRow(p.numbered(query), args...).Scan(&n); err != nil {
		p.TB.Fatalf("%s: %v", query, err)
	}
	return n
}

// Exec changes rows past the store.
func (p *Parts) Exec(query string, args ...any) {
	p.TB.Helper()
	if _, err := p.SQL.Exec(p.numbered(query), args...); err != nil {
		p.TB.Fatalf("%s: %v", query, err)
	}
}

// Reconciled fails the test unless SpiceDB holds exactly what the rows mean: every row, of everybody.
func (p *Parts) Reconciled() {
	p.TB.Helper()
	ctx := context.Background()
	err := p.DB.View(ctx, func(tx *store.Tx) error {
		missing, surplus, err := relation.Reconcile(ctx, p.meant(tx).Each, func(ctx context.Context, yield func(relation.Relationship) error) error {
			return p.SpiceDB.Each(ctx, yield)
		})
		if len(missing)+len(surplus) > 0 {
			p.TB.Errorf("SpiceDB is not what the rows mean: missing %q, surplus %q", missing, surplus)
		}
		return err
	})
	if err != nil {
		p.TB.Fatalf("reconcile: %v", err)
	}
}

func (p *Parts) meant(tx *store.Tx) relation.Rows {
	return relation.Rows{
		Accounts: func(ctx context.Context, yield func(domain.AccountID) error) error {
			return tx.EachAccount(ctx, func(a domain.Account) error { return yield(a.ID) })
		},
		Contacts: tx.EachContact,
		Staff: func(_ context.Context, yield func(relation.StaffMember) error) (err error) {
			p.Query("SELECT user_id, role FROM staff JOIN users ON id = user_id WHERE NOT disabled", func(v []any) {
				err = yield(relation.StaffMember{User: domain.UserID(text(v[0])), Role: domain.StaffRole(text(v[1]))})
			})
			return err
		},
		APITokens: func(_ context.Context, yield func(domain.APIToken) error) (err error) {
			p.Query("SELECT id, user_id, service_account_id, contact_id FROM api_tokens", func(v []any) {
				t := domain.APIToken{ID: domain.APITokenID(text(v[0])), ContactID: domain.ContactID(text(v[3]))}
				if t.Person = domain.UserPerson(domain.UserID(text(v[1]))); v[1] == nil {
					t.Person = domain.ServiceAccountPerson(domain.ServiceAccountID(text(v[2])))
				}
				err = yield(t)
			})
			return err
		},
		Jobs: func(_ context.Context, yield func(domain.Job) error) (err error) {
			p.Query("SELECT id, person_kind, person_id FROM jobs", func(v []any) {
				err = yield(domain.Job{ID: domain.JobID(text(v[0])), Person: domain.Person{Kind: domain.PersonKind(text(v[1])), ID: text(v[2])}})
			})
			return err
		},
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
