package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"steward/internal/domain"
)

type contactRow struct {
	bun.BaseModel `bun:"table:contacts,alias:c"`

	ID               domain.ContactID        `bun:"id,pk"`
	AccountID        domain.AccountID        `bun:"account_id"`
	FirstName        string                  `bun:"first_name"`
	LastName         string                  `bun:"last_name"`
	NameKey          string                  `bun:"name_key"`
	SortKey          string                  `bun:"sort_key"`
	Email            string                  `bun:"email"`
	EmailKey         string                  `bun:"email_key"`
	PendingEmail     string                  `bun:"pending_email"`
	Phone            string                  `bun:"phone"`
	Types            domain.AccountTypeSet   `bun:"types"`
	Permissions      domain.PermissionSet    `bun:"permissions"`
	Owner            bool                    `bun:"owner"`
	State            domain.ContactState     `bun:"state"`
	UserID           domain.UserID           `bun:"user_id,nullzero"`
	ServiceAccountID domain.ServiceAccountID `bun:"service_account_id,nullzero"`
	OptOuts          jsonText[[]string]      `bun:"opt_outs"`
	CreatedAt        millis                  `bun:"created_at"`
	UpdatedAt        millis                  `bun:"updated_at"`
	PersonOff        bool                    `bun:"person_off,scanonly"`
}

func contactRowOf(c domain.Contact) contactRow {
	user, service := personColumns(c.Person)
	return contactRow{
		ID: c.ID, AccountID: c.AccountID, FirstName: c.FirstName, LastName: c.LastName,
		NameKey: NameKey(c.FirstName + " " + c.LastName), SortKey: sortKey(c.FirstName, c.LastName),
		Email: c.Email, EmailKey: EmailKey(c.Email), PendingEmail: c.PendingEmail, Phone: c.Phone,
		Types: c.Types, Permissions: c.Permissions, Owner: c.Owner, State: c.State, UserID: user, ServiceAccountID: service,
		OptOuts: jsonText[[]string]{c.OptOuts}, CreatedAt: millis{c.CreatedAt}, UpdatedAt: millis{c.UpdatedAt},
	}
}

func (r contactRow) domain() domain.Contact {
	return domain.Contact{
		ID: r.ID, AccountID: r.AccountID, FirstName: r.FirstName, LastName: r.LastName,
		Email: r.Email, PendingEmail: r.PendingEmail, Phone: r.Phone,
		Types: r.Types, Permissions: r.Permissions, Owner: r.Owner, State: r.State,
		Person: personOf(r.UserID, r.ServiceAccountID), PersonOff: r.PersonOff,
		OptOuts: r.OptOuts.V, CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time,
	}
}

// personColumns splits a person into the two columns that hold one; at most one of them is not empty.
func personColumns(p domain.Person) (domain.UserID, domain.ServiceAccountID) {
	switch p.Kind {
	case domain.PersonUser:
		return domain.UserID(p.ID), ""
	case domain.PersonServiceAccount:
		return "", domain.ServiceAccountID(p.ID)
	}
	return "", ""
}

func personOf(user domain.UserID, service domain.ServiceAccountID) domain.Person {
	switch {
	case user != "":
		return domain.UserPerson(user)
	case service != "":
		return domain.ServiceAccountPerson(service)
	}
	return domain.Person{}
}

// wherePerson keeps the rows of one person; nobody has no rows.
func wherePerson(q *bun.SelectQuery, p domain.Person) *bun.SelectQuery {
	user, service := personColumns(p)
	if service != "" {
		return q.Where("service_account_id = ?", service)
	}
	return q.Where("user_id = ?", user)
}

var primaryConstraints = map[domain.AccountType]string{
	domain.PrimaryBusinessContact:  ConstraintPrimaryBusiness,
	domain.PrimaryBillingContact:   ConstraintPrimaryBilling,
	domain.PrimaryRenewalContact:   ConstraintPrimaryRenewal,
	domain.PrimaryTechnicalContact: ConstraintPrimaryTechnical,
}

func (r contactRow) holders() []holder {
	var hs []holder
	add := func(constraint, where string, args ...any) {
		hs = append(hs, holder{constraint, "contacts", "account_id = ? AND id <> ? AND " + where, append([]any{r.AccountID, r.ID}, args...)})
	}
	if r.Owner {
		add(ConstraintContactOwner, "owner = ?", true)
	}
	if r.EmailKey != "" {
		add(ConstraintContactEmail, "email_key = ?", r.EmailKey)
	}
	if r.UserID != "" {
		add(ConstraintContactPerson, "user_id = ?", r.UserID)
	}
	if r.ServiceAccountID != "" {
		add(ConstraintContactPerson, "service_account_id = ?", r.ServiceAccountID)
	}
	for _, t := range r.Types.List() {
		if t.Primary() {
			add(primaryConstraints[t], "(types & ?) <> 0", domain.AccountTypesOf(t))
		}
	}
	return append(hs, holder{ConstraintID, "contacts", "id = ?", []any{r.ID}})
}

