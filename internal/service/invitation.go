package service

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// letter is a mailed link before it has its secret.
type letter struct {
	kind     domain.LinkKind
	to       string
	lifetime time.Duration
	subject  string
	text     string // what stands before the link
}

func invitationLetter(c domain.Contact, a domain.Account) letter {
	return letter{
		kind: domain.LinkInvitation, to: c.Email, lifetime: invitationLifetime, subject: "You are invited to " + a.Name,
		text: "Hello " + c.Name() + ",\n\nyou were added as a contact of " + a.Name + ". Open this link and sign in to accept:\n\n",
	}
}

func confirmationLetter(c domain.Contact, a domain.Account) letter {
	return letter{
		kind: domain.LinkConfirmEmail, to: c.PendingEmail, lifetime: confirmLifetime, subject: "Confirm your e-mail address at " + a.Name,
		text: "Hello " + c.Name() + ",\n\nthis address was given as yours at " + a.Name + ". Open this link and sign in to confirm it:\n\n",
	}
}

// invite voids what was sent before and puts an invitation into the mail.
func (s *Service) invite(ctx context.Context, tx *change.Tx, c domain.Contact, a domain.Account) error {
	return s.send(ctx, tx, c, invitationLetter(c, a))
}

// askToConfirm puts a link into the mail to the address that is to count.
func (s *Service) askToConfirm(ctx context.Context, tx *change.Tx, c domain.Contact, a domain.Account) error {
	return s.send(ctx, tx, c, confirmationLetter(c, a))
}

func (s *Service) send(ctx context.Context, tx *change.Tx, c domain.Contact, le letter) error {
	if err := s.mayMail(ctx, tx, le.to); err != nil {
		return err
	}
	if err := tx.VoidLinks(ctx, c.ID, le.kind, tx.Now()); err != nil {
		return err
	}
	l, m := s.linkMail(tx, c, le)
	if err := tx.InsertLink(ctx, l); err != nil {
		return err
	}
	return tx.InsertMail(ctx, m)
}

// mayMail holds how many mails one person may cause within a day, and one address may get: this server is nobody's way to
// fill a mailbox. What imports send is bounded by who may import.
func (s *Service) mayMail(ctx context.Context, tx *change.Tx, to string) error {
	if s.MailsPerPerson == 0 && s.MailsPerAddress == 0 {
		return nil
	}
	caused, received, err := tx.CountMails(ctx, tx.Actor().Person.String(), to, tx.Now().Add(-day))
	switch {
	case err != nil:
		return err
	case s.MailsPerPerson > 0 && caused >= int64(s.MailsPerPerson):
		return &domain.Error{Code: domain.CodeRateLimited, Message: fmt.Sprintf("You have had %d mails sent within a day: go on tomorrow, or import the contacts.", caused)}
	case s.MailsPerAddress > 0 && received >= int64(s.MailsPerAddress):
		return &domain.Error{Code: domain.CodeRateLimited, Message: fmt.Sprintf("%d mails went to this address within a day: go on tomorrow.", received)}
	}
	return nil
}

// linkMail makes a link with a new secret, and the mail that carries it.
func (s *Service) linkMail(tx *change.Tx, c domain.Contact, le letter) (domain.Link, domain.Mail) {
	secret, hash := newSecret()
	until := tx.Now().Add(le.lifetime)
	u := *s.LinkBase
	u.Fragment = map[domain.LinkKind]string{domain.LinkInvitation: "invitation=", domain.LinkConfirmEmail: "confirm="}[le.kind] + secret
	l := domain.Link{ID: domain.NewID[domain.LinkID](), Kind: le.kind, ContactID: c.ID, Email: le.to, Hash: hash, CreatedAt: tx.Now(), ExpiresAt: until}
	m := domain.Mail{
		ID: domain.NewID[domain.MailID](), Actor: tx.Actor().Person.String(), To: le.to, Subject: le.subject, CreatedAt: tx.Now(), NextTry: tx.Now(),
		Text: le.text + u.String() + "\n\nIt works once, until " + until.Format("2 January 2006 15:04 UTC") + ". If you did not expect this, do nothing.\n",
	}
	return l, m
}

// newSecret returns a link's secret (256 bits) and its hash. Only the hash is kept with the link; SHA-256 is enough for
// what nobody can guess.
func newSecret() (text string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:])
	text = base64.RawURLEncoding.EncodeToString(b[:])
	return text, hashSecret(text)
}

