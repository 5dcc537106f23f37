package store

import (
	"context"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type serviceAccountRow struct {
	bun.BaseModel `bun:"table:service_accounts,alias:sa"`

	ID        domain.ServiceAccountID `bun:"id,pk"`
	AccountID domain.AccountID        `bun:"account_id"`
	Name      string                  `bun:"name"`
	Disabled  bool                    `bun:"disabled"`
	CreatedAt millis                  `bun:"created_at"`
}

func (r serviceAccountRow) domain() domain.ServiceAccount {
	return domain.ServiceAccount{ID: r.ID, AccountID: r.AccountID, Name: r.Name, Disabled: r.Disabled, CreatedAt: r.CreatedAt.Time}
}

// InsertServiceAccount adds a service account. Its contact is added after it.
func (tx *Tx) InsertServiceAccount(ctx context.Context, s domain.ServiceAccount) error {
	row := serviceAccountRow{ID: s.ID, AccountID: s.AccountID, Name: s.Name, Disabled: s.Disabled, CreatedAt: millis{s.CreatedAt}}
	_, err := tx.idb.NewInsert().Model(&row).Exec(ctx)
	return tx.failUnique(ctx, "insert service account", err, []holder{{ConstraintID, "service_accounts", "id = ?", []any{s.ID}}})
}

// ServiceAccount returns the service account, or ErrNotFound.
func (tx *Tx) ServiceAccount(ctx context.Context, id domain.ServiceAccountID) (domain.ServiceAccount, error) {
	var row serviceAccountRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("service account", err)
}

// ServiceAccounts returns those of the service accounts that exist.
func (tx *Tx) ServiceAccounts(ctx context.Context, ids []domain.ServiceAccountID) (map[domain.ServiceAccountID]domain.ServiceAccount, error) {
	rows, err := selectIn[serviceAccountRow](ctx, tx, "id", ids)
	return mapOf(rows, func(r serviceAccountRow) (domain.ServiceAccountID, domain.ServiceAccount) { return r.ID, r.domain() }), tx.fail("service accounts", err)
}

// SetServiceAccountDisabled disables or enables a service account.
func (tx *Tx) SetServiceAccountDisabled(ctx context.Context, id domain.ServiceAccountID, disabled bool) error {
	res, err := tx.idb.NewUpdate().Model((*serviceAccountRow)(nil)).Set("disabled = ?", disabled).Where("id = ?", id).Exec(ctx)
	return tx.changed("set service account disabled", res, err)
}

// DeleteServiceAccount deletes a service account with its API tokens. It is ErrReference while it is still a contact.
func (tx *Tx) DeleteServiceAccount(ctx context.Context, id domain.ServiceAccountID) error {
	res, err := tx.idb.NewDelete().Model((*serviceAccountRow)(nil)).Where("id = ?", id).Exec(ctx)
	return tx.changed("delete service account", res, err)
}
