package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// delegate is the permission on the account that one needs to give a permission to a contact there.
var delegate = map[domain.Permission]string{
	domain.Admin:             relation.DelegateAdmin,
	domain.ContactManagement: relation.DelegateContactManagement,
	domain.CaseManagement:    relation.DelegateCaseManagement,
	domain.Support:           relation.DelegateSupport,
	domain.Billing:           relation.DelegateBilling,
	domain.RenewContracts:    relation.DelegateRenewContracts,
	domain.UpgradeContracts:  relation.DelegateUpgradeContracts,
	domain.LicenseManagement: relation.DelegateLicenseManagement,
}

// AddContact adds a contact and invites it by mail. It needs add_contact, and for each permission the right to give it.
func (s *Service) AddContact(ctx context.Context, actor domain.Actor, account domain.AccountID, in AddContact) (change.Result, error) {
	c := domain.Contact{
		ID: domain.NewID[domain.ContactID](), AccountID: account, FirstName: tidy(in.FirstName), LastName: tidy(in.LastName),
		Email: tidy(in.Email), Phone: tidy(in.Phone), State: domain.ContactActive, Types: domain.AccountTypesOf(in.Types...),
		Permissions: domain.PermissionsOf(in.Permissions...) | in.Role.Permissions(),
	}
	req := change.Request{Actor: actor, Operation: relation.AddContact, Scopes: []string{string(account)}, IdempotencyKey: in.IdempotencyKey, Input: withID(account, in)}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(accountRef(account), relation.AddContact)); err != nil {
			return change.Result{}, err
		}
		if in.Role != "" && len(in.Permissions) > 0 {
			return change.Result{}, domain.Invalid("permissions", "Give either a standard role or single permissions.")
		}
		if err := s.mayAdd(ctx, tx, c, in.Role, in.StaffRequest); err != nil {
			return change.Result{}, err
		}
		if err := checkContact("", c); err != nil {
			return change.Result{}, err
		}
		a, err := tx.Account(ctx, account)
		if err != nil {
			return change.Result{}, err
		}
		if err := s.addTypes(ctx, tx, c, "accountTypes"); err != nil {
			return change.Result{}, err
		}
		if err := s.insertContact(ctx, tx, &c); err != nil {
			return change.Result{}, err
		}
		if err := s.invite(ctx, tx, c, a); err != nil {
			return change.Result{}, err
		}
		return change.Result{ID: string(c.ID), AuditID: tx.Audit(in.StaffRequest.record(added(c)))}, nil
	})
}

// mayAdd holds who may give which permissions to a new contact: those who manage contacts what they could grant, staff a
// standard role on a recorded request.
func (s *Service) mayAdd(ctx context.Context, tx *change.Tx, c domain.Contact, role domain.StandardRole, staff *StaffRequest) error {
	account := accountRef(c.AccountID)
	qs := []authz.Question{ask(account, relation.AddContactFreely)}
	perms := c.Permissions.List()
	for _, p := range perms {
		qs = append(qs, ask(account, delegate[p]))
	}
	got, err := s.unscoped(ctx, tx, qs)
	if err != nil {
		return err
	}
	if got[0] {
		for i, p := range perms {
			if !got[i+1] {
				return domain.Forbidden(delegate[p], "not_yours_to_give")
			}
		}
		return staff.check(false)
	}
	if err := staff.check(true); err != nil {
		return err
	}
	if role == "" || role == domain.RoleAccountOwner {
		return domain.Invalid("standardRole", "Staff give a new contact a standard role, never single permissions: choose one.")
	}
	if c.Types != 0 {
		return domain.Invalid("accountTypes", "Staff do not set account types: leave them out, the account's own people set them.")
	}
	return nil
}

// unscoped asks what the person behind the actor may do, whatever scope narrows their token. It is for the details of an
// operation that the scope has let through already.
func (s *Service) unscoped(ctx context.Context, tx *change.Tx, qs []authz.Question) ([]bool, error) {
	actor := tx.Actor()
	actor.Scope = domain.Scope{}
	return s.Authz.Can(ctx, actor, qs...)
}

// requireDetail refuses unless the person holds the permission, for the details of an operation whose own permission
// was required before.
func (s *Service) requireDetail(ctx context.Context, tx *change.Tx, q authz.Question, reason string) error {
	got, err := s.unscoped(ctx, tx, []authz.Question{q})
	if err == nil && !got[0] {
		err = domain.Forbidden(q.Permission, reason)
	}
	return err
}

func (s *Service) insertContact(ctx context.Context, tx *change.Tx, c *domain.Contact) error {
	c.CreatedAt, c.UpdatedAt = tx.Now(), tx.Now()
	if err := tx.Touch(ctx, c.ID); err != nil {
		return err
	}
	return duplicate(tx.InsertContact(ctx, *c))
}