func hashSecret(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// ResendInvitation sends a contact without a login a new link. It needs resend_invitation.
func (s *Service) ResendInvitation(ctx context.Context, actor domain.Actor, id domain.ContactID, in ContactChange) (change.Result, error) {
	return s.onContact(ctx, actor, id, in, relation.ResendInvitation, relation.ResendInvitation, in, func(ctx context.Context, tx *change.Tx, c domain.Contact) (change.Result, error) {
		own, err := s.unscoped(ctx, tx, []authz.Question{ask(accountRef(c.AccountID), relation.AddContactFreely)})
		if err != nil {
			return change.Result{}, err
		}
		if err := in.StaffRequest.check(!own[0]); err != nil {
			return change.Result{}, err
		}
		switch {
		case !c.Person.IsZero():
			return change.Result{}, domain.Conflict("contactId", "This contact has a login already: there is nothing to accept.")
		case c.State != domain.ContactActive:
			return change.Result{}, domain.Conflict("contactId", "This contact is deactivated: reactivate it first.")
		}
		a, err := tx.Account(ctx, c.AccountID)
		if err != nil {
			return change.Result{}, err
		}
		if err := s.invite(ctx, tx, c, a); err != nil {
			return change.Result{}, err
		}
		return change.Result{ID: string(id), AuditID: tx.Audit(in.record(audited(c, nil, map[string]string{"invitation": c.Email})))}, nil
	})
}

// AcceptInvitation links the actor's login to the contact that the secret was mailed for. The secret is the proof, and
// the link goes by issuer and subject: no address needs to match.
func (s *Service) AcceptInvitation(ctx context.Context, actor domain.Actor, secret, idempotencyKey string) (change.Result, error) {
	return s.useLink(ctx, actor, secret, idempotencyKey, "accept_invitation", domain.LinkInvitation, func(ctx context.Context, tx *change.Tx, l domain.Link, c *domain.Contact, d *diff) error {
		switch _, err := tx.ContactOfPerson(ctx, c.AccountID, actor.Person); {
		case err == nil:
			return domain.Conflict("token", "You are a contact of this account already, and can be only one.")
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		if !c.Person.IsZero() || c.State != domain.ContactActive || l.Email != c.Email {
			return badLink()
		}
		d.note("login", "", actor.Name)
		c.Person = actor.Person
		return nil
	})
}

// ConfirmEmail makes a changed address count. The actor must be the person behind the contact.
func (s *Service) ConfirmEmail(ctx context.Context, actor domain.Actor, secret, idempotencyKey string) (change.Result, error) {
	return s.useLink(ctx, actor, secret, idempotencyKey, "confirm_email", domain.LinkConfirmEmail, func(_ context.Context, _ *change.Tx, l domain.Link, c *domain.Contact, d *diff) error {
		if c.Person != actor.Person || c.PendingEmail == "" || l.Email != c.PendingEmail || !c.Effective() {
			return badLink()
		}
		d.note("email", c.Email, c.PendingEmail)
		c.Email, c.PendingEmail = c.PendingEmail, ""
		return nil
	})
}

func badLink() error {
	return domain.Invalid("token", "This link is not valid: it was used, has expired, was replaced by a newer one, or is not yours. Ask for a new one.")
}

// useLink is the common course of the two: find the link by its secret, use it up, change the contact, audit.
func (s *Service) useLink(ctx context.Context, actor domain.Actor, secret, idempotencyKey, operation string, kind domain.LinkKind,
	use func(context.Context, *change.Tx, domain.Link, *domain.Contact, *diff) error,
) (change.Result, error) {
	if actor.Person.Kind != domain.PersonUser || actor.TokenID != "" {
		err := domain.Forbidden(operation, "needs_login")
		err.Message = "This needs a person who is signed in, not an API token."
		return change.Result{}, err
	}
	hash := hashSecret(secret)
	var account domain.AccountID
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		l, err := tx.LinkByHash(ctx, hash)
		if err != nil {
			return err
		}
		c, err := tx.Contact(ctx, l.ContactID)
		account = c.AccountID
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return change.Result{}, badLink()
	}
	if err != nil {
		return change.Result{}, err
	}
	req := change.Request{Actor: actor, Operation: operation, Scopes: []string{string(account)}, IdempotencyKey: idempotencyKey, Input: hash}
	return s.do(ctx, req, func(ctx context.Context, tx *change.Tx) (change.Result, error) {
		tx.AuthorisedBy("the secret of a mailed link")
		l, err := tx.LinkByHash(ctx, hash)
		if err := missing(err); err != nil {
			return change.Result{}, err
		}
		if l.Kind != kind || !l.Open(tx.Now()) {
			return change.Result{}, badLink()
		}
		if err := tx.Touch(ctx, l.ContactID); err != nil {
			return change.Result{}, err
		}
		c, err := tx.Contact(ctx, l.ContactID)
		if err != nil {
			return change.Result{}, err
		}
		d := diff{}
		if err := use(ctx, tx, l, &c, &d); err != nil {
			return change.Result{}, err
		}
		l.UsedAt, c.UpdatedAt = tx.Now(), tx.Now()
		if err := errors.Join(tx.UpdateLink(ctx, l), duplicate(tx.UpdateContact(ctx, c))); err != nil {
			return change.Result{}, first(err)
		}
		return change.Result{ID: string(c.ID), AuditID: tx.Audit(audited(c, d.before, d.after))}, nil
	})
}
