package service

import (
	"context"
	"errors"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/identity"
	"steward/internal/relation"
	"steward/internal/store"
)

const day = 24 * time.Hour

// maxTokens bounds how many tokens that still count one person may have.
const maxTokens = 100

// CreateServiceAccount adds a program with a contact of its own to an account. It needs manage_service_accounts, and for
// each permission the right to give it.
func (s *Service) CreateServiceAccount(ctx context.Context, actor domain.Actor, account domain.AccountID, in CreateServiceAccount) (change.Result, error) {
	sa := domain.ServiceAccount{ID: domain.NewID[domain.ServiceAccountID](), AccountID: account, Name: tidy(in.Name)}
	c := domain.Contact{
		ID: domain.NewID[domain.ContactID](), AccountID: account, LastName: sa.Name, State: domain.ContactActive,
		Permissions: domain.PermissionsOf(in.Permissions...), Person: domain.ServiceAccountPerson(sa.ID),
	}
	req := change.Request{Actor: actor, Operation: "create_service_account", Scopes: []string{string(account)}, IdempotencyKey: in.IdempotencyKey, Input: withID(account, in)}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(accountRef(account), relation.ManageServiceAccounts)); err != nil {
			return change.Result{}, err
		}
		if err := domain.CheckLine("name", sa.Name, 1, domain.MaxName); err != nil {
			return change.Result{}, err
		}
		for _, p := range c.Permissions.List() {
			if err := s.requireDetail(ctx, tx, ask(accountRef(account), delegate[p]), "not_yours_to_give"); err != nil {
				return change.Result{}, err
			}
		}
		sa.CreatedAt = tx.Now()
		if err := tx.InsertServiceAccount(ctx, sa); err != nil {
			return change.Result{}, err
		}
		if err := s.insertContact(ctx, tx, &c); err != nil {
			return change.Result{}, err
		}
		return change.Result{ID: string(c.ID), AuditID: tx.Audit(added(c))}, nil
	})
}

// CreateServiceAccountToken makes an API token for a service account. It needs manage_service_accounts.
func (s *Service) CreateServiceAccountToken(ctx context.Context, actor domain.Actor, id domain.ContactID, in CreateToken) (change.Result, error) {
	plain := ContactChange{IdempotencyKey: in.IdempotencyKey}
	return s.onContact(ctx, actor, id, plain, relation.ManageServiceAccounts, "create_service_account_token", in, func(ctx context.Context, tx *change.Tx, c domain.Contact) (change.Result, error) {
		if c.Person.Kind != domain.PersonServiceAccount {
			return change.Result{}, domain.Conflict("contactId", "This contact is not a service account: people make their own tokens by createApiToken.")
		}
		t := domain.APIToken{Person: c.Person, AccountID: c.AccountID, ContactID: c.ID}
		return s.createToken(ctx, tx, t, in)
	})
}

// CreateAPIToken makes an API token with which a program acts for the actor.
func (s *Service) CreateAPIToken(ctx context.Context, actor domain.Actor, in CreateToken) (change.Result, error) {
	if actor.Person.Kind != domain.PersonUser || actor.TokenID != "" {
		err := domain.Forbidden("create_api_token", "needs_login")
		err.Message = "This needs a person who is signed in: a token cannot make another."
		return change.Result{}, err
	}
	req := change.Request{Actor: actor, Operation: "create_api_token", Scopes: []string{authz.ScopeOf(actor.Person)}, IdempotencyKey: in.IdempotencyKey, Input: in}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		tx.AuthorisedBy("the own login")
		return s.createToken(ctx, tx, domain.APIToken{Person: actor.Person}, in)
	})
}

func (s *Service) createToken(ctx context.Context, tx *change.Tx, t domain.APIToken, in CreateToken) (change.Result, error) {
	actor := tx.Actor()
	if err := domain.CheckLine("name", in.Name, 1, domain.MaxName); err != nil {
		return change.Result{}, err
	}
	if in.ExpiresInDays < 1 || in.ExpiresInDays > 366 {
		return change.Result{}, domain.Invalid("expiresInDays", "A token is good for 1 to 366 days.")
	}
	if err := s.checkScope(in.Scope, actor.Scope); err != nil {
		return change.Result{}, err
	}
	if err := s.roomForToken(ctx, tx, t.Person); err != nil {
		return change.Result{}, err
	}
	text, id, hash := identity.NewAPIToken()
	t.ID, t.Hash, t.Name, t.Scope = domain.APITokenID(id), hash, tidy(in.Name), in.Scope
	t.CreatedBy, t.CreatedAt, t.ExpiresAt = actor.Person, tx.Now(), tx.Now().Add(time.Duration(in.ExpiresInDays)*day)
	if actor.TokenID != "" { // a token may not outlive the one that made it
		maker, err := tx.APIToken(ctx, actor.TokenID)
		if err != nil {
			return change.Result{}, err
		}
		if maker.ExpiresAt.Before(t.ExpiresAt) {
			t.ExpiresAt = maker.ExpiresAt
		}
	}
	if err := tx.InsertAPIToken(ctx, t); err != nil {
		return change.Result{}, err
	}
	tx.Gains(relation.OfAPIToken(t)...)
	audit := tx.Audit(domain.AuditEntry{
		AccountID: t.AccountID, TargetKind: "api_token", TargetID: string(t.ID), TargetName: t.Name,
		After: map[string]string{"name": t.Name, "expiresAt": t.ExpiresAt.Format(time.RFC3339), "secret": "(not kept)"},
	})
	return change.Result{ID: string(t.ID), AuditID: audit, Secret: text}, nil
}

