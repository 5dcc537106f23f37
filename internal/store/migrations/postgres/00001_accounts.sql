-- Times are milliseconds since 1970 in UTC, bit masks are integers, lists and maps are JSON text. All text is compared and
-- sorted by its bytes (COLLATE "C"), whatever the database's locale: pages and keys are the same on every engine.
-- The *_key columns hold text as it is compared: case folded, spaces collapsed, Unicode NFC.

-- +goose Up

CREATE TABLE meta (
  key   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE users (
  id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  issuer         TEXT COLLATE "C" NOT NULL CHECK (issuer <> ''),
  subject        TEXT COLLATE "C" NOT NULL CHECK (subject <> ''),
  email          TEXT COLLATE "C" NOT NULL,
  email_key      TEXT COLLATE "C" NOT NULL,
  email_verified BOOLEAN NOT NULL,
  name           TEXT COLLATE "C" NOT NULL,
  disabled       BOOLEAN NOT NULL,
  created_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_login ON users (issuer, subject);
CREATE INDEX users_email ON users (email_key);

CREATE TABLE staff (
  user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
  role    TEXT COLLATE "C" NOT NULL CHECK (role IN ('support', 'accounting')),
  PRIMARY KEY (user_id, role)
);

CREATE TABLE accounts (
  id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  name       TEXT COLLATE "C" NOT NULL,
  name_key   TEXT COLLATE "C" NOT NULL CHECK (name_key <> ''),
  website    TEXT COLLATE "C" NOT NULL,
  phone      TEXT COLLATE "C" NOT NULL,
  address    TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX accounts_name ON accounts (name_key);
CREATE INDEX accounts_created ON accounts (created_at, id);

CREATE TABLE service_accounts (
  id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  name       TEXT COLLATE "C" NOT NULL,
  disabled   BOOLEAN NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (account_id, id)
);

-- A service account is a contact of its own account only. An owner is never a service account.
CREATE TABLE contacts (
  id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id         TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
  first_name         TEXT COLLATE "C" NOT NULL,
  last_name          TEXT COLLATE "C" NOT NULL,
  name_key           TEXT COLLATE "C" NOT NULL,
  sort_key           TEXT COLLATE "C" NOT NULL,
  email              TEXT COLLATE "C" NOT NULL,
  email_key          TEXT COLLATE "C" NOT NULL,
  pending_email      TEXT COLLATE "C" NOT NULL,
  phone              TEXT COLLATE "C" NOT NULL,
  types              INTEGER NOT NULL CHECK (types BETWEEN 0 AND 65535),
  permissions        INTEGER NOT NULL CHECK (permissions BETWEEN 0 AND 65535),
  owner              BOOLEAN NOT NULL,
  state              TEXT COLLATE "C" NOT NULL CHECK (state IN ('ACTIVE', 'DEACTIVATED')),
  user_id            TEXT COLLATE "C" REFERENCES users (id),
  service_account_id TEXT COLLATE "C",
  opt_outs           TEXT COLLATE "C",
  created_at         BIGINT NOT NULL,
  updated_at         BIGINT NOT NULL,
  FOREIGN KEY (account_id, service_account_id) REFERENCES service_accounts (account_id, id),
  CHECK (user_id IS NULL OR service_account_id IS NULL),
  CHECK (NOT owner OR service_account_id IS NULL)
);
CREATE UNIQUE INDEX contacts_owner ON contacts (account_id) WHERE owner;
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
  id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('invitation', 'confirm_email')),
  contact_id TEXT COLLATE "C" NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
  email      TEXT COLLATE "C" NOT NULL,
  hash       BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT,
  voided_at  BIGINT
);
CREATE UNIQUE INDEX links_hash ON links (hash);
CREATE INDEX links_of_contact ON links (contact_id, created_at);

CREATE TABLE api_tokens (
  id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  user_id            TEXT COLLATE "C" REFERENCES users (id),
  service_account_id TEXT COLLATE "C" REFERENCES service_accounts (id) ON DELETE CASCADE,
  account_id         TEXT COLLATE "C" REFERENCES accounts (id),
  contact_id         TEXT COLLATE "C" REFERENCES contacts (id) ON DELETE CASCADE,
  name               TEXT COLLATE "C" NOT NULL,
  hash               BYTEA NOT NULL,
  scope              TEXT COLLATE "C" NOT NULL,
  created_by_kind    TEXT COLLATE "C" NOT NULL,
  created_by_id      TEXT COLLATE "C" NOT NULL,
  created_at         BIGINT NOT NULL,
  expires_at         BIGINT NOT NULL,
  last_used_at       BIGINT,
  revoked_at         BIGINT,
  CHECK ((user_id IS NULL) <> (service_account_id IS NULL))
);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX api_tokens_of_service_account ON api_tokens (service_account_id, created_at) WHERE service_account_id IS NOT NULL;
CREATE INDEX api_tokens_of_contact ON api_tokens (contact_id, created_at) WHERE contact_id IS NOT NULL;

CREATE TABLE audit_log (
  id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  account_id  TEXT COLLATE "C" NOT NULL,
  at          BIGINT NOT NULL,
  actor_kind  TEXT COLLATE "C" NOT NULL,
  actor_id    TEXT COLLATE "C" NOT NULL,
  actor_name  TEXT COLLATE "C" NOT NULL,
  token_id    TEXT COLLATE "C" NOT NULL,
  action      TEXT COLLATE "C" NOT NULL CHECK (action <> ''),
  target_kind TEXT COLLATE "C" NOT NULL,
  target_id   TEXT COLLATE "C" NOT NULL,
  target_name TEXT COLLATE "C" NOT NULL,
  reason      TEXT COLLATE "C" NOT NULL,
  request     TEXT COLLATE "C" NOT NULL,
  before      TEXT COLLATE "C",
  after       TEXT COLLATE "C"
);
CREATE INDEX audit_log_of_account ON audit_log (account_id, at, id);

-- +goose StatementBegin
CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append only';
END;
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse();

CREATE TABLE authz_generation (
  scope      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  generation TEXT COLLATE "C" NOT NULL
);

CREATE TABLE authz_outbox (
  seq            BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  id             TEXT COLLATE "C" NOT NULL,
  account_scopes TEXT COLLATE "C" NOT NULL,
  updates        TEXT COLLATE "C" NOT NULL,
  operation      TEXT COLLATE "C" NOT NULL,
  actor          TEXT COLLATE "C" NOT NULL,
  created_at     BIGINT NOT NULL,
  applied_at     BIGINT
);
CREATE UNIQUE INDEX authz_outbox_id ON authz_outbox (id);
CREATE INDEX authz_outbox_pending ON authz_outbox (seq) WHERE applied_at IS NULL;
CREATE INDEX authz_outbox_applied ON authz_outbox (applied_at) WHERE applied_at IS NOT NULL;

CREATE TABLE idempotency_keys (
  actor      TEXT COLLATE "C" NOT NULL,
  key        TEXT COLLATE "C" NOT NULL,
  operation  TEXT COLLATE "C" NOT NULL,
  input_hash BYTEA NOT NULL,
  result     TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE jobs (
  id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  kind        TEXT COLLATE "C" NOT NULL,
  state       TEXT COLLATE "C" NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'DONE', 'FAILED')),
  dry_run     BOOLEAN NOT NULL,
  invite      BOOLEAN NOT NULL,
  person_kind TEXT COLLATE "C" NOT NULL,
  person_id   TEXT COLLATE "C" NOT NULL,
  actor_name  TEXT COLLATE "C" NOT NULL,
  scope       TEXT COLLATE "C" NOT NULL,
  token_id    TEXT COLLATE "C" NOT NULL,
  request     TEXT COLLATE "C" NOT NULL,
  reason      TEXT COLLATE "C" NOT NULL,
  done        INTEGER NOT NULL,
  total       INTEGER NOT NULL,
  summary     TEXT COLLATE "C" NOT NULL,
  problems    TEXT COLLATE "C",
  created_at  BIGINT NOT NULL,
  finished_at BIGINT
);
CREATE INDEX jobs_by_state ON jobs (state, created_at, id);
CREATE INDEX jobs_of_person ON jobs (person_kind, person_id, created_at);

CREATE TABLE job_files (
  job_id  TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  name    TEXT COLLATE "C" NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (job_id, name)
);

CREATE TABLE mails (
  id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  email      TEXT COLLATE "C" NOT NULL,
  email_key  TEXT COLLATE "C" NOT NULL,
  actor      TEXT COLLATE "C" NOT NULL,
  subject    TEXT COLLATE "C" NOT NULL,
  text       TEXT COLLATE "C" NOT NULL,
  created_at BIGINT NOT NULL,
  sent_at    BIGINT,
  attempts   INTEGER NOT NULL,
  next_try   BIGINT NOT NULL,
  last_error TEXT COLLATE "C" NOT NULL
);
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
DROP FUNCTION audit_log_refuse;
DROP TABLE api_tokens;
DROP TABLE links;
DROP TABLE contacts;
DROP TABLE service_accounts;
DROP TABLE accounts;
DROP TABLE staff;
DROP TABLE users;
DROP TABLE meta;
