package service

import (
	"context"

	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
)

// grant is the permission on the contact that one needs to grant or revoke a permission there. ADMIN is not among them.
var grant = map[domain.Permission]string{
	domain.ContactManagement: relation.GrantContactManagement,
	domain.CaseManagement:    relation.GrantCaseManagement,
	domain.Support:           relation.GrantSupport,
	domain.Billing:           relation.GrantBilling,
	domain.RenewContracts:    relation.GrantRenewContracts,
	domain.UpgradeContracts:  relation.GrantUpgradeContracts,
	domain.LicenseManagement: relation.GrantLicenseManagement,
}

// GrantPermission grants a permission to a contact. It needs grant_permission, and to hold what is granted.
func (s *Service) GrantPermission(ctx context.Context, actor domain.Actor, id domain.ContactID, p domain.Permission, in ContactChange) (change.Result, error) {
	return s.setPermission(ctx, actor, id, p, in, relation.GrantPermission, "grant_permission", true)
}

// RevokePermission takes a permission away. It needs what granting it needs.
func (s *Service) RevokePermission(ctx context.Context, actor domain.Actor, id domain.ContactID, p domain.Permission, in ContactChange) (change.Result, error) {
	return s.setPermission(ctx, actor, id, p, in, relation.GrantPermission, "revoke_permission", false)
}

// GrantAdminPermission makes a contact an Admin. It needs manage_admin_permission.
func (s *Service) GrantAdminPermission(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.setPermission(ctx, actor, id, domain.Admin, in, relation.ManageAdminPermission, "grant_admin_permission", true)
}

// RevokeAdminPermission takes ADMIN away. It needs manage_admin_permission.
func (s *Service) RevokeAdminPermission(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.setPermission(ctx, actor, id, domain.Admin, in, relation.ManageAdminPermission, "revoke_admin_permission", false)
}

func (s *Service) setPermission(ctx context.Context, actor domain.Actor, id domain.ContactID, p domain.Permission, in ContactChange, permission, operation string, on bool) (change.Result, error) {
	input := withID(p.String(), in)
	return s.editContact(ctx, actor, id, in, permission, operation, input, func(ctx context.Context, tx *change.Tx, c *domain.Contact, d *diff) error {
		if permission == relation.GrantPermission {
			detail, ok := grant[p]
			if !ok {
				return domain.Invalid("permission", "ADMIN is granted and revoked by grantAdminPermission and revokeAdminPermission.")
			}
			if err := s.requireDetail(ctx, tx, ask(contactRef(*c), detail), "not_yours_to_give"); err != nil {
				return err
			}
		}
		if c.Permissions.Has(p) == on {
			return nil
		}
		was := c.Permissions
		if c.Permissions = was.Without(p); on {
			c.Permissions = was.With(p)
		}
		d.note("permissions", was.String(), c.Permissions.String())
		return nil
	})
}

// SetAccountType adds an account type to a contact; a primary one moves from whoever had it. It needs set_account_type on
// both contacts.
func (s *Service) SetAccountType(ctx context.Context, actor domain.Actor, id domain.ContactID, t domain.AccountType, in ContactChange) (change.Result, error) {
	input := withID(t.String(), in)
	return s.editContact(ctx, actor, id, in, relation.SetAccountType, "set_account_type", input, func(ctx context.Context, tx *change.Tx, c *domain.Contact, d *diff) error {
		if c.Types.Has(t) {
			return nil
		}
		if err := s.takePrimary(ctx, tx, *c, t, d); err != nil {
			return err
		}
		d.note("accountType", d.before["accountType"], t.String()+" of "+c.Name())
		c.Types = c.Types.With(t)
		return nil
	})
}

// takePrimary takes a primary type away from the contact that holds it, if one does.
func (s *Service) takePrimary(ctx context.Context, tx *change.Tx, c domain.Contact, t domain.AccountType, d *diff) error {
	if !t.Primary() {
		return nil
	}
	holder, held, err := tx.HolderOfType(ctx, c.AccountID, t)
	if err != nil || !held || holder.ID == c.ID {
		return err
	}
	if err := s.requireDetail(ctx, tx, ask(contactRef(holder), relation.SetAccountType), "held_by_the_owner"); err != nil {
		return err
	}
	d.note("accountType", t.String()+" of "+holder.Name(), "")
	holder.Types, holder.UpdatedAt = holder.Types.Without(t), tx.Now()
	return tx.UpdateContact(ctx, holder)
}

// ClearAccountType takes an account type away. It needs set_account_type.
func (s *Service) ClearAccountType(ctx context.Context, actor domain.Actor, id domain.ContactID, t domain.AccountType, in ContactChange) (change.Result, error) {
	input := withID(t.String(), in)
	return s.editContact(ctx, actor, id, in, relation.SetAccountType, "clear_account_type", input, func(_ context.Context, _ *change.Tx, c *domain.Contact, d *diff) error {
		if c.Types.Has(t) {
			d.note("accountType", t.String()+" of "+c.Name(), "")
			c.Types = c.Types.Without(t)
		}
		return nil
	})
}

// addTypes refuses types of a new contact that another holds: adding a contact is not the way to move a primary type.
func (s *Service) addTypes(ctx context.Context, tx *change.Tx, c domain.Contact, field string) error {
	for _, t := range c.Types.List() {
		if !t.Primary() {
			continue
		}
		_, held, err := tx.HolderOfType(ctx, c.AccountID, t)
		if err != nil {
			return err
		}
		if held {
			return domain.Conflict(field, "Another contact is the "+t.String()+": add the contact without it, then move it by setAccountType.")
		}
	}
	return nil
}
