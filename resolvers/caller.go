package resolvers

import (
	"context"
	"errors"

	"steward/graph/model"
	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers/node"
)

// maxMails is how many messages the demo's mailbox shows.
const maxMails = 50

// mailbox returns the mail to the caller's address, once the sign-in provider vouches that it is theirs; nil outside the demo.
func (r *Resolver) mailbox(ctx context.Context) ([]*model.DemoMail, error) {
	caller := actor(ctx)
	if !r.Demo {
		return nil, nil
	}
	if !caller.EmailVerified || caller.Email == "" || caller.TokenID != "" { // a token may be narrower than what the links open
		return []*model.DemoMail{}, nil
	}
	mails, err := view(ctx, r.DB, func(tx *store.Tx) ([]domain.Mail, error) { return tx.MailsTo(ctx, caller.Email, maxMails) })
	out := make([]*model.DemoMail, len(mails))
	for i, m := range mails {
		out[i] = &model.DemoMail{ID: domain.GlobalID("DemoMail", m.ID), To: m.To, Subject: m.Subject, Text: m.Text, CreatedAt: m.CreatedAt}
	}
	return out, err
}

// changeOf returns a change that the caller made, nil for any other id.
func (r *Resolver) changeOf(ctx context.Context, global string) (*model.Change, error) {
	id, err := idOf[domain.ChangeID](node.TypeChange, global)
	if err != nil {
		return nil, nil
	}
	e, err := view(ctx, r.DB, func(tx *store.Tx) (store.OutboxEntry, error) { return tx.OutboxEntryByID(ctx, id) })
	if errors.Is(err, store.ErrNotFound) || (err == nil && e.Actor != actor(ctx).Person.String()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &model.Change{ID: global, Operation: e.Operation, Effective: !e.AppliedAt.IsZero(), CreatedAt: e.CreatedAt}, nil
}
