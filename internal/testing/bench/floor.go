package main

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"steward/graph/generated"
	"steward/graph/model"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers/node"
)

// The floor: the same schema, rows and query without any guard. Nothing outside of this program is wired like it.

// unguarded lets every field pass, and answers yes to every permission.
func unguarded() generated.DirectiveRoot {
	return generated.DirectiveRoot{
		Can: func(ctx context.Context, _ any, next graphql.Resolver, _ string, _ *string) (any, error) {
			return next(ctx)
		},
		SignedIn: func(ctx context.Context, _ any, next graphql.Resolver) (any, error) { return next(ctx) },
		Answer:   func(context.Context, any, graphql.Resolver, string) (any, error) { return true, nil },
	}
}

// floor resolves what the page asks for straight from the rows.
type floor struct {
	generated.ResolverRoot
	db *store.DB
}

func (f floor) Query() generated.QueryResolver { return floorQuery{f.ResolverRoot.Query(), f.db} }
func (f floor) Account() generated.AccountResolver {
	return floorAccount{f.ResolverRoot.Account(), f.db}
}

type floorQuery struct {
	generated.QueryResolver
	db *store.DB
}

// Node loads an account.
func (f floorQuery) Node(ctx context.Context, global string) (node.Object, error) {
	_, id, _ := domain.ParseGlobalID(global)
	var found map[domain.AccountID]domain.Account
	err := f.db.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Accounts(ctx, []domain.AccountID{domain.AccountID(id)})
		return err
	})
	return node.NewAccount(found[domain.AccountID(id)]), err
}

type floorAccount struct {
	generated.AccountResolver
	db *store.DB
}

// Contacts loads a page, with one row more, as the real one does to know whether another page follows.
func (f floorAccount) Contacts(ctx context.Context, obj *node.Account, first *int, _ *string, _ *int, _ *string, _ *model.ContactFilter, _ *model.ContactOrder) (*model.ContactConnection, error) {
	var rows []domain.Contact
	err := f.db.View(ctx, func(tx *store.Tx) error {
		q := store.ContactQuery{Order: store.Order{Field: store.OrderLastName}, Page: store.Page{Limit: *first + 1}}
		got, err := tx.ContactsPage(ctx, []domain.AccountID{obj.Account.ID}, q)
		rows = got[obj.Account.ID]
		return err
	})
	out := &model.ContactConnection{PageInfo: &model.PageInfo{HasNextPage: len(rows) > *first}}
	for _, c := range rows[:min(len(rows), *first)] {
		out.Edges = append(out.Edges, &model.ContactEdge{Node: node.NewContact(c)})
	}
	return out, err
}
