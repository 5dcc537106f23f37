// Package service holds the use cases: for each change, what is checked, which rows are written, and what the audit log
// says. One file per noun. Rights are asked for under the lock of the account, by change.Tx.Require.
package service

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// Options are the parts of a Service.
type Options struct {
	DB      *store.DB
	Changes *change.Engine
	Authz   Authorizer
	Log     *slog.Logger
	Now     func() time.Time
	// LinkBase is where mailed links lead: the token is put behind "#invitation=" or "#confirm=".
	LinkBase *url.URL
	// MailsPerPerson is how many mails a person may cause within a day, MailsPerAddress how many go to one address; 0: any.
	MailsPerPerson, MailsPerAddress int
	// Room is how many more relationships an import may bring.
	Room func(ctx context.Context) (int, error)
	// MailQueued is called after a change has put mail into the outbox, so that it leaves at once.
	MailQueued func()
}

// Authorizer answers what an actor may do; see authz.Engine.
type Authorizer interface {
	change.Authorizer
	Policy() *authz.Policy
}

// Service carries out what the API's mutations ask for. It is safe for concurrent use.
type Service struct {
	Options
	jobs chan struct{}
}

// New returns a service over its parts.
func New(o Options) *Service {
	if o.MailQueued == nil {
		o.MailQueued = func() {}
	}
	return &Service{o, make(chan struct{}, 1)}
}

// StaffRequest is the recorded request on which staff act.
type StaffRequest struct{ Reference, Reason string }

// check refuses a request that says nothing.
func (r *StaffRequest) check(required bool) error {
	if r == nil {
		if !required {
			return nil
		}
		return domain.Invalid("staffRequest", "Staff act on a recorded request: give its reference and the reason.")
	}
	if err := domain.CheckText("staffRequest.reference", r.Reference, 1, 100); err != nil {
		return err
	}
	return domain.CheckText("staffRequest.reason", r.Reason, 1, 500)
}

// record writes the request into an audit entry.
func (r *StaffRequest) record(a domain.AuditEntry) domain.AuditEntry {
	if r != nil {
		a.Request, a.Reason = r.Reference, r.Reason
	}
	return a
}

// The limits of what a mailed link is good for.
const (
	invitationLifetime = 14 * 24 * time.Hour
	confirmLifetime    = 3 * 24 * time.Hour
)

func accountRef(id domain.AccountID) authz.Ref {
	return authz.Ref{Type: relation.TypeAccount, ID: string(id), Tenant: id}
}

func contactRef(c domain.Contact) authz.Ref {
	return authz.Ref{Type: relation.TypeContact, ID: string(c.ID), Tenant: c.AccountID}
}

func ask(ref authz.Ref, permission string) authz.Question {
	return authz.Question{Ref: ref, Permission: permission}
}

// Locate finds the account that an object belongs to. An object that is not there keeps its Ref.
func (s *Service) Locate(ctx context.Context, ref authz.Ref) (authz.Ref, error) {
	err := s.DB.View(ctx, func(tx *store.Tx) error {
		switch ref.Type {
		case relation.TypeAccount:
			ref.Tenant = domain.AccountID(ref.ID)
		case relation.TypeContact:
			c, err := tx.Contact(ctx, domain.ContactID(ref.ID))
			if err != nil {
				return err
			}
			ref.Tenant = c.AccountID
		case relation.TypeAPIToken:
			t, err := tx.APIToken(ctx, domain.APITokenID(ref.ID))
			if err != nil {
				return err
			}
			ref.Tenant, ref.Holder = t.AccountID, t.Person
		}
		return nil
	})
	return ref, missing(err)
}