// InsertContact adds a contact. It is a DuplicateError when the account has another contact with the e-mail, the person or
// one of the primary types, or when both are its owner.
func (tx *Tx) InsertContact(ctx context.Context, c domain.Contact) error {
	row := contactRowOf(c)
	_, err := tx.idb.NewInsert().Model(&row).Exec(ctx)
	return tx.failUnique(ctx, "insert contact", err, row.holders())
}

// InsertContacts adds many contacts, as InsertContact does one.
func (tx *Tx) InsertContacts(ctx context.Context, contacts []domain.Contact) error {
	return insertAll(ctx, tx, "insert contacts", rowsOf(contacts, contactRowOf), contactRow.holders)
}

// UpdateContact replaces a contact: every column but id, account and creation time. Duplicates are as in InsertContact.
// To move what only one may have (the ownership, a primary type), take it from the one before giving it to the other.
func (tx *Tx) UpdateContact(ctx context.Context, c domain.Contact) error {
	row := contactRowOf(c)
	res, err := tx.idb.NewUpdate().Model(&row).ExcludeColumn("account_id", "created_at").WherePK().
		Where("account_id = ?", c.AccountID).Exec(ctx)
	if err != nil {
		return tx.failUnique(ctx, "update contact", err, row.holders())
	}
	return tx.changed("update contact", res, nil)
}

// DeleteContact deletes a contact with its links and the API tokens of its service account.
// The service account itself stays; see DeleteServiceAccount.
func (tx *Tx) DeleteContact(ctx context.Context, id domain.ContactID) error {
	res, err := tx.idb.NewDelete().Model((*contactRow)(nil)).Where("id = ?", id).Exec(ctx)
	return tx.changed("delete contact", res, err)
}

// MovePrimaryType gives a primary type to the contact and takes it from the one that holds it, if any. It returns the id
// of the contact that lost it, or "".
func (tx *Tx) MovePrimaryType(ctx context.Context, to domain.ContactID, t domain.AccountType) (domain.ContactID, error) {
	if !t.Primary() {
		return "", fmt.Errorf("move primary type: %s is held by many contacts", t)
	}
	contact, err := tx.Contact(ctx, to)
	if err != nil {
		return "", err
	}
	var lost domain.ContactID
	holder, ok, err := tx.HolderOfType(ctx, contact.AccountID, t)
	if err != nil || (ok && holder.ID == to) {
		return "", err
	}
	if ok {
		lost = holder.ID
		if err := tx.setTypes(ctx, holder.ID, holder.Types.Without(t)); err != nil {
			return "", err
		}
	}
	return lost, tx.setTypes(ctx, to, contact.Types.With(t))
}

func (tx *Tx) setTypes(ctx context.Context, id domain.ContactID, types domain.AccountTypeSet) error {
	res, err := tx.idb.NewUpdate().Model((*contactRow)(nil)).Set("types = ?", types).Where("id = ?", id).Exec(ctx)
	return tx.changed("set types", res, err)
}

// contacts returns the contacts whose id the query selects, with the state of the persons behind them.
func (tx *Tx) contacts(ctx context.Context, ids *bun.SelectQuery, orderBy bun.Safe) ([]contactRow, error) {
	var rows []contactRow
	err := tx.idb.NewSelect().Model(&rows).ColumnExpr("c.*").
		ColumnExpr("coalesce((SELECT disabled FROM users AS u WHERE u.id = c.user_id), "+
			"(SELECT disabled FROM service_accounts AS s WHERE s.id = c.service_account_id), ?) AS person_off", false).
		Where("c.id IN (?)", ids).OrderExpr("?", orderBy).Scan(ctx)
	return rows, err
}

// contactIDs starts a query for the argument of contacts.
func (tx *Tx) contactIDs() *bun.SelectQuery {
	return tx.idb.NewSelect().TableExpr("contacts").Column("id")
}

func (tx *Tx) contact(ctx context.Context, op string, ids *bun.SelectQuery) (domain.Contact, error) {
	rows, err := tx.contacts(ctx, ids, "c.id")
	switch {
	case err != nil:
		return domain.Contact{}, tx.fail(op, err)
	case len(rows) == 0:
		return domain.Contact{}, fmt.Errorf("%s: %w", op, ErrNotFound)
	}
	return rows[0].domain(), nil
}

