package node

// UserError is something that the caller can mend. Nothing was changed.
type UserError struct {
	Code    string
	Field   *string
	Message string
}

// Outcome is what every payload of a mutation says beside the changed object.
type Outcome struct {
	UserErrors []*UserError
	AuditID    *string // the global id of the entry in the audit log, nil when nothing was changed
}

// AccountPayload answers mutations that change an account.
type AccountPayload struct {
	Outcome
	Account *Account
}

// ContactPayload answers mutations that change a contact.
type ContactPayload struct {
	Outcome
	Contact *Contact
}

// GonePayload answers mutations after which the contact is gone.
type GonePayload struct {
	Outcome
	ContactID *string
}

// TokenPayload answers mutations that make or revoke an API token. Secret is not nil only when one was made just now.
type TokenPayload struct {
	Outcome
	APIToken *APIToken
	Secret   *string
}

// JobPayload answers mutations that start a job.
type JobPayload struct {
	Outcome
	Job *ImportJob
}
