package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

// scopeText is a scope as it is stored.
type scopeText struct {
	Permissions []string           `json:"permissions,omitempty"`
	Accounts    []domain.AccountID `json:"accounts,omitempty"`
}

type apiTokenRow struct {
	bun.BaseModel `bun:"table:api_tokens,alias:t"`

	ID               domain.APITokenID       `bun:"id,pk"`
	UserID           domain.UserID           `bun:"user_id,nullzero"`
	ServiceAccountID domain.ServiceAccountID `bun:"service_account_id,nullzero"`
	AccountID        domain.AccountID        `bun:"account_id,nullzero"`
	ContactID        domain.ContactID        `bun:"contact_id,nullzero"`
	Name             string                  `bun:"name"`
	Hash             []byte                  `bun:"hash"`
	Scope            jsonText[scopeText]     `bun:"scope"`
	CreatedByKind    domain.PersonKind       `bun:"created_by_kind"`
	CreatedByID      string                  `bun:"created_by_id"`
	CreatedAt        millis                  `bun:"created_at"`
	ExpiresAt        millis                  `bun:"expires_at"`
	LastUsedAt       millis                  `bun:"last_used_at"`
	RevokedAt        millis                  `bun:"revoked_at"`
}

func apiTokenRowOf(t domain.APIToken) apiTokenRow {
	user, service := personColumns(t.Person)
	return apiTokenRow{
		ID: t.ID, UserID: user, ServiceAccountID: service, AccountID: t.AccountID, ContactID: t.ContactID,
		Name: t.Name, Hash: t.Hash, Scope: jsonText[scopeText]{scopeText(t.Scope)},
		CreatedByKind: t.CreatedBy.Kind, CreatedByID: t.CreatedBy.ID, CreatedAt: millis{t.CreatedAt},
		ExpiresAt: millis{t.ExpiresAt}, LastUsedAt: millis{t.LastUsedAt}, RevokedAt: millis{t.RevokedAt},
	}
}

func (r apiTokenRow) domain() domain.APIToken {
	return domain.APIToken{
		ID: r.ID, Person: personOf(r.UserID, r.ServiceAccountID), AccountID: r.AccountID, ContactID: r.ContactID,
		Name: r.Name, Hash: r.Hash, Scope: domain.Scope(r.Scope.V),
		CreatedBy: domain.Person{Kind: r.CreatedByKind, ID: r.CreatedByID}, CreatedAt: r.CreatedAt.Time,
		ExpiresAt: r.ExpiresAt.Time, LastUsedAt: r.LastUsedAt.Time, RevokedAt: r.RevokedAt.Time,
	}
}

// InsertAPIToken adds a token.
func (tx *Tx) InsertAPIToken(ctx context.Context, t domain.APIToken) error {
	row := apiTokenRowOf(t)
	_, err := tx.idb.NewInsert().Model(&row).Exec(ctx)
	return tx.failUnique(ctx, "insert API token", err, []holder{{ConstraintID, "api_tokens", "id = ?", []any{t.ID}}})
}

// APIToken returns the token, of whatever state, or ErrNotFound.
func (tx *Tx) APIToken(ctx context.Context, id domain.APITokenID) (domain.APIToken, error) {
	var row apiTokenRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("API token", err)
}

// APITokens returns those of the tokens that exist.
func (tx *Tx) APITokens(ctx context.Context, ids []domain.APITokenID) (map[domain.APITokenID]domain.APIToken, error) {
	rows, err := selectIn[apiTokenRow](ctx, tx, "id", ids)
	return mapOf(rows, func(r apiTokenRow) (domain.APITokenID, domain.APIToken) { return r.ID, r.domain() }), tx.fail("API tokens", err)
}

