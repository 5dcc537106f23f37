package store

import (
	"context"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type accountRow struct {
	bun.BaseModel `bun:"table:accounts,alias:a"`

	ID        domain.AccountID `bun:"id,pk"`
	Name      string           `bun:"name"`
	NameKey   string           `bun:"name_key"`
	Website   string           `bun:"website"`
	Phone     string           `bun:"phone"`
	Address   string           `bun:"address"`
	CreatedAt millis           `bun:"created_at"`
	UpdatedAt millis           `bun:"updated_at"`
}

func accountRowOf(a domain.Account) accountRow {
	return accountRow{
		ID: a.ID, Name: a.Name, NameKey: NameKey(a.Name), Website: a.Website, Phone: a.Phone, Address: a.Address,
		CreatedAt: millis{a.CreatedAt}, UpdatedAt: millis{a.UpdatedAt},
	}
}

func (r accountRow) domain() domain.Account {
	return domain.Account{
		ID: r.ID, Name: r.Name, Website: r.Website, Phone: r.Phone, Address: r.Address,
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
}

func (r accountRow) holders() []holder {
	return []holder{
		{ConstraintAccountName, "accounts", "name_key = ? AND id <> ?", []any{r.NameKey, r.ID}},
		{ConstraintID, "accounts", "id = ?", []any{r.ID}},
	}
}

// InsertAccount adds an account. A name that another account has, without regard to case and spacing, is a
// DuplicateError of ConstraintAccountName.
func (tx *Tx) InsertAccount(ctx context.Context, a domain.Account) error {
	row := accountRowOf(a)
	_, err := tx.idb.NewInsert().Model(&row).Exec(ctx)
	return tx.failUnique(ctx, "insert account", err, row.holders())
}

// InsertAccounts adds many accounts, as InsertAccount does one.
func (tx *Tx) InsertAccounts(ctx context.Context, accounts []domain.Account) error {
	return insertAll(ctx, tx, "insert accounts", rowsOf(accounts, accountRowOf), accountRow.holders)
}

// UpdateAccount replaces the profile of an account: every column but id and creation time.
func (tx *Tx) UpdateAccount(ctx context.Context, a domain.Account) error {
	row := accountRowOf(a)
	res, err := tx.idb.NewUpdate().Model(&row).ExcludeColumn("created_at").WherePK().Exec(ctx)
	if err != nil {
		return tx.failUnique(ctx, "update account", err, row.holders())
	}
	return tx.changed("update account", res, nil)
}

// Account returns the account, or ErrNotFound.
func (tx *Tx) Account(ctx context.Context, id domain.AccountID) (domain.Account, error) {
	var row accountRow
	err := tx.idb.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx)
	return row.domain(), tx.fail("account", err)
}

// AccountByName returns the account with that name, without regard to case and spacing, or ErrNotFound.
func (tx *Tx) AccountByName(ctx context.Context, name string) (domain.Account, error) {
	var row accountRow
	err := tx.idb.NewSelect().Model(&row).Where("name_key = ?", NameKey(name)).Scan(ctx)
	return row.domain(), tx.fail("account by name", err)
}

// Accounts returns those of the accounts that exist.
func (tx *Tx) Accounts(ctx context.Context, ids []domain.AccountID) (map[domain.AccountID]domain.Account, error) {
	rows, err := selectIn[accountRow](ctx, tx, "id", ids)
	return mapOf(rows, func(r accountRow) (domain.AccountID, domain.Account) { return r.ID, r.domain() }), tx.fail("accounts", err)
}

// AccountsByName returns those of the named accounts that exist, by NameKey.
func (tx *Tx) AccountsByName(ctx context.Context, names []string) (map[string]domain.Account, error) {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = NameKey(n)
	}
	rows, err := selectIn[accountRow](ctx, tx, "name_key", keys)
	return mapOf(rows, func(r accountRow) (string, domain.Account) { return r.NameKey, r.domain() }), tx.fail("accounts by name", err)
}

// AccountQuery selects accounts. The zero value selects none.
type AccountQuery struct {
	All          bool               // every account, for staff; Person is not read then
	Person       domain.Person      // else only the accounts on which this person is an active contact
	NameContains string             // a part of the name, without regard to case and spacing; empty: any name
	IDs          []domain.AccountID // not nil: these only
	Order        Order              // OrderName (default) or OrderCreatedAt
	Page         Page
}

var accountOrders = map[string]column{OrderName: {name: "name_key"}, OrderCreatedAt: {name: "created_at", time: true}}

func (tx *Tx) whereAccounts(q *bun.SelectQuery, query AccountQuery) *bun.SelectQuery {
	if !query.All {
		user, service := personColumns(query.Person)
		mine := tx.idb.NewSelect().TableExpr("contacts").Column("account_id").Where("state = ?", domain.ContactActive)
		if service != "" {
			mine = mine.Where("service_account_id = ?", service)
		} else {
			mine = mine.Where("user_id = ?", user)
		}
		q = q.Where("id IN (?)", mine)
	}
	if key := NameKey(query.NameContains); key != "" {
		q = q.Where(tx.engine.Contains("name_key"), key)
	}
	if query.IDs != nil {
		q = q.Where("id IN (?)", bun.List(query.IDs))
	}
	return q
}

// AccountsPage returns one page of the accounts that the query selects, in its order.
func (tx *Tx) AccountsPage(ctx context.Context, query AccountQuery) ([]domain.Account, error) {
	s, err := sort(query.Order, query.Page, OrderName, accountOrders)
	if err != nil {
		return nil, err
	}
	var rows []accountRow
	err = s.limited(tx.whereAccounts(tx.idb.NewSelect().Model(&rows), query)).Scan(ctx)
	return domainOf(inOrder(s, rows), accountRow.domain), tx.fail("accounts page", err)
}

// CountAccounts counts the accounts that the query selects, up to limit; its page and order are not read.
func (tx *Tx) CountAccounts(ctx context.Context, query AccountQuery, limit int) (int, error) {
	some := tx.whereAccounts(tx.idb.NewSelect().TableExpr("accounts").Column("id"), query).Limit(int64(limit))
	var n int
	err := tx.idb.NewSelect().TableExpr("(?) AS counted", some).ColumnExpr("count(*)").Scan(ctx, &n)
	return n, tx.fail("count accounts", err)
}

// AccountKeyset returns the account's place in lists of that order.
func AccountKeyset(a domain.Account, order Order) Keyset {
	if order.Field == OrderCreatedAt {
		return Keyset{Value: millisValue(a.CreatedAt), ID: string(a.ID)}
	}
	return Keyset{Value: NameKey(a.Name), ID: string(a.ID)}
}

// EachAccount calls fn for every account, in the order of their ids, and ends at its first error.
func (tx *Tx) EachAccount(ctx context.Context, fn func(domain.Account) error) error {
	next := func(after string) ([]domain.Account, error) {
		var rows []accountRow
		err := tx.idb.NewSelect().Model(&rows).Where("id > ?", after).OrderExpr("id").Limit(MaxPage).Scan(ctx)
		return domainOf(rows, accountRow.domain), tx.fail("each account", err)
	}
	return each(next, func(a domain.Account) string { return string(a.ID) }, fn)
}
