package resolvers

import (
	"context"
	"errors"
	"time"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers/node"
)

// The arguments of a connection are read here as they stand in the query, before its resolver runs.

type accountsArgs struct {
	authz.PageArgs
	Filter *struct {
		NameContains *string `json:"nameContains"`
	} `json:"filter"`
	OrderBy *orderArg `json:"orderBy"`
}

func (a accountsArgs) query(actor domain.Actor) (store.AccountQuery, error) {
	q := store.AccountQuery{All: len(actor.Staff) > 0, Person: actor.Person, Order: storeOrder(a.OrderBy, store.OrderName)}
	if a.Filter == nil {
		return q, nil
	}
	q.NameContains = text(a.Filter.NameContains)
	return q, checkContains(a.Filter.NameContains)
}

// accounts loads the accounts that the caller is a contact of; for staff, all.
func (l *loaders) accounts(ctx context.Context, e *authz.Engine, parents []authz.Object, f authz.Field) authz.Batch {
	var args accountsArgs
	if err := f.Args(&args); err != nil {
		return authz.Failed(err)
	}
	q, err := args.query(authz.ActorFrom(ctx))
	if err != nil {
		return authz.Failed(err)
	}
	place := func(a domain.Account) store.Keyset { return store.AccountKeyset(a, q.Order) }
	const own = 0 // every parent is the caller: there is one list
	return pages(e, len(parents), authz.PageSpec[*node.Account]{
		Field: f, Args: args.PageArgs, Order: orderName(q.Order), Total: f.Selects("totalCount"),
		Requires: requires(e, "AccountFilter", f), Lookup: node.TypeAccount,
		Fetch: func(ctx context.Context, at []int, s authz.Slice) ([][]*node.Account, error) {
			rows, err := view(ctx, l.db, func(tx *store.Tx) (map[int][]domain.Account, error) {
				return readSlice([]int{own}, s, func(_ []int, p store.Page) (map[int][]domain.Account, error) {
					q := q
					q.Page, q.IDs = p, idsOf[domain.AccountID](s)
					rows, err := tx.AccountsPage(ctx, q)
					return map[int][]domain.Account{own: rows}, err
				}, place)
			})
			return eachList(make([]int, len(at)), rows, node.NewAccount), badCursor(err)
		},
		Cursor: func(n *node.Account) authz.Cursor { return cursorAt(q.Order, place(n.Account)) },
		Answer: accountConnection,
	})
}

type contactsArgs struct {
	authz.PageArgs
	Filter *struct {
		NameContains *string              `json:"nameContains"`
		AccountType  *string              `json:"accountType"`
		Email        *string              `json:"email"`
		Permission   *string              `json:"permission"`
		State        *domain.ContactState `json:"state"`
	} `json:"filter"`
	OrderBy *orderArg `json:"orderBy"`
}

func (a contactsArgs) query() (store.ContactQuery, error) {
	q := store.ContactQuery{Order: storeOrder(a.OrderBy, store.OrderLastName)}
	f := a.Filter
	if f == nil {
		return q, nil
	}
	q.NameContains, q.Email, q.State = text(f.NameContains), f.Email, f.State
	if f.AccountType != nil {
		t, ok := domain.ParseAccountType(*f.AccountType)
		if !ok {
			return q, domain.Invalid("filter.accountType", "There is no such account type.")
		}
		q.Type = &t
	}
	if f.Permission != nil {
		p, ok := domain.ParsePermission(*f.Permission)
		if !ok {
			return q, domain.Invalid("filter.permission", "There is no such permission.")
		}
		q.Permission = &p
	}
	return q, checkContains(f.NameContains)
}

