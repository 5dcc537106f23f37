package store

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

// ContactQuery selects contacts of an account. The zero value, but for its page, selects all of them.
type ContactQuery struct {
	NameContains string               // a part of first and last name, without regard to case and spacing
	Type         *domain.AccountType  // who hold this type
	Email        *string              // who have this address, without regard to case; "": who have none
	Permission   *domain.Permission   // who were granted this permission itself
	State        *domain.ContactState // who are in this state
	IDs          []domain.ContactID   // not nil: these only
	Order        Order                // OrderLastName (default) or OrderCreatedAt
	Page         Page
}

var contactOrders = map[string]column{OrderLastName: {name: "sort_key"}, OrderCreatedAt: {name: "created_at", time: true}}

func (tx *Tx) whereContacts(q *bun.SelectQuery, query ContactQuery) *bun.SelectQuery {
	if key := NameKey(query.NameContains); key != "" {
		q = q.Where(tx.engine.Contains("name_key"), key)
	}
	if query.Type != nil {
		q = q.Where("(types & ?) <> 0", domain.AccountTypesOf(*query.Type))
	}
	if query.Email != nil {
		q = q.Where("email_key = ?", EmailKey(*query.Email))
	}
	if query.Permission != nil {
		q = q.Where("(permissions & ?) <> 0", domain.PermissionsOf(*query.Permission))
	}
	if query.State != nil {
		q = q.Where("state = ?", *query.State)
	}
	if query.IDs != nil {
		q = q.Where("id IN (?)", bun.List(query.IDs))
	}
	return q
}

// ContactsPage returns for each account one page of the contacts that the query selects, in its order. All accounts are
// read by one statement; accounts without such contacts are missing from the map.
func (tx *Tx) ContactsPage(ctx context.Context, accounts []domain.AccountID, query ContactQuery) (map[domain.AccountID][]domain.Contact, error) {
	s, err := sort(query.Order, query.Page, OrderLastName, contactOrders)
	if err != nil {
		return nil, err
	}
	accounts, err = pageOwners(accounts)
	if err != nil || len(accounts) == 0 {
		return nil, err
	}
	ids := partitioned(tx, "contacts", accounts, s, func(q *bun.SelectQuery) *bun.SelectQuery { return tx.whereContacts(q, query) })
	rows, err := tx.contacts(ctx, ids, s.orderBy())
	return groupOf(inOrder(s, rows), func(r contactRow) (domain.AccountID, domain.Contact) { return r.AccountID, r.domain() }), tx.fail("contacts page", err)
}

// CountContacts counts for each account the contacts that the query selects; its page and order are not read.
func (tx *Tx) CountContacts(ctx context.Context, accounts []domain.AccountID, query ContactQuery) (map[domain.AccountID]int, error) {
	accounts, err := pageOwners(accounts)
	if err != nil || len(accounts) == 0 {
		return nil, err
	}
	var rows []struct {
		AccountID domain.AccountID `bun:"account_id"`
		N         int              `bun:"n"`
	}
	q := tx.idb.NewSelect().TableExpr("contacts").Column("account_id").ColumnExpr("count(*) AS n").
		Where("account_id IN (?)", bun.List(accounts)).Group("account_id")
	if err := tx.whereContacts(q, query).Scan(ctx, &rows); err != nil {
		return nil, tx.fail("count contacts", err)
	}
	counts := make(map[domain.AccountID]int, len(rows))
	for _, r := range rows {
		counts[r.AccountID] = r.N
	}
	return counts, nil
}

// pageOwners returns each account once. The lists of at most MaxPage accounts are read at a time.
func pageOwners(accounts []domain.AccountID) ([]domain.AccountID, error) {
	accounts = distinct(accounts)
	if len(accounts) > MaxPage {
		return nil, fmt.Errorf("%w: lists of %d accounts, at most %d", ErrBadPage, len(accounts), MaxPage)
	}
	return accounts, nil
}

// partitioned returns a query for the ids of one page per account. A single account is read from its index and no further
// than the page; a window function would read all of its rows.
func partitioned(tx *Tx, table string, accounts []domain.AccountID, s sorted, where func(*bun.SelectQuery) *bun.SelectQuery) *bun.SelectQuery {
	from := func() *bun.SelectQuery { return tx.idb.NewSelect().TableExpr("?", bun.Ident(table)).Column("id") }
	if len(accounts) == 1 {
		return s.limited(where(from().Where("account_id = ?", accounts[0])))
	}
	numbered := from().ColumnExpr("row_number() OVER (PARTITION BY account_id ORDER BY ?) AS place", s.orderBy()).
		Where("account_id IN (?)", bun.List(accounts))
	return tx.idb.NewSelect().TableExpr("(?) AS numbered", s.after(where(numbered))).Column("id").Where("place <= ?", s.page.Limit)
}

// ContactKeyset returns the contact's place in lists of that order.
func ContactKeyset(c domain.Contact, order Order) Keyset {
	if order.Field == OrderCreatedAt {
		return Keyset{Value: millisValue(c.CreatedAt), ID: string(c.ID)}
	}
	return Keyset{Value: sortKey(c.FirstName, c.LastName), ID: string(c.ID)}
}

// EachContact calls fn for every contact, in the order of their ids, and ends at its first error.
func (tx *Tx) EachContact(ctx context.Context, fn func(domain.Contact) error) error {
	next := func(after string) ([]domain.Contact, error) {
		rows, err := tx.contacts(ctx, tx.contactIDs().Where("id > ?", after).OrderExpr("id").Limit(MaxPage), "c.id")
		return domainOf(rows, contactRow.domain), tx.fail("each contact", err)
	}
	return each(next, func(c domain.Contact) string { return string(c.ID) }, fn)
}
