package postgres

import (
	"errors"
	"os"
	"strings"
	"testing"

	"steward/internal/store"
	"steward/internal/testing/servers"
)

// seed adds one row of each noun that the constraints below are tried on.
const seed = `
INSERT INTO users VALUES ('u', 'i', 's', '', '', false, '', false, 1), ('u2', 'i', 's2', '', '', false, '', false, 1);
INSERT INTO accounts VALUES ('a', 'A', 'a', '', '', '', 1, 1), ('b', 'B', 'b', '', '', '', 1, 1);
INSERT INTO service_accounts VALUES ('s', 'a', 'S', false, 1);
INSERT INTO contacts VALUES ('c', 'a', '', '', '', '', 'e', 'e', '', '', 15, 0, true, 'ACTIVE', 'u', NULL, NULL, 1, 1);
INSERT INTO contacts VALUES ('d', 'a', '', '', '', '', '', '', '', '', 16, 0, false, 'ACTIVE', NULL, 's', NULL, 1, 1);
INSERT INTO links VALUES ('l', 'invitation', 'c', '', '\x01', 1, 2, NULL, NULL);
INSERT INTO api_tokens VALUES ('t', 'u', NULL, NULL, NULL, '', '\x01', '{}', '', '', 1, 2, NULL, NULL);
INSERT INTO audit_log VALUES ('e', 'a', 1, '', '', '', '', 'act', '', '', '', '', '', NULL, NULL);
INSERT INTO staff VALUES ('u', 'support');
INSERT INTO jobs VALUES ('j', '', 'QUEUED', false, false, '', '', '', '{}', '', '', '', 0, 0, '{}', NULL, 1, NULL);
INSERT INTO job_files VALUES ('j', 'f', '\x00');
INSERT INTO authz_outbox (id, account_scopes, updates, operation, actor, created_at) VALUES ('o', '[]', '[]', '', '', 1);
INSERT INTO idempotency_keys VALUES ('x', 'k', '', '\x00', '{}', 1);
`

const contact = "INSERT INTO contacts (id, account_id, first_name, last_name, name_key, sort_key, email, email_key, pending_email, phone, types, permissions, owner, state, user_id, service_account_id, created_at, updated_at) VALUES "

