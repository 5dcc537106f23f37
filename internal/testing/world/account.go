package world

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/identity"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
)

// Account is an account of a World with contacts of some kinds.
type Account struct {
	Key      domain.AccountID
	ID       string // the global id
	Name     string
	Contacts map[Kind]domain.Contact // as they were made
	// Invitation is the secret of the link that was mailed to NoLogin.
	Invitation string
	// TokenID is the global id of the API token of ServiceAccount.
	TokenID string

	world   *World
	program Person
}

// Contact returns the global id of the contact of a kind.
func (a *Account) Contact(k Kind) string {
	c, ok := a.Contacts[k.contact()]
	if !ok {
		panic("the account was made without a " + string(k))
	}
	return domain.GlobalID("Contact", c.ID)
}

// As returns who calls as this kind.
func (a *Account) As(t testing.TB, k Kind) Person {
	t.Helper()
	if k == ServiceAccount {
		return a.program
	}
	return a.world.As(t, k)
}

// As returns who calls as a kind that needs no account: all but ServiceAccount.
func (w *World) As(t testing.TB, k Kind) Person {
	t.Helper()
	switch k {
	case Anonymous:
		return Person{Email: string(Anonymous)}
	case NarrowedToken:
		return w.narrowed(t)
	case ServiceAccount:
		t.Fatal("a service account belongs to an account: ask that")
	}
	return w.Person(t, k.email())
}

