package service

import (
	"context"
	"errors"
	"slices"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// SignIn returns who a verified login is. A login that was never seen becomes a user without any right.
func (s *Service) SignIn(ctx context.Context, login store.Login) (domain.Actor, error) {
	u, err := s.DB.SignIn(ctx, login, s.Now())
	if err != nil {
		return domain.Actor{}, domain.Unavailable("database", err)
	}
	var actor domain.Actor
	err = s.DB.View(ctx, func(tx *store.Tx) (err error) {
		actor, err = s.personActor(ctx, tx, domain.UserPerson(u.ID))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return domain.Actor{}, domain.Unauthenticated()
	}
	if err != nil {
		return domain.Actor{}, domain.Unavailable("database", err)
	}
	return actor, nil
}

// personActor returns the actor that an enabled person is, or ErrNotFound.
func (s *Service) personActor(ctx context.Context, tx *store.Tx, p domain.Person) (domain.Actor, error) {
	if p.Kind == domain.PersonServiceAccount {
		sa, err := tx.ServiceAccount(ctx, domain.ServiceAccountID(p.ID))
		if err != nil || sa.Disabled {
			return domain.Actor{}, errors.Join(err, store.ErrNotFound)
		}
		return domain.Actor{Person: p, Name: sa.Name}, nil
	}
	u, err := tx.User(ctx, domain.UserID(p.ID))
	if err != nil {
		return domain.Actor{}, err
	}
	if u.Disabled {
		return domain.Actor{}, store.ErrNotFound
	}
	roles, err := tx.StaffRoles(ctx, u.ID)
	name := u.Name
	if name == "" {
		name = u.Email
	}
	return domain.Actor{Person: p, Name: name, Email: u.Email, EmailVerified: u.EmailVerified, Staff: roles}, err
}

// Operator is who runs a command on the data directory or the database. The audit log names them; no request over the network can be one.
var Operator = domain.Actor{Person: domain.Person{Kind: "operator", ID: "local"}, Name: "operator of this installation"}

// byOperator carries out a change that access to the data directory or the database authorises.
func (s *Service) byOperator(ctx context.Context, operation string, scopes []string, fn func(context.Context, *change.Tx) error) error {
	_, err := s.do(ctx, change.Request{Actor: Operator, Operation: operation, Scopes: scopes}, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		tx.AuthorisedBy("access to the data directory or the database")
		return change.Result{}, fn(ctx, tx)
	})
	return err
}

// SetStaff makes the user of a login one of the provider's people, or ends that. The user need not have signed in before.
func (s *Service) SetStaff(ctx context.Context, login store.Login, role domain.StaffRole, on bool) (domain.User, error) {
	if role != domain.StaffSupport && role != domain.StaffAccounting {
		return domain.User{}, domain.Invalid("role", "A staff role is support or accounting.")
	}
	u, err := s.DB.SignIn(ctx, login, s.Now())
	if err != nil {
		return domain.User{}, err
	}
	operation := map[bool]string{true: "grant_staff_role", false: "revoke_staff_role"}[on]
	return u, s.byOperator(ctx, operation, []string{authz.GlobalScope}, func(ctx context.Context, tx *change.Tx) error {
		entry := domain.AuditEntry{TargetKind: "user", TargetID: string(u.ID), TargetName: u.Email}
		if on {
			entry.After = map[string]string{"staffRole": string(role)}
			if now, err := tx.User(ctx, u.ID); err != nil {
				return err
			} else if !now.Disabled { // who is gains it when they are enabled
				tx.Gains(relation.OfStaff(u.ID, role)...)
			}
			tx.Audit(entry)
			return tx.SetStaff(ctx, u.ID, role)
		}
		entry.Before = map[string]string{"staffRole": string(role)}
		tx.Loses(relation.OfStaff(u.ID, role)...)
		tx.Audit(entry)
		return tx.RemoveStaff(ctx, u.ID, role)
	})
}

// SetUserDisabled ends, or restores, everything that a user may do: as a contact of any account, as staff, by token.
func (s *Service) SetUserDisabled(ctx context.Context, id domain.UserID, off bool) error {
	var contacts []domain.Contact
	err := s.DB.View(ctx, func(tx *store.Tx) (err error) {
		contacts, err = tx.ContactsOfPerson(ctx, domain.UserPerson(id))
		return err
	})
	if err != nil {
		return err
	}
	scopes := []string{authz.GlobalScope}
	for _, c := range contacts {
		scopes = append(scopes, string(c.AccountID))
	}
	operation := map[bool]string{true: "disable_user", false: "enable_user"}[off]
	return s.byOperator(ctx, operation, scopes, func(ctx context.Context, tx *change.Tx) error {
		now, err := tx.ContactsOfPerson(ctx, domain.UserPerson(id))
		if err != nil {
			return err
		}
		for _, c := range now {
			if !slices.Contains(scopes, string(c.AccountID)) {
				return domain.Conflict("", "The user has become a contact of another account meanwhile: run this again.")
			}
			if err := tx.Touch(ctx, c.ID); err != nil {
				return err
			}
			tx.Audit(audited(c, nil, map[string]string{"login": map[bool]string{true: "disabled", false: "enabled"}[off]}))
		}
		roles, err := tx.StaffRoles(ctx, id)
		if err != nil {
			return err
		}
		for _, role := range roles {
			if off {
				tx.Loses(relation.OfStaff(id, role)...)
			} else {
				tx.Gains(relation.OfStaff(id, role)...)
			}
		}
		tx.Audit(domain.AuditEntry{TargetKind: "user", TargetID: string(id)})
		return tx.SetUserDisabled(ctx, id, off)
	})
}