// duplicate turns what the database holds unique into words.
func duplicate(err error) error {
	if d, ok := errors.AsType[*store.DuplicateError](err); ok {
		switch d.Constraint {
		case store.ConstraintContactEmail:
			return domain.Conflict("email", "The account has a contact with this e-mail address: use that one, or give another address.")
		case store.ConstraintContactPerson:
			return domain.Conflict("", "This person is a contact of the account already, and can be only one.")
		}
	}
	return err
}

func added(c domain.Contact) domain.AuditEntry {
	return audited(c, nil, map[string]string{"name": c.Name(), "email": c.Email, "permissions": c.Permissions.String()})
}

func audited(c domain.Contact, before, after map[string]string) domain.AuditEntry {
	return domain.AuditEntry{AccountID: c.AccountID, TargetKind: "contact", TargetID: string(c.ID), TargetName: c.Name(), Before: before, After: after}
}

// onContact is the common course of a change of one contact that exists: require the permission, read the row, note what
// follows from it so far.
func (s *Service) onContact(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange, permission, operation string, input any,
	fn func(ctx context.Context, tx *change.Tx, c domain.Contact) (change.Result, error),
) (change.Result, error) {
	at, err := s.Locate(ctx, authz.Ref{Type: relation.TypeContact, ID: string(id)})
	if err != nil {
		return change.Result{}, err
	}
	req := change.Request{Actor: actor, Operation: operation, Scopes: []string{string(at.Tenant)}, IdempotencyKey: in.IdempotencyKey, Input: withID(id, input)}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		if err := tx.Require(ctx, ask(at, permission)); err != nil {
			return change.Result{}, err
		}
		if err := domain.CheckText("reason", in.Reason, 0, domain.MaxReason); err != nil {
			return change.Result{}, err
		}
		c, err := tx.Contact(ctx, id)
		if err != nil {
			return change.Result{}, err
		}
		if err := tx.Touch(ctx, id); err != nil {
			return change.Result{}, err
		}
		return fn(ctx, tx, c)
	})
}

// editContact is onContact for what changes the row: edit changes c and notes the difference, which is written and
// audited. Without a difference nothing is.
func (s *Service) editContact(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange, permission, operation string, input any,
	edit func(ctx context.Context, tx *change.Tx, c *domain.Contact, d *diff) error,
) (change.Result, error) {
	return s.onContact(ctx, actor, id, in, permission, operation, input, func(ctx context.Context, tx *change.Tx, c domain.Contact) (change.Result, error) {
		d := diff{}
		if err := edit(ctx, tx, &c, &d); err != nil || d.empty() {
			return change.Result{ID: string(id)}, err
		}
		c.UpdatedAt = tx.Now()
		if err := duplicate(tx.UpdateContact(ctx, c)); err != nil {
			return change.Result{}, err
		}
		return change.Result{ID: string(id), AuditID: tx.Audit(in.record(audited(c, d.before, d.after)))}, nil
	})
}

// record writes why the change was made into an audit entry.
func (in ContactChange) record(a domain.AuditEntry) domain.AuditEntry {
	a.Reason = strings.TrimSpace(in.Reason)
	return in.StaffRequest.record(a)
}

// EditContact changes what a contact's row says of a person. It needs edit_contact, and for each field its own permission.
func (s *Service) EditContact(ctx context.Context, actor domain.Actor, id domain.ContactID, in EditContact) (change.Result, error) {
	plain := ContactChange{IdempotencyKey: in.IdempotencyKey}
	return s.editContact(ctx, actor, id, plain, relation.EditContact, relation.EditContact, in, func(ctx context.Context, tx *change.Tx, c *domain.Contact, d *diff) error {
		ref := contactRef(*c)
		for _, part := range []struct {
			permission string
			given      bool
		}{
			{relation.EditContactName, in.FirstName != nil || in.LastName != nil},
			{relation.EditContactEmail, in.Email != nil},
			{relation.EditContactPhone, in.Phone != nil},
			{relation.EditMessageChoices, in.OptOuts != nil},
		} {
			if part.given {
				if err := tx.Require(ctx, ask(ref, part.permission)); err != nil {
					return err
				}
			}
		}
		d.set("firstName", &c.FirstName, in.FirstName)
		d.set("lastName", &c.LastName, in.LastName)
		d.set("phone", &c.Phone, in.Phone)
		if in.OptOuts != nil {
			kinds := slices.Clone(*in.OptOuts)
			slices.Sort(kinds)
			if kinds = slices.Compact(kinds); !slices.Equal(kinds, c.OptOuts) {
				d.note("messageOptOuts", strings.Join(c.OptOuts, " "), strings.Join(kinds, " "))
				c.OptOuts = kinds
			}
		}
		if in.Email != nil {
			if err := s.changeEmail(ctx, tx, c, tidy(*in.Email), d); err != nil {
				return err
			}
		}
		return checkContact("", *c)
	})
}