// refusals are statements that the database itself must refuse, and the constraint that a duplicate names.
var refusals = []struct {
	query      string
	want       error
	constraint string
}{
	{"UPDATE audit_log SET reason = 'x'", store.ErrRefused, ""},
	{"DELETE FROM audit_log", store.ErrRefused, ""},
	{"TRUNCATE audit_log", store.ErrRefused, ""},
	{"INSERT INTO audit_log VALUES ('e', 'a', 9, '', '', '', '', 'other', '', '', '', '', '', NULL, NULL) ON CONFLICT (id) DO UPDATE SET action = 'other'", store.ErrRefused, ""},
	{"INSERT INTO audit_log VALUES ('e', 'a', 9, '', '', '', '', 'other', '', '', '', '', '', NULL, NULL)", store.ErrDuplicate, store.ConstraintID},

	{"INSERT INTO accounts VALUES ('c', 'A', 'a', '', '', '', 1, 1)", store.ErrDuplicate, store.ConstraintAccountName},
	{"UPDATE accounts SET name_key = 'a' WHERE id = 'b'", store.ErrDuplicate, store.ConstraintAccountName},
	{"INSERT INTO accounts VALUES ('c', 'C', 'c', '', '', '', '2026-01-01', 1)", store.ErrRefused, ""},
	{"INSERT INTO accounts VALUES ('a', 'C', 'c', '', '', '', 1, 1)", store.ErrDuplicate, store.ConstraintID},
	{"DELETE FROM accounts WHERE id = 'a'", store.ErrReference, ""},
	{"INSERT INTO users VALUES ('u3', 'i', 's', '', '', false, '', false, 1)", store.ErrDuplicate, store.ConstraintUserLogin},
	{"INSERT INTO users VALUES ('u3', 'i', '', '', '', false, '', false, 1)", store.ErrRefused, ""},
	{"DELETE FROM users WHERE id = 'u'", store.ErrReference, ""},
	{"INSERT INTO staff VALUES ('u', 'support')", store.ErrDuplicate, store.ConstraintID},
	{"INSERT INTO staff VALUES ('u', 'owner')", store.ErrRefused, ""},

	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 0, true, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate, store.ConstraintContactOwner},
	{contact + "('n', 'a', '', '', '', '', '', 'e', '', '', 0, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate, store.ConstraintContactEmail},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 1, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate, store.ConstraintPrimaryBusiness},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 2, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate, store.ConstraintPrimaryBilling},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 4, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate, store.ConstraintPrimaryRenewal},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 8, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate, store.ConstraintPrimaryTechnical},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 0, false, 'ACTIVE', 'u', NULL, 1, 1)", store.ErrDuplicate, store.ConstraintContactPerson},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 0, false, 'ACTIVE', NULL, 's', 1, 1)", store.ErrDuplicate, store.ConstraintContactPerson},
	{contact + "('n', 'x', '', '', '', '', '', '', '', '', 0, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrReference, ""},
	{contact + "('n', 'b', '', '', '', '', '', '', '', '', -1, 0, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrRefused, ""},
	{contact + "('n', 'b', '', '', '', '', '', '', '', '', 0, 65536, false, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrRefused, ""},
	{"UPDATE contacts SET user_id = 'u2' WHERE id = 'd'", store.ErrRefused, ""},
	{"UPDATE contacts SET account_id = 'b' WHERE id = 'd'", store.ErrReference, ""},
	{"UPDATE contacts SET owner = NULL WHERE id = 'c'", store.ErrRefused, ""},
	{"UPDATE contacts SET state = 'x' WHERE id = 'c'", store.ErrRefused, ""},
	{"DELETE FROM service_accounts", store.ErrReference, ""},

	{"INSERT INTO links VALUES ('m', 'invitation', 'c', '', '\\x01', 1, 2, NULL, NULL)", store.ErrDuplicate, store.ConstraintLinkHash},
	{"INSERT INTO links VALUES ('m', 'other', 'c', '', '\\x02', 1, 2, NULL, NULL)", store.ErrRefused, ""},
	{"UPDATE api_tokens SET service_account_id = 's'", store.ErrRefused, ""},
	{"UPDATE jobs SET state = 'x'", store.ErrRefused, ""},
	{"INSERT INTO job_files VALUES ('x', 'f', '\\x00')", store.ErrReference, ""},
	{"INSERT INTO authz_outbox (id, account_scopes, updates, operation, actor, created_at) VALUES ('o', '[]', '[]', '', '', 1)", store.ErrDuplicate, store.ConstraintID},
	{"INSERT INTO idempotency_keys VALUES ('x', 'k', '', '\\x00', '{}', 1)", store.ErrDuplicate, store.ConstraintIdempotencyKey},
	{"INSERT INTO meta VALUES (E'a\\x00b', '')", store.ErrRefused, ""},
}

// TestSchemaRefuses goes around the Go code.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t).URL
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	conn := admin(t, url)
	mustExec(t, conn, seed)
	for _, test := range refusals {
		_, err := conn.Exec(t.Context(), test.query)
		err = translate(err)
		if dup, _ := errors.AsType[*store.DuplicateError](err); !errors.Is(err, test.want) || dup != nil && dup.Constraint != test.constraint {
			t.Errorf("%s: got %v, want %v %s", test.query, err, test.want, test.constraint)
		}
	}
}

// TestSchema_sameOnBothEngines compares the tables' columns, and the indexes, by name and order.
func TestSchema_sameOnBothEngines(t *testing.T) {
	names := func(text string) (out []string) {
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			switch {
			case len(f) > 2 && f[0] == "CREATE" && (f[1] == "TABLE" || f[1] == "INDEX" || f[1] == "UNIQUE"):
				out = append(out, strings.Join(f[:min(len(f), 12)], " "))
			case len(f) > 1 && strings.HasPrefix(line, "  ") && strings.ToLower(f[0]) == f[0]:
				out = append(out, f[0])
			case len(f) > 5 && f[0] == "ALTER":
				out = append(out, strings.Join(f[:6], " "))
			}
		}
		return out
	}
	files, err := os.ReadDir("../migrations/sqlite")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		one, err1 := os.ReadFile("../migrations/sqlite/" + f.Name())
		two, err2 := os.ReadFile("../migrations/postgres/" + f.Name())
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		a, b := names(strings.ReplaceAll(string(one), "WHERE owner = 1", "WHERE owner")), names(string(two))
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || strings.TrimSuffix(a[i], ";") != strings.TrimSuffix(b[i], ";") {
				t.Fatalf("%s: SQLite has %q, PostgreSQL %q", f.Name(), a[i:min(i+1, len(a))], b[i:min(i+1, len(b))])
			}
		}
	}
}

// TestSchema_bytesDecide holds that no text of the schema is compared as the database's locale would.
func TestSchema_bytesDecide(t *testing.T) {
	t.Parallel()
	url := servers.Postgres(t).URL
	if err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	var odd string
	err := admin(t, url).QueryRow(t.Context(), "SELECT coalesce(string_agg(table_name || '.' || column_name, ' '), '') FROM information_schema.columns "+
		"WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'").Scan(&odd)
	if err != nil || odd != "" {
		t.Errorf("not COLLATE \"C\": %s (%v)", odd, err)
	}
}
