package node

import (
	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
)

// Account is a customer.
type Account struct {
	authz.Node
	domain.Account
}

// NewAccount returns the node of an account.
func NewAccount(a domain.Account) *Account {
	return &Account{authz.NewNode(TypeAccount, AccountRef(a.ID)), a}
}

// AccountRef returns the account's place in SpiceDB.
func AccountRef(id domain.AccountID) authz.Ref {
	return authz.Ref{Type: relation.TypeAccount, ID: string(id), Tenant: id}
}

// IsNode marks what has a global id.
func (*Account) IsNode() {}

// ID returns the global id.
func (a *Account) ID() string { return domain.GlobalID(TypeAccount, a.Account.ID) }

// Website returns an http or https address, or nil.
func (a *Account) Website() *string { return optional(a.Account.Website) }

// Phone returns the phone number, or nil.
func (a *Account) Phone() *string { return optional(a.Account.Phone) }

// Address returns the postal address, or nil.
func (a *Account) Address() *string { return optional(a.Account.Address) }

// ViewerCan answers the caller's permissions on the account.
func (a *Account) ViewerCan() *ViewerCan { return viewerCan(a.Node, TypeAccount) }
