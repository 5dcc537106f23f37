package service

import (
	"context"
	"errors"
	"strings"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

var platform = authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}

// CreateAccount creates an account with its first owner, who is invited by mail. It needs create_account.
func (s *Service) CreateAccount(ctx context.Context, actor domain.Actor, in CreateAccount) (change.Result, error) {
	a := domain.Account{
		ID: domain.NewID[domain.AccountID](), Name: tidy(in.Name), Website: tidy(in.Website), Phone: tidy(in.Phone), Address: strings.TrimSpace(in.Address),
	}
	owner := domain.Contact{
		ID: domain.NewID[domain.ContactID](), AccountID: a.ID, FirstName: tidy(in.Owner.FirstName), LastName: tidy(in.Owner.LastName),
		Email: tidy(in.Owner.Email), Phone: tidy(in.Owner.Phone), Owner: true, State: domain.ContactActive,
	}
	req := change.Request{Actor: actor, Operation: relation.CreateAccount, Scopes: []string{string(a.ID)}, IdempotencyKey: in.IdempotencyKey, Input: in}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(platform, relation.CreateAccount)); err != nil {
			return change.Result{}, err
		}
		if err := errors.Join(checkAccount(a), checkContact("owner.", owner), in.StaffRequest.check(true)); err != nil {
			return change.Result{}, first(err)
		}
		if err := s.insertAccount(ctx, tx, &a); err != nil {
			return change.Result{}, err
		}
		if err := s.insertContact(ctx, tx, &owner); err != nil {
			return change.Result{}, err
		}
		if err := s.invite(ctx, tx, owner, a); err != nil {
			return change.Result{}, err
		}
		id := tx.Audit(in.StaffRequest.record(domain.AuditEntry{
			AccountID: a.ID, TargetKind: "account", TargetID: string(a.ID), TargetName: a.Name,
			After: map[string]string{"name": a.Name, "owner": owner.Name()},
		}))
		return change.Result{ID: string(a.ID), AuditID: id}, nil
	})
}

func (s *Service) insertAccount(ctx context.Context, tx *change.Tx, a *domain.Account) error {
	a.CreatedAt, a.UpdatedAt = tx.Now(), tx.Now()
	err := tx.InsertAccount(ctx, *a)
	if errors.Is(err, store.ErrDuplicate) {
		return domain.Conflict("name", "An account of this name exists: use it, or give this one a name that tells them apart.")
	}
	tx.Gains(relation.OfAccount(a.ID)...)
	return err
}

// EditAccount changes an account's profile. It needs edit_account.
func (s *Service) EditAccount(ctx context.Context, actor domain.Actor, id domain.AccountID, in EditAccount) (change.Result, error) {
	req := change.Request{Actor: actor, Operation: relation.EditAccount, Scopes: []string{string(id)}, IdempotencyKey: in.IdempotencyKey, Input: withID(id, in)}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(accountRef(id), relation.EditAccount)); err != nil {
			return change.Result{}, err
		}
		a, err := tx.Account(ctx, id)
		if err != nil {
			return change.Result{}, err
		}
		was := a
		d := diff{}
		d.set("name", &a.Name, in.Name)
		d.set("website", &a.Website, in.Website)
		d.set("phone", &a.Phone, in.Phone)
		d.set("address", &a.Address, in.Address)
		if err := checkAccount(a); err != nil {
			return change.Result{}, err
		}
		if d.empty() {
			return change.Result{ID: string(id)}, nil
		}
		a.UpdatedAt = tx.Now()
		if err := tx.UpdateAccount(ctx, a); errors.Is(err, store.ErrDuplicate) {
			return change.Result{}, domain.Conflict("name", "Another account has this name: choose one that tells them apart.")
		} else if err != nil {
			return change.Result{}, err
		}
		audit := tx.Audit(domain.AuditEntry{AccountID: id, TargetKind: "account", TargetID: string(id), TargetName: was.Name, Before: d.before, After: d.after})
		return change.Result{ID: string(id), AuditID: audit}, nil
	})
}

// TransferOwnership hands an account on from its owner. It needs transfer_ownership.
func (s *Service) TransferOwnership(ctx context.Context, actor domain.Actor, id domain.AccountID, in TransferOwnership) (change.Result, error) {
	return s.handOn(ctx, actor, id, in, relation.TransferOwnership, false)
}

// ReassignOwnership makes another contact the owner when the owner has gone. It needs reassign_ownership.
func (s *Service) ReassignOwnership(ctx context.Context, actor domain.Actor, id domain.AccountID, in TransferOwnership) (change.Result, error) {
	return s.handOn(ctx, actor, id, in, relation.ReassignOwnership, true)
}

func (s *Service) handOn(ctx context.Context, actor domain.Actor, id domain.AccountID, in TransferOwnership, operation string, staff bool) (change.Result, error) {
	req := change.Request{Actor: actor, Operation: operation, Scopes: []string{string(id)}, IdempotencyKey: in.IdempotencyKey, Input: withID(id, in)}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(accountRef(id), operation)); err != nil {
			return change.Result{}, err
		}
		if err := in.StaffRequest.check(staff); err != nil {
			return change.Result{}, err
		}
		to, err := tx.Contact(ctx, in.To)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return change.Result{}, err
		}
		if err != nil || to.AccountID != id {
			return change.Result{}, domain.Invalid("toContactId", "This is not a contact of the account: take the id of one of its contacts.")
		}
		from, err := tx.Owner(ctx, id)
		if err != nil {
			return change.Result{}, err
		}
		switch {
		case to.Owner:
			return change.Result{}, domain.Conflict("toContactId", "This contact is the owner already.")
		case to.Person == actor.Person:
			return change.Result{}, domain.Forbidden(operation, "own_contact") // nobody raises their own permissions
		case to.Person.Kind != domain.PersonUser || !to.Effective():
			return change.Result{}, domain.Conflict("toContactId", "The owner must be an active contact with a login: have the invitation accepted first, or choose another.")
		}
		if err := tx.Touch(ctx, from.ID, to.ID); err != nil {
			return change.Result{}, err
		}
		from.Owner, to.Owner = false, true
		from.UpdatedAt, to.UpdatedAt = tx.Now(), tx.Now()
		for _, c := range []domain.Contact{from, to} { // the former first: an account never has two
			if err := tx.UpdateContact(ctx, c); err != nil {
				return change.Result{}, err
			}
		}
		a, err := tx.Account(ctx, id)
		if err != nil {
			return change.Result{}, err
		}
		audit := tx.Audit(in.StaffRequest.record(domain.AuditEntry{
			AccountID: id, TargetKind: "account", TargetID: string(id), TargetName: a.Name,
			Before: map[string]string{"owner": from.Name()}, After: map[string]string{"owner": to.Name()},
		}))
		return change.Result{ID: string(id), AuditID: audit}, nil
	})
}

func checkAccount(a domain.Account) error {
	return first(errors.Join(
		domain.CheckLine("name", a.Name, 1, domain.MaxAccountName),
		domain.CheckWebsite("website", a.Website),
		domain.CheckPhone("phone", a.Phone),
		domain.CheckText("address", a.Address, 0, domain.MaxAddress),
	))
}