// contactsIn returns the contacts whose column has one of the values, by account, last name and id.
func contactsIn[V comparable](ctx context.Context, tx *Tx, column string, values []V, more func(*bun.SelectQuery) *bun.SelectQuery) ([]contactRow, error) {
	var all []contactRow
	for batch := range slices.Chunk(distinct(values), batchSize) {
		ids := tx.contactIDs().Where("? IN (?)", bun.Ident(column), bun.List(batch))
		rows, err := tx.contacts(ctx, ids.Apply(more), "c.account_id, c.sort_key, c.id")
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// Contact returns the contact, or ErrNotFound.
func (tx *Tx) Contact(ctx context.Context, id domain.ContactID) (domain.Contact, error) {
	return tx.contact(ctx, "contact", tx.contactIDs().Where("id = ?", id))
}

// Contacts returns those of the contacts that exist.
func (tx *Tx) Contacts(ctx context.Context, ids []domain.ContactID) (map[domain.ContactID]domain.Contact, error) {
	rows, err := contactsIn(ctx, tx, "id", ids, nil)
	return mapOf(rows, func(r contactRow) (domain.ContactID, domain.Contact) { return r.ID, r.domain() }), tx.fail("contacts", err)
}

// ContactsOfAccount returns every contact of the account, by last name.
func (tx *Tx) ContactsOfAccount(ctx context.Context, account domain.AccountID) ([]domain.Contact, error) {
	rows, err := tx.contacts(ctx, tx.contactIDs().Where("account_id = ?", account), "c.sort_key, c.id")
	return domainOf(rows, contactRow.domain), tx.fail("contacts of account", err)
}

// ContactsOfAccounts returns every contact of each of the accounts, by last name.
func (tx *Tx) ContactsOfAccounts(ctx context.Context, accounts []domain.AccountID) (map[domain.AccountID][]domain.Contact, error) {
	rows, err := contactsIn(ctx, tx, "account_id", accounts, nil)
	return groupOf(rows, func(r contactRow) (domain.AccountID, domain.Contact) { return r.AccountID, r.domain() }), tx.fail("contacts of accounts", err)
}

// ContactByEmail returns the contact of the account that has this e-mail address, without regard to case, or ErrNotFound.
func (tx *Tx) ContactByEmail(ctx context.Context, account domain.AccountID, email string) (domain.Contact, error) {
	return tx.contact(ctx, "contact by email", tx.contactIDs().Where("account_id = ?", account).Where("email_key = ? AND email_key <> ''", EmailKey(email)))
}

// ContactOfPerson returns the contact that the person is on the account, or ErrNotFound.
func (tx *Tx) ContactOfPerson(ctx context.Context, account domain.AccountID, p domain.Person) (domain.Contact, error) {
	return tx.contact(ctx, "contact of person", wherePerson(tx.contactIDs().Where("account_id = ?", account), p))
}

// ContactsOfPerson returns every contact that the person is, of whatever state, by account.
func (tx *Tx) ContactsOfPerson(ctx context.Context, p domain.Person) ([]domain.Contact, error) {
	rows, err := tx.contacts(ctx, wherePerson(tx.contactIDs(), p), "c.account_id")
	return domainOf(rows, contactRow.domain), tx.fail("contacts of person", err)
}

// Owner returns the owner of the account, or ErrNotFound.
func (tx *Tx) Owner(ctx context.Context, account domain.AccountID) (domain.Contact, error) {
	return tx.contact(ctx, "owner", tx.contactIDs().Where("account_id = ? AND owner = ?", account, true))
}

// OwnersOf returns the owners of those of the accounts that have one.
func (tx *Tx) OwnersOf(ctx context.Context, accounts []domain.AccountID) (map[domain.AccountID]domain.Contact, error) {
	rows, err := contactsIn(ctx, tx, "account_id", accounts, func(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("owner = ?", true) })
	return mapOf(rows, func(r contactRow) (domain.AccountID, domain.Contact) { return r.AccountID, r.domain() }), tx.fail("owners", err)
}

// HolderOfType returns the contact of the account that holds the type, and whether there is one. For a type that many may
// hold it is the first by id.
func (tx *Tx) HolderOfType(ctx context.Context, account domain.AccountID, t domain.AccountType) (domain.Contact, bool, error) {
	rows, err := tx.contacts(ctx, tx.contactIDs().Where("account_id = ? AND (types & ?) <> 0", account, domain.AccountTypesOf(t)).OrderExpr("id").Limit(1), "c.id")
	if err != nil || len(rows) == 0 {
		return domain.Contact{}, false, tx.fail("holder of type", err)
	}
	return rows[0].domain(), true, nil
}

// PermissionSetInUse reports whether a contact of the account, of whatever state, has exactly this set of permissions.
func (tx *Tx) PermissionSetInUse(ctx context.Context, account domain.AccountID, set domain.PermissionSet) (bool, error) {
	found, err := tx.exists(ctx, tx.idb.NewSelect().TableExpr("contacts").Where("account_id = ? AND permissions = ?", account, set))
	return found, tx.fail("permission set in use", err)
}
