package node

import (
	"time"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
)

// Contact is the place of a person on an account.
type Contact struct {
	authz.Node
	domain.Contact
}

// NewContact returns the node of a contact.
func NewContact(c domain.Contact) *Contact {
	ref := authz.Ref{Type: relation.TypeContact, ID: string(c.ID), Tenant: c.AccountID}
	return &Contact{authz.NewNode(TypeContact, ref), c}
}

// IsNode marks what has a global id.
func (*Contact) IsNode() {}

// ID returns the global id.
func (c *Contact) ID() string { return domain.GlobalID(TypeContact, c.Contact.ID) }

// AccountTypes returns what the contact is to the account.
func (c *Contact) AccountTypes() []domain.AccountType { return c.Types.List() }

// IsOwner reports whether the contact owns the account.
func (c *Contact) IsOwner() bool { return c.Owner }

// Email returns the address, nil for service accounts.
func (c *Contact) Email() *string { return optional(c.Contact.Email) }

// PendingEmail returns the address that waits to be confirmed, or nil.
func (c *Contact) PendingEmail() *string { return optional(c.Contact.PendingEmail) }

// Phone returns the phone number, or nil.
func (c *Contact) Phone() *string { return optional(c.Contact.Phone) }

// Permissions returns what the contact was granted.
func (c *Contact) Permissions() []domain.Permission { return c.Contact.Permissions.List() }

// PersonKind returns what stands behind the contact.
func (c *Contact) PersonKind() domain.PersonKind { return c.Person.Kind }

// MessageOptOuts returns the kinds of messages that the contact does not want.
func (c *Contact) MessageOptOuts() []string { return OrEmpty(c.OptOuts) }

// ViewerCan answers the caller's permissions on the contact.
func (c *Contact) ViewerCan() *ViewerCan { return viewerCan(c.Node, TypeContact) }

// Invitation is the mailed link that waits to be accepted. It is a part of its contact and shares its answers.
type Invitation struct {
	authz.Node
	Email             string
	SentAt, ExpiresAt time.Time
}

// NewInvitation returns the node of a contact's open invitation.
func NewInvitation(c *Contact, l domain.Link) *Invitation {
	return &Invitation{c.Node.As(typeInvitation), l.Email, l.CreatedAt, l.ExpiresAt}
}
