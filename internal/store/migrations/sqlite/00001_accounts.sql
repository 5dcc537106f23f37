-- Times are milliseconds since 1970 in UTC, bit masks and booleans are integers, lists and maps are JSON text.
-- The *_key columns hold text as it is compared: case folded, spaces collapsed, Unicode NFC.

-- +goose Up

CREATE TABLE meta (
  key   TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE users (
  id             TEXT    NOT NULL PRIMARY KEY,
  issuer         TEXT    NOT NULL CHECK (issuer <> ''),
  subject        TEXT    NOT NULL CHECK (subject <> ''),
  email          TEXT    NOT NULL,
  email_key      TEXT    NOT NULL,
  email_verified INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
  name           TEXT    NOT NULL,
  disabled       INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  created_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_login ON users (issuer, subject);
CREATE INDEX users_email ON users (email_key);

CREATE TABLE staff (
  user_id TEXT NOT NULL REFERENCES users (id),
  role    TEXT NOT NULL CHECK (role IN ('support', 'accounting')),
  PRIMARY KEY (user_id, role)
) STRICT;

CREATE TABLE accounts (
  id         TEXT    NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  name_key   TEXT    NOT NULL CHECK (name_key <> ''),
  website    TEXT    NOT NULL,
  phone      TEXT    NOT NULL,
  address    TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX accounts_name ON accounts (name_key);
CREATE INDEX accounts_created ON accounts (created_at, id);

CREATE TABLE service_accounts (
  id         TEXT    NOT NULL PRIMARY KEY,
  account_id TEXT    NOT NULL REFERENCES accounts (id),
  name       TEXT    NOT NULL,
  disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  UNIQUE (account_id, id)
) STRICT;

-- A service account is a contact of its own account only. An owner is never a service account.
CREATE TABLE contacts (
  id                 TEXT    NOT NULL PRIMARY KEY,
  account_id         TEXT    NOT NULL REFERENCES accounts (id),
  first_name         TEXT    NOT NULL,
  last_name          TEXT    NOT NULL,
  name_key           TEXT    NOT NULL,
  sort_key           TEXT    NOT NULL,
  email              TEXT    NOT NULL,
  email_key          TEXT    NOT NULL,
  pending_email      TEXT    NOT NULL,
  phone              TEXT    NOT NULL,
  types              INTEGER NOT NULL CHECK (types BETWEEN 0 AND 65535),
  permissions        INTEGER NOT NULL CHECK (permissions BETWEEN 0 AND 65535),
  owner              INTEGER NOT NULL CHECK (owner IN (0, 1)),
  state              TEXT    NOT NULL CHECK (state IN ('ACTIVE', 'DEACTIVATED')),
  user_id            TEXT    REFERENCES users (id),
  service_account_id TEXT,
  opt_outs           TEXT,
  created_at         INTEGER NOT NULL,
  updated_at         INTEGER NOT NULL,
  FOREIGN KEY (account_id, service_account_id) REFERENCES service_accounts (account_id, id),
  CHECK (user_id IS NULL OR service_account_id IS NULL),
  CHECK (owner = 0 OR service_account_id IS NULL)
) STRICT;
CREATE UNIQUE INDEX contacts_owner ON contacts (account_id) WHERE owner = 1;
CREATE UNIQUE INDEX contacts_email ON contacts (account_id, email_key) WHERE email_key <> '';
CREATE UNIQUE INDEX contacts_user ON contacts (account_id, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX contacts_service_account ON contacts (service_account_id) WHERE service_account_id IS NOT NULL;
CREATE UNIQUE INDEX contacts_primary_business ON contacts (account_id) WHERE (types & 1) <> 0;
CREATE UNIQUE INDEX contacts_primary_billing ON contacts (account_id) WHERE (types & 2) <> 0;
CREATE UNIQUE INDEX contacts_primary_renewal ON contacts (account_id) WHERE (types & 4) <> 0;
CREATE UNIQUE INDEX contacts_primary_technical ON contacts (account_id) WHERE (types & 8) <> 0;
CREATE INDEX contacts_of_user ON contacts (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX contacts_by_name ON contacts (account_id, sort_key, id);
CREATE INDEX contacts_by_age ON contacts (account_id, created_at, id);

CREATE TABLE links (
  id         TEXT    NOT NULL PRIMARY KEY,
  kind       TEXT    NOT NULL CHECK (kind IN ('invitation', 'confirm_email')),
  contact_id TEXT    NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
  email      TEXT    NOT NULL,
  hash       BLOB    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER,
  voided_at  INTEGER
) STRICT;
CREATE UNIQUE INDEX links_hash ON links (hash);
CREATE INDEX links_of_contact ON links (contact_id, created_at);

CREATE TABLE api_tokens (
  id                 TEXT    NOT NULL PRIMARY KEY,
  user_id            TEXT    REFERENCES users (id),
  service_account_id TEXT    REFERENCES service_accounts (id) ON DELETE CASCADE,
  account_id         TEXT    REFERENCES accounts (id),
  contact_id         TEXT    REFERENCES contacts (id) ON DELETE CASCADE,
  name               TEXT    NOT NULL,
  hash               BLOB    NOT NULL,
  scope              TEXT    NOT NULL,
  created_by_kind    TEXT    NOT NULL,
  created_by_id      TEXT    NOT NULL,
  created_at         INTEGER NOT NULL,
  expires_at         INTEGER NOT NULL,
  last_used_at       INTEGER,
  revoked_at         INTEGER,
  CHECK ((user_id IS NULL) <> (service_account_id IS NULL))
) STRICT;
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX api_tokens_of_service_account ON api_tokens (service_account_id, created_at) WHERE service_account_id IS NOT NULL;
CREATE INDEX api_tokens_of_contact ON api_tokens (contact_id, created_at) WHERE contact_id IS NOT NULL;

-- WITHOUT ROWID leaves the id as the only key, so that the insert trigger below sees every way to replace a row.
CREATE TABLE audit_log (
  id          TEXT    NOT NULL PRIMARY KEY,
  account_id  TEXT    NOT NULL,
  at          INTEGER NOT NULL,
  actor_kind  TEXT    NOT NULL,
  actor_id    TEXT    NOT NULL,
  actor_name  TEXT    NOT NULL,
  token_id    TEXT    NOT NULL,
  action      TEXT    NOT NULL CHECK (action <> ''),
  target_kind TEXT    NOT NULL,
  target_id   TEXT    NOT NULL,
  target_name TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  request     TEXT    NOT NULL,
  before      TEXT,
  after       TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_log_of_account ON audit_log (account_id, at, id);

-- +goose StatementBegin
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append only');
END;
-- +goose StatementEnd
-- INSERT OR REPLACE deletes without calling the delete trigger.
-- +goose StatementBegin
CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log
WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is append only');
END;
-- +goose StatementEnd

CREATE TABLE authz_generation (
  scope      TEXT NOT NULL PRIMARY KEY,
  generation TEXT NOT NULL
) STRICT;

CREATE TABLE authz_outbox (
  seq            INTEGER PRIMARY KEY,
  id             TEXT    NOT NULL,
  account_scopes TEXT    NOT NULL,
  updates        TEXT    NOT NULL,
  operation      TEXT    NOT NULL,
  actor          TEXT    NOT NULL,
  created_at     INTEGER NOT NULL,
  applied_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX authz_outbox_id ON authz_outbox (id);
CREATE INDEX authz_outbox_pending ON authz_outbox (seq) WHERE applied_at IS NULL;
CREATE INDEX authz_outbox_applied ON authz_outbox (applied_at) WHERE applied_at IS NOT NULL;

CREATE TABLE idempotency_keys (
  actor      TEXT    NOT NULL,
  key        TEXT    NOT NULL,
  operation  TEXT    NOT NULL,
  input_hash BLOB    NOT NULL,
  result     TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE jobs (
  id          TEXT    NOT NULL PRIMARY KEY,
  kind        TEXT    NOT NULL,
  state       TEXT    NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'DONE', 'FAILED')),
  dry_run     INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
  invite      INTEGER NOT NULL CHECK (invite IN (0, 1)),
  person_kind TEXT    NOT NULL,
  person_id   TEXT    NOT NULL,
  actor_name  TEXT    NOT NULL,
  scope       TEXT    NOT NULL,
  token_id    TEXT    NOT NULL,
  request     TEXT    NOT NULL,
  reason      TEXT    NOT NULL,
  done        INTEGER NOT NULL,
  total       INTEGER NOT NULL,
  summary     TEXT    NOT NULL,
  problems    TEXT,
  created_at  INTEGER NOT NULL,
  finished_at INTEGER
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, created_at, id);
CREATE INDEX jobs_of_person ON jobs (person_kind, person_id, created_at);

CREATE TABLE job_files (
  job_id  TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name    TEXT NOT NULL,
  content BLOB NOT NULL,
  PRIMARY KEY (job_id, name)
) STRICT;

CREATE TABLE mails (
  id         TEXT    NOT NULL PRIMARY KEY,
  email      TEXT    NOT NULL,
  email_key  TEXT    NOT NULL,
  actor      TEXT    NOT NULL,
  subject    TEXT    NOT NULL,
  text       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  sent_at    INTEGER,
  attempts   INTEGER NOT NULL,
  next_try   INTEGER NOT NULL,
  last_error TEXT    NOT NULL
) STRICT;
CREATE INDEX mails_due ON mails (next_try, id) WHERE sent_at IS NULL;
CREATE INDEX mails_to ON mails (email_key, created_at);
CREATE INDEX mails_by ON mails (actor, created_at);

-- +goose Down

DROP TABLE mails;
DROP TABLE job_files;
DROP TABLE jobs;
DROP TABLE idempotency_keys;
DROP TABLE authz_outbox;
DROP TABLE authz_generation;
DROP TABLE audit_log;
DROP TABLE api_tokens;
DROP TABLE links;
DROP TABLE contacts;
DROP TABLE service_accounts;
DROP TABLE accounts;
DROP TABLE staff;
DROP TABLE users;
DROP TABLE meta;