func (s *Service) roomForToken(ctx context.Context, tx *change.Tx, p domain.Person) error {
	usable, made, err := tx.CountTokens(ctx, p, tx.Now(), tx.Now().Add(-day))
	switch {
	case err != nil:
		return err
	case usable >= maxTokens:
		return domain.Conflict("", "There are 100 tokens that still count: revoke one first.")
	case made >= 2*maxTokens:
		return &domain.Error{Code: domain.CodeRateLimited, Message: "200 tokens were made within a day: go on tomorrow."}
	}
	return nil
}

// checkScope refuses a scope that names what the API does not have, or that is wider than the caller's own.
func (s *Service) checkScope(scope, callers domain.Scope) error {
	for _, p := range scope.Permissions {
		if !s.Authz.Policy().Knows(p) {
			return domain.Invalid("scope.permissions", "There is no permission "+p+": take a name as @can writes it, for example view_contacts.")
		}
	}
	if len(scope.Permissions) > 100 || len(scope.Accounts) > 100 {
		return domain.Invalid("scope", "A scope names at most 100 permissions and 100 accounts.")
	}
	if !scope.Within(callers) {
		return domain.Invalid("scope", "A token cannot make one that may more than itself: name a scope within its own.")
	}
	return nil
}

// RevokeAPIToken ends a token at once. It needs revoke_api_token.
func (s *Service) RevokeAPIToken(ctx context.Context, actor domain.Actor, id domain.APITokenID, in ContactChange) (change.Result, error) {
	at, err := s.Locate(ctx, authz.Ref{Type: relation.TypeAPIToken, ID: string(id)})
	if err != nil {
		return change.Result{}, err
	}
	req := change.Request{Actor: actor, Operation: relation.RevokeAPIToken, Scopes: []string{at.Scope()}, IdempotencyKey: in.IdempotencyKey, Input: id}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(at, relation.RevokeAPIToken)); err != nil {
			return change.Result{}, err
		}
		t, err := tx.APIToken(ctx, id)
		if err != nil {
			return change.Result{}, err
		}
		if !t.RevokedAt.IsZero() {
			return change.Result{ID: string(id)}, nil
		}
		if err := tx.RevokeAPIToken(ctx, id, tx.Now()); err != nil {
			return change.Result{}, err
		}
		audit := tx.Audit(domain.AuditEntry{AccountID: t.AccountID, TargetKind: "api_token", TargetID: string(id), TargetName: t.Name})
		return change.Result{ID: string(id), AuditID: audit}, nil
	})
}

// SignInToken returns who calls by an API token: the person that it acts for, narrowed by its scope.
func (s *Service) SignInToken(ctx context.Context, id domain.APITokenID, hash []byte) (domain.Actor, error) {
	var actor domain.Actor
	stale := false
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		t, err := tx.APIToken(ctx, id)
		if err != nil {
			return err
		}
		if !identity.SameHash(hash, t.Hash) || !t.Usable(s.Now()) {
			return store.ErrNotFound
		}
		stale = s.Now().Sub(t.LastUsedAt) >= time.Minute
		actor, err = s.personActor(ctx, tx, t.Person)
		actor.TokenID, actor.Scope = t.ID, t.Scope
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return domain.Actor{}, domain.Unauthenticated()
	}
	if err != nil {
		return domain.Actor{}, domain.Unavailable("database", err)
	}
	if stale {
		s.touchToken(ctx, id)
	}
	return actor, nil
}

// touchToken notes, to the minute, when a token was last used. It waits a moment at most for the database's writer, and a
// failure only goes to the log.
func (s *Service) touchToken(ctx context.Context, id domain.APITokenID) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	err := s.DB.Update(ctx, func(tx *store.Tx) error { return tx.TouchAPIToken(ctx, id, s.Now()) })
	if err != nil {
		s.Log.WarnContext(ctx, "last use of an API token not noted", "error", err)
	}
}

// TokenCounts returns UNAUTHENTICATED once the token that the actor came with was revoked or has expired.
func (s *Service) TokenCounts(ctx context.Context, actor domain.Actor) error {
	var t domain.APIToken
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		t, err = tx.APIToken(ctx, actor.TokenID)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && !t.Usable(s.Now()) {
		return domain.Unauthenticated()
	}
	return err
}
