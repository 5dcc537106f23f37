package sqlite

import (
	"errors"
	"strings"
	"testing"

	"steward/internal/store"
)

// seed adds one row of each noun that the constraints below are tried on.
const seed = `
INSERT INTO users VALUES ('u', 'i', 's', '', '', 0, '', 0, 1), ('u2', 'i', 's2', '', '', 0, '', 0, 1);
INSERT INTO accounts VALUES ('a', 'A', 'a', '', '', '', 1, 1), ('b', 'B', 'b', '', '', '', 1, 1);
INSERT INTO service_accounts VALUES ('s', 'a', 'S', 0, 1);
INSERT INTO contacts VALUES ('c', 'a', '', '', '', '', 'e', 'e', '', '', 15, 0, 1, 'ACTIVE', 'u', NULL, NULL, 1, 1);
INSERT INTO contacts VALUES ('d', 'a', '', '', '', '', '', '', '', '', 16, 0, 0, 'ACTIVE', NULL, 's', NULL, 1, 1);
INSERT INTO links VALUES ('l', 'invitation', 'c', '', x'01', 1, 2, NULL, NULL);
INSERT INTO api_tokens VALUES ('t', 'u', NULL, NULL, NULL, '', x'01', '{}', '', '', 1, 2, NULL, NULL);
INSERT INTO audit_log VALUES ('e', 'a', 1, '', '', '', '', 'act', '', '', '', '', '', NULL, NULL);
INSERT INTO staff VALUES ('u', 'support');
INSERT INTO jobs VALUES ('j', '', 'QUEUED', 0, 0, '', '', '', '{}', '', '', '', 0, 0, '{}', NULL, 1, NULL, '', NULL);
INSERT INTO job_files VALUES ('j', 'f', x'00');
INSERT INTO authz_outbox (id, account_scopes, updates, operation, actor, created_at) VALUES ('o', '[]', '[]', '', '', 1);
INSERT INTO idempotency_keys VALUES ('x', 'k', '', x'00', '{}', 1);
`

// contact begins a statement that adds a contact.
const contact = "INSERT INTO contacts (id, account_id, first_name, last_name, name_key, sort_key, email, email_key, pending_email, phone, types, permissions, owner, state, user_id, service_account_id, created_at, updated_at) VALUES "

