package resolvers

import (
	"context"
	"errors"

	"steward/graph/model"
	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/service"
	"steward/internal/store"
	"steward/resolvers/node"
)

// A mutation hands what the service answered to one of the functions below, which build its payload:
//
//	return r.contactPayload(ctx)(r.Service.LeaveAccount(ctx, actor(ctx), id, in))

func actor(ctx context.Context) domain.Actor { return authz.ActorFrom(ctx) }

// outcome sorts out what a service answered. What the caller can mend goes into the payload and done is false; any other
// error comes back.
func outcome(res change.Result, err error) (o node.Outcome, done bool, _ error) {
	o.UserErrors = []*node.UserError{}
	if err == nil {
		if res.AuditID != "" {
			id := domain.GlobalID(node.TypeAuditEntry, res.AuditID)
			o.AuditID = &id
		}
		return o, true, nil
	}
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || (e.Code != domain.CodeBadUserInput && e.Code != domain.CodeConflict) {
		return o, false, err
	}
	mend := &node.UserError{Code: string(e.Code), Message: e.Message}
	if e.Field != "" {
		mend.Field = &e.Field
	}
	o.UserErrors = append(o.UserErrors, mend)
	return o, false, nil
}

// row reads the changed object, nil when it is gone.
func row[R, N any](ctx context.Context, r *Resolver, get func(tx *store.Tx) (R, error), wrap func(R) *N) (*N, error) {
	var out *N
	err := r.DB.View(ctx, func(tx *store.Tx) error {
		v, err := get(tx)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		out = wrap(v)
		return nil
	})
	return out, err
}

func (r *Resolver) accountPayload(ctx context.Context) func(change.Result, error) (*node.AccountPayload, error) {
	return func(res change.Result, err error) (*node.AccountPayload, error) {
		o, done, err := outcome(res, err)
		if err != nil || !done {
			return &node.AccountPayload{Outcome: o}, err
		}
		a, err := row(ctx, r, func(tx *store.Tx) (domain.Account, error) { return tx.Account(ctx, domain.AccountID(res.ID)) }, node.NewAccount)
		return &node.AccountPayload{Outcome: o, Account: a}, err
	}
}

func (r *Resolver) contactPayload(ctx context.Context) func(change.Result, error) (*node.ContactPayload, error) {
	return func(res change.Result, err error) (*node.ContactPayload, error) {
		o, done, err := outcome(res, err)
		if err != nil || !done {
			return &node.ContactPayload{Outcome: o}, err
		}
		c, err := row(ctx, r, func(tx *store.Tx) (domain.Contact, error) { return tx.Contact(ctx, domain.ContactID(res.ID)) }, node.NewContact)
		return &node.ContactPayload{Outcome: o, Contact: c}, err
	}
}

func gonePayload(res change.Result, err error) (*node.GonePayload, error) {
	o, done, err := outcome(res, err)
	p := &node.GonePayload{Outcome: o}
	if done {
		id := domain.GlobalID(node.TypeContact, domain.ContactID(res.ID))
		p.ContactID = &id
	}
	return p, err
}

func (r *Resolver) tokenPayload(ctx context.Context) func(change.Result, error) (*node.TokenPayload, error) {
	return func(res change.Result, err error) (*node.TokenPayload, error) {
		o, done, err := outcome(res, err)
		if err != nil || !done {
			return &node.TokenPayload{Outcome: o}, err
		}
		t, err := row(ctx, r, func(tx *store.Tx) (domain.APIToken, error) { return tx.APIToken(ctx, domain.APITokenID(res.ID)) }, node.NewAPIToken)
		p := &node.TokenPayload{Outcome: o, APIToken: t}
		if res.Secret != "" {
			p.Secret = &res.Secret
		}
		return p, err
	}
}

func (r *Resolver) jobPayload(ctx context.Context) func(change.Result, error) (*node.JobPayload, error) {
	return func(res change.Result, err error) (*node.JobPayload, error) {
		o, done, err := outcome(res, err)
		if err != nil || !done {
			return &node.JobPayload{Outcome: o}, err
		}
		j, err := row(ctx, r, func(tx *store.Tx) (domain.Job, error) { return tx.Job(ctx, domain.JobID(res.ID)) }, node.NewImportJob)
		return &node.JobPayload{Outcome: o, Job: j}, err
	}
}

// contactChange is the input of mutations that take a contact and at most a reason.
func contactChange(reason, idempotencyKey *string) service.ContactChange {
	return service.ContactChange{Reason: text(reason), IdempotencyKey: text(idempotencyKey)}
}

func staffRequest(in *model.StaffRequestInput) *service.StaffRequest {
	if in == nil {
		return nil
	}
	return &service.StaffRequest{Reference: in.Reference, Reason: in.Reason}
}

// scopeOf reads what a token is narrowed to. An empty list would narrow nothing, which nobody who writes one means.
func scopeOf(in *model.TokenScopeInput) (domain.Scope, error) {
	var s domain.Scope
	if in == nil {
		return s, nil
	}
	if in.Permissions != nil && len(in.Permissions) == 0 {
		return s, domain.Invalid("scope.permissions", "Name at least one permission, or leave the list out to narrow nothing.")
	}
	if in.AccountIds != nil && len(in.AccountIds) == 0 {
		return s, domain.Invalid("scope.accountIds", "Name at least one account, or leave the list out to narrow nothing.")
	}
	s.Permissions = in.Permissions
	for _, global := range in.AccountIds {
		id, err := idOf[domain.AccountID](node.TypeAccount, global)
		if err != nil {
			return s, err
		}
		s.Accounts = append(s.Accounts, id)
	}
	return s, nil
}