// CountTokens counts the tokens of a person that can be used at now, and those made after since, of whatever state.
func (tx *Tx) CountTokens(ctx context.Context, p domain.Person, now, since time.Time) (usable, made int64, err error) {
	count := func() *bun.SelectQuery { return wherePerson(tx.idb.NewSelect().Model((*apiTokenRow)(nil)), p) }
	if usable, err = count().Where("revoked_at IS NULL AND expires_at > ?", millis{now}).Count(ctx); err == nil {
		made, err = count().Where("created_at > ?", millis{since}).Count(ctx)
	}
	return usable, made, tx.fail("count tokens", err)
}

// TokensOfPerson returns the tokens of a person: those that were not revoked first, each of both newest first; MaxPage at most.
func (tx *Tx) TokensOfPerson(ctx context.Context, p domain.Person) ([]domain.APIToken, error) {
	var rows []apiTokenRow
	err := wherePerson(tx.idb.NewSelect().Model(&rows), p).OrderExpr("CASE WHEN revoked_at IS NULL THEN 0 ELSE 1 END, created_at DESC, id").Limit(MaxPage).Scan(ctx)
	return domainOf(rows, apiTokenRow.domain), tx.fail("tokens of person", err)
}

// TokensOfContacts returns the tokens of the service accounts behind the contacts, newest first.
func (tx *Tx) TokensOfContacts(ctx context.Context, contacts []domain.ContactID) (map[domain.ContactID][]domain.APIToken, error) {
	rows, err := selectIn[apiTokenRow](ctx, tx, "contact_id", contacts)
	newestFirst(rows, func(r apiTokenRow) (time.Time, string) { return r.CreatedAt.Time, string(r.ID) })
	return groupOf(rows, func(r apiTokenRow) (domain.ContactID, domain.APIToken) { return r.ContactID, r.domain() }), tx.fail("tokens of contacts", err)
}

// RevokeAPIToken ends a token. A token that was revoked before keeps its time. It is ErrNotFound when there is no such token.
func (tx *Tx) RevokeAPIToken(ctx context.Context, id domain.APITokenID, at time.Time) error {
	res, err := tx.idb.NewUpdate().Model((*apiTokenRow)(nil)).Set("revoked_at = coalesce(revoked_at, ?)", millis{at}).Where("id = ?", id).Exec(ctx)
	return tx.changed("revoke API token", res, err)
}

// RevokeTokensOfPerson ends every token of a person and returns how many it ended.
func (tx *Tx) RevokeTokensOfPerson(ctx context.Context, p domain.Person, at time.Time) (int, error) {
	user, service := personColumns(p)
	q := tx.idb.NewUpdate().Model((*apiTokenRow)(nil)).Set("revoked_at = ?", millis{at}).Where("revoked_at IS NULL")
	if service != "" {
		q = q.Where("service_account_id = ?", service)
	} else {
		q = q.Where("user_id = ?", user)
	}
	return tx.affected(ctx, "revoke tokens of person", q)
}

// TouchAPIToken records that a token was used, unless it is recorded to have been used less than a minute before now.
func (tx *Tx) TouchAPIToken(ctx context.Context, id domain.APITokenID, now time.Time) error {
	_, err := tx.idb.NewUpdate().Model((*apiTokenRow)(nil)).Set("last_used_at = ?", millis{now}).
		Where("id = ?", id).Where("(last_used_at IS NULL OR last_used_at <= ?)", millis{now.Add(-time.Minute)}).Exec(ctx)
	return tx.fail("touch API token", err)
}

// EachAPIToken calls fn for every token, in the order of their ids, and ends at its first error.
func (tx *Tx) EachAPIToken(ctx context.Context, fn func(domain.APIToken) error) error {
	next := func(after string) ([]domain.APIToken, error) {
		var rows []apiTokenRow
		err := tx.idb.NewSelect().Model(&rows).Where("id > ?", after).OrderExpr("id").Limit(MaxPage).Scan(ctx)
		return domainOf(rows, apiTokenRow.domain), tx.fail("each API token", err)
	}
	return each(next, func(t domain.APIToken) string { return string(t.ID) }, fn)
}