// narrowed returns the owner by an API token with a scope.
func (w *World) narrowed(t testing.TB) Person {
	t.Helper()
	owner := w.Person(t, Owner.email())
	w.mu.Lock()
	defer w.mu.Unlock()
	const name = string(NarrowedToken)
	if p, ok := w.people[name]; ok {
		return p
	}
	res, err := w.Service.CreateAPIToken(t.Context(), domain.Actor{Person: owner.Is, Name: owner.Name}, service.CreateToken{
		Name: name, ExpiresInDays: 1, Scope: domain.Scope{Permissions: []string{relation.ViewAccount, relation.ViewContacts}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.people[name] = Person{Email: owner.Email, Name: owner.Name, Token: res.Secret, Is: owner.Is}
	return w.people[name]
}

// Other returns the World's account that is not the one under test: OtherOwner owns it, TwoHats is its Admin, and Target
// and ServiceAccount have contacts on it.
func (w *World) Other(t testing.TB) *Account {
	t.Helper()
	w.otherMu.Lock()
	defer w.otherMu.Unlock()
	if w.other == nil {
		w.other = w.AnotherOther(t)
	}
	return w.other
}

// AnotherOther makes an account like Other, for tests that change it.
func (w *World) AnotherOther(t testing.TB) *Account {
	t.Helper()
	return w.build(t, []Kind{OtherOwner, TwoHats, Target, ServiceAccount}, func(k Kind, c *domain.Contact) {
		c.Owner = k == OtherOwner
		if k == TwoHats {
			c.Permissions = domain.PermissionsOf(domain.Admin)
		}
	})
}

// Account makes an account, in one change through the change engine. It has the owner and a contact of each of the kinds,
// of every kind when none is named. Every contact has a phone number, and does not want PRODUCT_UPDATE.
func (w *World) Account(t testing.TB, kinds ...Kind) *Account {
	t.Helper()
	all := []Kind{Owner}
	for _, k := range kinds {
		if k.IsContact() {
			all = append(all, k.contact())
		}
	}
	if len(kinds) == 0 {
		for k := range granted {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return w.build(t, slices.Compact(all), func(k Kind, c *domain.Contact) { c.Owner = k == Owner })
}

func (w *World) build(t testing.TB, kinds []Kind, adjust func(Kind, *domain.Contact)) *Account {
	t.Helper()
	w.mu.Lock()
	w.accounts++
	n := w.accounts
	w.mu.Unlock()
	name := fmt.Sprintf("Account %d", n)
	b := &builder{Account: Account{
		Key: domain.NewID[domain.AccountID](), Name: name, Contacts: map[Kind]domain.Contact{}, world: w,
	}}
	b.ID = domain.GlobalID("Account", b.Key)
	for _, k := range kinds {
		c := b.contact(t, k)
		adjust(k, &c)
		b.Contacts[k] = c
	}
	b.do(t, b.write)
	return &b.Account
}

// builder makes the rows of one account.
type builder struct {
	Account
	token domain.APIToken
}

func (b *builder) contact(t testing.TB, k Kind) domain.Contact {
	c := domain.Contact{
		ID: domain.NewID[domain.ContactID](), AccountID: b.Key, FirstName: string(k), LastName: "of " + b.Name, Email: k.email(), Phone: "+49 30 901820",
		State: domain.ContactActive, Permissions: granted[k], OptOuts: []string{"PRODUCT_UPDATE"},
	}
	switch k {
	case NoLogin:
	case ServiceAccount:
		c.Email = ""
		c.Person = domain.ServiceAccountPerson(domain.NewID[domain.ServiceAccountID]())
		text, id, hash := identity.NewAPIToken()
		b.token = domain.APIToken{ID: domain.APITokenID(id), Hash: hash, Person: c.Person, AccountID: b.Key, ContactID: c.ID, Name: "program"}
		b.program = Person{Email: string(ServiceAccount), Name: c.Name(), Token: text, Is: c.Person}
		b.TokenID = domain.GlobalID("ApiToken", b.token.ID)
	case Deactivated:
		c.State = domain.ContactDeactivated
		fallthrough
	default:
		c.Person = b.world.Person(t, k.email()).Is
	}
	return c
}

func (b *builder) write(ctx context.Context, tx *change.Tx) error {
	now := tx.Now()
	if err := tx.InsertAccount(ctx, domain.Account{ID: b.Key, Name: b.Name, CreatedAt: now, UpdatedAt: now}); err != nil {
		return err
	}
	tx.Gains(relation.OfAccount(b.Key)...)
	for k, c := range b.Contacts {
		if err := b.insert(ctx, tx, k, c); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

func (b *builder) insert(ctx context.Context, tx *change.Tx, k Kind, c domain.Contact) error {
	now := tx.Now()
	c.CreatedAt, c.UpdatedAt = now, now
	if k == ServiceAccount {
		sa := domain.ServiceAccount{ID: domain.ServiceAccountID(c.Person.ID), AccountID: b.Key, Name: c.LastName, CreatedAt: now}
		if err := tx.InsertServiceAccount(ctx, sa); err != nil {
			return err
		}
	}
	if err := tx.Touch(ctx, c.ID); err != nil {
		return err
	}
	if err := tx.InsertContact(ctx, c); err != nil {
		return err
	}
	switch k {
	case ServiceAccount:
		b.token.CreatedBy, b.token.CreatedAt, b.token.ExpiresAt = c.Person, now, now.Add(24*time.Hour)
		b.token.LastUsedAt = now
		tx.Gains(relation.OfAPIToken(b.token)...)
		return tx.InsertAPIToken(ctx, b.token)
	case NoLogin:
		var err error
		b.Invitation, err = mail(ctx, tx, c.ID, domain.LinkInvitation, c.Email)
		return err
	}
	return nil
}

// Change writes the row of a kind's contact as edit leaves it, through the change engine and past every right.
func (a *Account) Change(t testing.TB, k Kind, edit func(*domain.Contact)) {
	t.Helper()
	a.do(t, func(ctx context.Context, tx *change.Tx) error {
		id := a.Contacts[k.contact()].ID
		c, err := tx.Contact(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.Touch(ctx, id); err != nil {
			return err
		}
		edit(&c)
		return tx.UpdateContact(ctx, c)
	})
}

// Mail makes a link as it is mailed to an address of a kind's contact, and returns its secret.
func (a *Account) Mail(t testing.TB, k Kind, kind domain.LinkKind, email string) (secret string) {
	t.Helper()
	a.do(t, func(ctx context.Context, tx *change.Tx) (err error) {
		secret, err = mail(ctx, tx, a.Contacts[k.contact()].ID, kind, email)
		return err
	})
	return secret
}

func mail(ctx context.Context, tx *change.Tx, to domain.ContactID, kind domain.LinkKind, email string) (secret string, err error) {
	secret = string(domain.NewID[domain.LinkID]())
	hash := sha256.Sum256([]byte(secret))
	return secret, tx.InsertLink(ctx, domain.Link{
		ID: domain.NewID[domain.LinkID](), Kind: kind, ContactID: to, Email: email, Hash: hash[:],
		CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(24 * time.Hour),
	})
}

func (a *Account) do(t testing.TB, fn func(context.Context, *change.Tx) error) {
	t.Helper()
	req := change.Request{Actor: service.Operator, Operation: "change_world", Scopes: []string{string(a.Key), authz.GlobalScope}}
	_, err := a.world.Changes.Do(t.Context(), req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		tx.AuthorisedBy("a test changes its world")
		return change.Result{}, fn(ctx, tx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Row returns the present row of a kind's contact, and whether it is there.
func (a *Account) Row(t testing.TB, k Kind) (domain.Contact, bool) {
	t.Helper()
	return a.world.ContactRow(t, a.Contact(k))
}

// Rows returns everything that the database has of the account, as text: two equal texts mean that nothing was changed. That
// staff have looked at it is no change.
func (a *Account) Rows(t testing.TB) (text string) {
	t.Helper()
	a.world.View(t, func(ctx context.Context, tx *store.Tx) error {
		account, err := tx.Account(ctx, a.Key)
		if err != nil {
			return err
		}
		contacts, err := tx.ContactsOfAccount(ctx, a.Key)
		if err != nil {
			return err
		}
		slices.SortFunc(contacts, func(x, y domain.Contact) int { return cmp.Compare(x.ID, y.ID) })
		ids := make([]domain.ContactID, len(contacts))
		for i, c := range contacts {
			ids[i] = c.ID
		}
		links, err := tx.LinksOfContacts(ctx, ids)
		if err != nil {
			return err
		}
		tokens, err := tx.TokensOfContacts(ctx, ids)
		if err != nil {
			return err
		}
		for _, list := range tokens {
			for i := range list {
				list[i].LastUsedAt = time.Time{} // to use a token is no change
			}
		}
		entries, err := tx.AuditPage(ctx, []domain.AccountID{a.Key}, store.AuditQuery{Page: store.Page{Limit: store.MaxPage}, Order: store.Order{Field: store.OrderAt}})
		if err != nil {
			return err
		}
		written := slices.DeleteFunc(entries[a.Key], func(e domain.AuditEntry) bool { return e.Action == relation.ViewAccount })
		text = fmt.Sprintf("%+v\n%+v\n%+v\n%+v\n%+v", account, contacts, links, tokens, written)
		return nil
	})
	return text
}