// contacts loads the contacts of all accounts of a level.
func (l *loaders) contacts(_ context.Context, e *authz.Engine, parents []authz.Object, f authz.Field) authz.Batch {
	var args contactsArgs
	if err := f.Args(&args); err != nil {
		return authz.Failed(err)
	}
	q, err := args.query()
	if err != nil {
		return authz.Failed(err)
	}
	ids := keysOf(parents, accountID)
	place := func(c domain.Contact) store.Keyset { return store.ContactKeyset(c, q.Order) }
	return pages(e, len(parents), authz.PageSpec[*node.Contact]{
		Field: f, Args: args.PageArgs, Order: orderName(q.Order), Total: f.Selects("totalCount"),
		Requires: requires(e, "ContactFilter", f), Lookup: node.TypeContact,
		Fetch: func(ctx context.Context, at []int, s authz.Slice) ([][]*node.Contact, error) {
			some := pick(ids, at)
			rows, err := view(ctx, l.db, func(tx *store.Tx) (map[domain.AccountID][]domain.Contact, error) {
				return readSlice(some, s, func(ids []domain.AccountID, p store.Page) (map[domain.AccountID][]domain.Contact, error) {
					q := q
					q.Page, q.IDs = p, idsOf[domain.ContactID](s)
					return tx.ContactsPage(ctx, ids, q)
				}, place)
			})
			return eachList(some, rows, node.NewContact), badCursor(err)
		},
		Cursor: func(n *node.Contact) authz.Cursor { return cursorAt(q.Order, place(n.Contact)) },
		Answer: contactConnection,
	})
}

type auditArgs struct {
	authz.PageArgs
	Filter *struct {
		Action *string    `json:"action"`
		Since  *time.Time `json:"since"`
		Until  *time.Time `json:"until"`
	} `json:"filter"`
}

func (a auditArgs) query() store.AuditQuery {
	q := store.AuditQuery{Order: store.Order{Field: store.OrderAt, Descending: true}}
	if f := a.Filter; f != nil {
		q.Action = text(f.Action)
		if f.Since != nil {
			q.Since = *f.Since
		}
		if f.Until != nil {
			q.Until = *f.Until
		}
	}
	return q
}

// auditLog loads the audit log of all accounts of a level, the newest entries first.
func (l *loaders) auditLog(_ context.Context, e *authz.Engine, parents []authz.Object, f authz.Field) authz.Batch {
	var args auditArgs
	if err := f.Args(&args); err != nil {
		return authz.Failed(err)
	}
	ids, q := keysOf(parents, accountID), args.query()
	place := func(a domain.AuditEntry) store.Keyset { return store.AuditKeyset(a) }
	return pages(e, len(parents), authz.PageSpec[*node.AuditEntry]{
		Field: f, Args: args.PageArgs, Order: orderName(q.Order), Total: f.Selects("totalCount"),
		Requires: requires(e, "AuditLogFilter", f),
		Fetch: func(ctx context.Context, at []int, s authz.Slice) ([][]*node.AuditEntry, error) {
			some := pick(ids, at)
			rows, err := view(ctx, l.db, func(tx *store.Tx) (map[domain.AccountID][]domain.AuditEntry, error) {
				return readSlice(some, s, func(ids []domain.AccountID, p store.Page) (map[domain.AccountID][]domain.AuditEntry, error) {
					q := q
					q.Page = p
					return tx.AuditPage(ctx, ids, q)
				}, place)
			})
			return eachList(some, rows, node.NewAuditEntry), badCursor(err)
		},
		Cursor: func(n *node.AuditEntry) authz.Cursor { return cursorAt(q.Order, place(n.AuditEntry)) },
		Answer: auditConnection,
	})
}

// requires returns what the fields that a filter gives need on each row: it finds none that the caller could not check.
func requires(e *authz.Engine, input string, f authz.Field) []string {
	given, _ := f.RawArgs()["filter"].(map[string]any)
	return e.Policy().FilterNeeds(input, given)
}

// idsOf returns the ids that a slice is narrowed to, nil when it is not.
func idsOf[T ~string](s authz.Slice) []T {
	if s.IDs == nil {
		return nil
	}
	return typed[T](s.IDs)
}

func pick[T any](from []T, at []int) []T {
	out := make([]T, len(at))
	for i, k := range at {
		out[i] = from[k]
	}
	return out
}

// badCursor tells the caller of a cursor that was not given out. All else of a page has been checked before.
func badCursor(err error) error {
	if errors.Is(err, store.ErrBadPage) {
		return &domain.Error{
			Code: domain.CodeBadUserInput, Err: err,
			Message: "This is not a cursor of this list: take one from pageInfo or an edge of it.",
		}
	}
	return err
}