// changeEmail voids open invitations. The address of a contact with a login counts once it is confirmed; without one, the
// new address gets an invitation, and accepting it is the confirmation.
func (s *Service) changeEmail(ctx context.Context, tx *change.Tx, c *domain.Contact, email string, d *diff) error {
	if c.Person.Kind == domain.PersonServiceAccount {
		return domain.Conflict("email", "A service account has no e-mail address.")
	}
	if email == c.Email && c.PendingEmail == "" || email == c.PendingEmail {
		return nil
	}
	if err := domain.CheckEmail("email", email); err != nil {
		return err
	}
	// Whether another contact has the address is told to who has confirmed it, not to everybody who tries one.
	for _, kind := range []domain.LinkKind{domain.LinkInvitation, domain.LinkConfirmEmail} {
		if err := tx.VoidLinks(ctx, c.ID, kind, tx.Now()); err != nil {
			return err
		}
	}
	a, err := tx.Account(ctx, c.AccountID)
	if err != nil {
		return err
	}
	if c.Person.IsZero() {
		d.note("email", c.Email, email)
		c.Email = email
		return s.invite(ctx, tx, *c, a)
	}
	if email == c.Email {
		d.note("pendingEmail", c.PendingEmail, "")
		c.PendingEmail = ""
		return nil
	}
	d.note("pendingEmail", c.PendingEmail, email)
	c.PendingEmail = email
	return s.askToConfirm(ctx, tx, *c, a)
}

// DeactivateContact ends all rights of a contact and keeps its data. It needs remove_contact.
func (s *Service) DeactivateContact(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.setState(ctx, actor, id, in, "deactivate_contact", domain.ContactDeactivated)
}

// ReactivateContact makes a deactivated contact's rights count again. It needs remove_contact.
func (s *Service) ReactivateContact(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.setState(ctx, actor, id, in, "reactivate_contact", domain.ContactActive)
}

func (s *Service) setState(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange, operation string, to domain.ContactState) (change.Result, error) {
	return s.editContact(ctx, actor, id, in, relation.RemoveContact, operation, in, func(ctx context.Context, tx *change.Tx, c *domain.Contact, d *diff) error {
		if c.State == to {
			return nil
		}
		d.note("state", string(c.State), string(to))
		c.State = to
		if to == domain.ContactDeactivated {
			return tx.VoidLinks(ctx, c.ID, domain.LinkInvitation, tx.Now())
		}
		return nil
	})
}

// RemoveContact removes a contact for good. It needs remove_contact.
func (s *Service) RemoveContact(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.remove(ctx, actor, id, in, relation.RemoveContact)
}

// LeaveAccount removes the caller's own contact. It needs leave_account, which the owner does not have.
func (s *Service) LeaveAccount(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.remove(ctx, actor, id, in, relation.LeaveAccount)
}

func (s *Service) remove(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange, permission string) (change.Result, error) {
	return s.onContact(ctx, actor, id, in, permission, permission, in, func(ctx context.Context, tx *change.Tx, c domain.Contact) (change.Result, error) {
		tokens, err := tx.TokensOfContacts(ctx, []domain.ContactID{id})
		if err != nil {
			return change.Result{}, err
		}
		for _, t := range tokens[id] {
			tx.Loses(relation.OfAPIToken(t)...)
		}
		if err := tx.DeleteContact(ctx, id); err != nil {
			return change.Result{}, err
		}
		if c.Person.Kind == domain.PersonServiceAccount {
			if err := tx.DeleteServiceAccount(ctx, domain.ServiceAccountID(c.Person.ID)); err != nil {
				return change.Result{}, err
			}
		}
		was := map[string]string{"name": c.Name(), "email": c.Email, "permissions": c.Permissions.String()}
		return change.Result{ID: string(id), AuditID: tx.Audit(in.record(audited(c, was, nil)))}, nil
	})
}

func checkContact(prefix string, c domain.Contact) error {
	errs := []error{
		domain.CheckLine(prefix+"firstName", c.FirstName, 0, domain.MaxName),
		domain.CheckLine(prefix+"lastName", c.LastName, 1, domain.MaxName),
		domain.CheckPhone(prefix+"phone", c.Phone),
	}
	if c.Person.Kind != domain.PersonServiceAccount {
		errs = append(errs, domain.CheckEmail(prefix+"email", c.Email))
	}
	for _, kind := range c.OptOuts {
		if !slices.Contains(domain.MessageKinds, kind) {
			errs = append(errs, domain.Invalid(prefix+"messageOptOuts", "There is no kind of message "+kind+"."))
		}
	}
	return first(errors.Join(errs...))
}
