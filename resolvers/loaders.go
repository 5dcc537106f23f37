package resolvers

import (
	"context"
	"time"

	"steward/graph/model"
	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers/node"
)

// maxOwnTokens is how many of their own tokens a caller is shown.
const maxOwnTokens = 100

// Loaders returns how each field that leads to other objects is loaded, for all objects of a level at once: its key is
// "Type.field". The engine runs them; now tells which invitations are open.
func Loaders(db *store.DB, now func() time.Time) map[string]authz.Loader {
	l := &loaders{db, now}
	return map[string]authz.Loader{
		"Viewer.accounts":    l.accounts,
		"Viewer.contacts":    authz.Lists(l.ownContacts, answerList),
		"Viewer.apiTokens":   authz.Lists(l.ownTokens, answerList),
		"Account.owner":      authz.Ones(l.owners, missing),
		"Account.contacts":   l.contacts,
		"Account.auditLog":   l.auditLog,
		"Contact.account":    authz.Ones(l.accountsOf, missing),
		"Contact.apiTokens":  authz.Lists(l.tokensOf, answerList),
		"Contact.invitation": authz.Ones(l.invitations, missing),
	}
}

type loaders struct {
	db  *store.DB
	now func() time.Time
}

// missing reports whether nothing was found.
func missing[N any](n *N) bool { return n == nil }

// answerList answers a list as it is, empty and not null.
func answerList[N any](list []*N) any { return node.OrEmpty(list) }

// view reads rows of one snapshot.
func view[V any](ctx context.Context, db *store.DB, read func(tx *store.Tx) (V, error)) (V, error) {
	var out V
	err := db.View(ctx, func(tx *store.Tx) (err error) {
		out, err = read(tx)
		return err
	})
	return out, err
}

// keysOf returns a key of each parent, in their order.
func keysOf[N authz.Object, K any](parents []authz.Object, key func(N) K) []K {
	out := make([]K, len(parents))
	for i, p := range parents {
		out[i] = key(p.(N))
	}
	return out
}

func accountID(a *node.Account) domain.AccountID      { return a.Account.ID }
func contactID(c *node.Contact) domain.ContactID      { return c.Contact.ID }
func contactAccount(c *node.Contact) domain.AccountID { return c.AccountID }

// eachOne makes a node for each key that a row was found for, and nil for the others.
func eachOne[K comparable, R, N any](keys []K, rows map[K]R, wrap func(R) *N) []*N {
	out := make([]*N, len(keys))
	for i, k := range keys {
		if r, ok := rows[k]; ok {
			out[i] = wrap(r)
		}
	}
	return out
}

// eachList makes a node of its own for each row in each place: what is known of a node belongs to its place.
func eachList[K comparable, R, N any](keys []K, rows map[K][]R, wrap func(R) *N) [][]*N {
	out := make([][]*N, len(keys))
	for i, k := range keys {
		for _, r := range rows[k] {
			out[i] = append(out[i], wrap(r))
		}
	}
	return out
}

func (l *loaders) owners(ctx context.Context, parents []authz.Object) ([]*node.Contact, error) {
	ids := keysOf(parents, accountID)
	rows, err := view(ctx, l.db, func(tx *store.Tx) (map[domain.AccountID]domain.Contact, error) { return tx.OwnersOf(ctx, ids) })
	return eachOne(ids, rows, node.NewContact), err
}

func (l *loaders) accountsOf(ctx context.Context, parents []authz.Object) ([]*node.Account, error) {
	ids := keysOf(parents, contactAccount)
	rows, err := view(ctx, l.db, func(tx *store.Tx) (map[domain.AccountID]domain.Account, error) { return tx.Accounts(ctx, ids) })
	return eachOne(ids, rows, node.NewAccount), err
}

func (l *loaders) tokensOf(ctx context.Context, parents []authz.Object) ([][]*node.APIToken, error) {
	ids := keysOf(parents, contactID)
	rows, err := view(ctx, l.db, func(tx *store.Tx) (map[domain.ContactID][]domain.APIToken, error) {
		return tx.TokensOfContacts(ctx, ids)
	})
	return eachList(ids, rows, node.NewAPIToken), err
}

// invitations finds the newest open invitation of each contact.
func (l *loaders) invitations(ctx context.Context, parents []authz.Object) ([]*node.Invitation, error) {
	ids := keysOf(parents, contactID)
	rows, err := view(ctx, l.db, func(tx *store.Tx) (map[domain.ContactID][]domain.Link, error) { return tx.LinksOfContacts(ctx, ids) })
	if err != nil {
		return nil, err
	}
	now := l.now()
	out := make([]*node.Invitation, len(parents))
	for i, p := range parents {
		for _, link := range rows[ids[i]] {
			if link.Kind == domain.LinkInvitation && link.Open(now) {
				out[i] = node.NewInvitation(p.(*node.Contact), link)
				break
			}
		}
	}
	return out, nil
}

func (l *loaders) ownContacts(ctx context.Context, parents []authz.Object) ([][]*node.Contact, error) {
	rows, err := view(ctx, l.db, func(tx *store.Tx) ([]domain.Contact, error) {
		return tx.ContactsOfPerson(ctx, authz.ActorFrom(ctx).Person)
	})
	out := make([][]*node.Contact, len(parents))
	for i := range parents {
		for _, c := range rows {
			if c.State == domain.ContactActive {
				out[i] = append(out[i], node.NewContact(c))
			}
		}
	}
	return out, err
}

func (l *loaders) ownTokens(ctx context.Context, parents []authz.Object) ([][]*node.APIToken, error) {
	rows, err := view(ctx, l.db, func(tx *store.Tx) ([]domain.APIToken, error) {
		return tx.TokensOfPerson(ctx, authz.ActorFrom(ctx).Person)
	})
	out := make([][]*node.APIToken, len(parents))
	for i := range parents {
		for _, t := range rows[:min(len(rows), maxOwnTokens)] {
			out[i] = append(out[i], node.NewAPIToken(t))
		}
	}
	return out, err
}

// pages begins to load connections, or fails every one of them by its arguments.
func pages[T authz.Object](e *authz.Engine, parents int, spec authz.PageSpec[T]) authz.Batch {
	b, err := authz.Pages(e, parents, spec)
	if err != nil {
		return authz.Failed(err)
	}
	return b
}

func accountConnection(p authz.Page[*node.Account]) any {
	c := &model.AccountConnection{Edges: make([]*model.AccountEdge, len(p.Rows)), PageInfo: pageInfo(p), TotalCount: p.Total}
	for i, n := range p.Rows {
		c.Edges[i] = &model.AccountEdge{Cursor: p.Cursors[i], Node: n}
	}
	return c
}

func contactConnection(p authz.Page[*node.Contact]) any {
	c := &model.ContactConnection{Edges: make([]*model.ContactEdge, len(p.Rows)), PageInfo: pageInfo(p), TotalCount: p.Total}
	for i, n := range p.Rows {
		c.Edges[i] = &model.ContactEdge{Cursor: p.Cursors[i], Node: n}
	}
	return c
}

func auditConnection(p authz.Page[*node.AuditEntry]) any {
	c := &model.AuditEntryConnection{Edges: make([]*model.AuditEntryEdge, len(p.Rows)), PageInfo: pageInfo(p), TotalCount: p.Total}
	for i, n := range p.Rows {
		c.Edges[i] = &model.AuditEntryEdge{Cursor: p.Cursors[i], Node: n}
	}
	return c
}
