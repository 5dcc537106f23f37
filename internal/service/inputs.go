package service

import "steward/internal/domain"

// CreateAccount is the input of Service.CreateAccount.
type CreateAccount struct {
	Name, Website, Phone, Address string
	Owner                         NewOwner
	StaffRequest                  *StaffRequest
	IdempotencyKey                string `json:"-"`
}

// NewOwner is the first owner of a new account.
type NewOwner struct{ FirstName, LastName, Email, Phone string }

// EditAccount changes what is not nil.
type EditAccount struct {
	Name, Website, Phone, Address *string
	IdempotencyKey                string `json:"-"`
}

// TransferOwnership hands an account on; staff who reassign it give a StaffRequest.
type TransferOwnership struct {
	To             domain.ContactID
	StaffRequest   *StaffRequest
	IdempotencyKey string `json:"-"`
}

// AddContact is the input of Service.AddContact. Role and Permissions exclude each other.
type AddContact struct {
	FirstName, LastName, Email, Phone string
	Role                              domain.StandardRole
	Permissions                       []domain.Permission
	Types                             []domain.AccountType
	StaffRequest                      *StaffRequest
	IdempotencyKey                    string `json:"-"`
}

// EditContact changes what is not nil.
type EditContact struct {
	FirstName, LastName, Email, Phone *string
	OptOuts                           *[]string
	IdempotencyKey                    string `json:"-"`
}

// ContactChange is the input of changes that take a contact and at most a reason.
type ContactChange struct {
	Reason         string
	StaffRequest   *StaffRequest
	IdempotencyKey string `json:"-"`
}

// CreateServiceAccount is the input of Service.CreateServiceAccount.
type CreateServiceAccount struct {
	Name           string
	Permissions    []domain.Permission
	IdempotencyKey string `json:"-"`
}

// CreateToken is the input of both mutations that make API tokens. A zero Scope narrows nothing.
type CreateToken struct {
	Name           string
	ExpiresInDays  int
	Scope          domain.Scope
	IdempotencyKey string `json:"-"`
}

// ImportFiles is the input of Service.ImportAccounts; Accounts is nil when the contacts are for accounts that exist.
type ImportFiles struct {
	Accounts, Contacts []byte
	DryRun, Invite     bool
	StaffRequest       *StaffRequest
	IdempotencyKey     string `json:"-"`
}