// refusals are statements that the database itself must refuse.
var refusals = []struct {
	query string
	want  error
}{
	{"UPDATE audit_log SET reason = 'x'", store.ErrRefused},
	{"UPDATE audit_log SET id = 'f' WHERE id = 'e'", store.ErrRefused},
	{"DELETE FROM audit_log", store.ErrRefused},
	{"INSERT OR REPLACE INTO audit_log VALUES ('e', 'a', 9, '', '', '', '', 'other', '', '', '', '', '', NULL, NULL)", store.ErrRefused},
	{"INSERT INTO audit_log VALUES ('e', 'a', 9, '', '', '', '', 'other', '', '', '', '', '', NULL, NULL) ON CONFLICT (id) DO UPDATE SET action = 'other'", store.ErrRefused},

	{"INSERT INTO accounts VALUES ('c', 'A', 'a', '', '', '', 1, 1)", store.ErrDuplicate},
	{"UPDATE accounts SET name_key = 'a' WHERE id = 'b'", store.ErrDuplicate},
	{"INSERT INTO accounts VALUES ('c', 'C', 'c', '', '', '', '2026-01-01', 1)", store.ErrRefused},
	{"DELETE FROM accounts WHERE id = 'a'", store.ErrReference},
	{"INSERT INTO users VALUES ('u3', 'i', 's', '', '', 0, '', 0, 1)", store.ErrDuplicate},
	{"INSERT INTO users VALUES ('u3', 'i', '', '', '', 0, '', 0, 1)", store.ErrRefused},
	{"UPDATE users SET disabled = 2", store.ErrRefused},
	{"DELETE FROM users WHERE id = 'u'", store.ErrReference},
	{"INSERT INTO staff VALUES ('u', 'support')", store.ErrDuplicate},
	{"INSERT INTO staff VALUES ('u', 'owner')", store.ErrRefused},

	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 0, 1, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', 'e', '', '', 0, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 1, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 2, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 4, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 8, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 0, 0, 'ACTIVE', 'u', NULL, 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 0, 0, 'ACTIVE', NULL, 's', 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'b', '', '', '', '', '', '', '', '', 0, 0, 0, 'ACTIVE', NULL, 's', 1, 1)", store.ErrDuplicate},
	{contact + "('n', 'x', '', '', '', '', '', '', '', '', 0, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrReference},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', -1, 0, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrRefused},
	{contact + "('n', 'a', '', '', '', '', '', '', '', '', 0, 65536, 0, 'ACTIVE', NULL, NULL, 1, 1)", store.ErrRefused},
	{"UPDATE contacts SET user_id = 'nobody' WHERE id = 'c'", store.ErrReference},
	{"UPDATE contacts SET user_id = 'u2' WHERE id = 'd'", store.ErrRefused},
	{"UPDATE contacts SET account_id = 'b' WHERE id = 'd'", store.ErrReference},
	{"UPDATE contacts SET types = types | 1 WHERE id = 'd'", store.ErrDuplicate},
	{"UPDATE contacts SET owner = NULL WHERE id = 'c'", store.ErrRefused},
	{"UPDATE contacts SET state = 'x' WHERE id = 'c'", store.ErrRefused},
	{"DELETE FROM service_accounts", store.ErrReference},

	{"INSERT INTO links VALUES ('m', 'invitation', 'c', '', x'01', 1, 2, NULL, NULL)", store.ErrDuplicate},
	{"INSERT INTO links VALUES ('m', 'invitation', 'x', '', x'02', 1, 2, NULL, NULL)", store.ErrReference},
	{"INSERT INTO links VALUES ('m', 'other', 'c', '', x'02', 1, 2, NULL, NULL)", store.ErrRefused},
	{"UPDATE api_tokens SET service_account_id = 's'", store.ErrRefused},
	{"UPDATE api_tokens SET user_id = NULL", store.ErrRefused},
	{"UPDATE api_tokens SET user_id = 'x'", store.ErrReference},
	{"UPDATE jobs SET state = 'x'", store.ErrRefused},
	{"INSERT INTO job_files VALUES ('x', 'f', x'00')", store.ErrReference},
	{"INSERT INTO job_files VALUES ('j', 'f', x'00')", store.ErrDuplicate},
	{"INSERT INTO authz_outbox (id, account_scopes, updates, operation, actor, created_at) VALUES ('o', '[]', '[]', '', '', 1)", store.ErrDuplicate},
	{"INSERT INTO idempotency_keys VALUES ('x', 'k', '', x'00', '{}', 1)", store.ErrDuplicate},
}

// TestSchemaRefuses goes around the Go code.
func TestSchemaRefuses(t *testing.T) {
	db, _ := raw(t)
	mustExec(t, db, seed)
	for _, test := range refusals {
		_, err := db.ExecContext(t.Context(), test.query)
		if err := (engine{}).Translate(err); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.query, err, test.want)
		}
	}
}

// TestPagesUseIndexes holds that a page of one list reads no more rows than it needs.
func TestPagesUseIndexes(t *testing.T) {
	db, _ := raw(t)
	for name, test := range map[string]struct{ query, index string }{
		"accounts by name":   {"SELECT id FROM accounts WHERE (name_key, id) > ('x', 'y') ORDER BY name_key ASC, id ASC LIMIT 9", "accounts_name"},
		"accounts by age":    {"SELECT id FROM accounts WHERE (created_at, id) < (1, 'y') ORDER BY created_at DESC, id DESC LIMIT 9", "accounts_created"},
		"contacts by name":   {"SELECT id FROM contacts WHERE account_id = 'a' AND (sort_key, id) > ('x', 'y') ORDER BY sort_key ASC, id ASC LIMIT 9", "contacts_by_name"},
		"contacts by age":    {"SELECT id FROM contacts WHERE account_id = 'a' ORDER BY created_at DESC, id DESC LIMIT 9", "contacts_by_age"},
		"audit log":          {"SELECT id FROM audit_log WHERE account_id = 'a' AND (at, id) < (1, 'y') ORDER BY at DESC, id DESC LIMIT 9", "audit_log_of_account"},
		"pending changes":    {"SELECT * FROM authz_outbox WHERE applied_at IS NULL ORDER BY seq LIMIT 9", "authz_outbox_pending"},
		"due mails":          {"SELECT * FROM mails WHERE sent_at IS NULL AND next_try <= 9 ORDER BY next_try, id LIMIT 9", "mails_due"},
		"queued jobs":        {"SELECT * FROM jobs WHERE state = 'QUEUED' ORDER BY created_at, id LIMIT 1", "jobs_by_state"},
		"contacts of a user": {"SELECT id FROM contacts WHERE user_id = 'u'", "contacts_of_user"},
		"contact by e-mail":  {"SELECT id FROM contacts WHERE account_id = 'a' AND email_key = 'x' AND email_key <> ''", "contacts_email"},
	} {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+test.query)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(plan, "; "); !strings.Contains(all, test.index) || strings.Contains(all, "TEMP B-TREE") {
			t.Errorf("%s: the plan is %q, want %s and no sorting", name, all, test.index)
		}
	}
}
