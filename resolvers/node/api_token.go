package node

import (
	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
)

// APIToken lets a program act for a person.
type APIToken struct {
	authz.Node
	domain.APIToken
}

// NewAPIToken returns the node of a token. The token of a service account belongs to its account.
func NewAPIToken(t domain.APIToken) *APIToken {
	ref := authz.Ref{Type: relation.TypeAPIToken, ID: string(t.ID), Tenant: t.AccountID, Holder: t.Person}
	return &APIToken{authz.NewNode(TypeAPIToken, ref), t}
}

// IsNode marks what has a global id.
func (*APIToken) IsNode() {}

// ID returns the global id.
func (t *APIToken) ID() string { return domain.GlobalID(TypeAPIToken, t.APIToken.ID) }

// Scope returns what the token is narrowed to, nil when it may do whatever its holder may.
func (t *APIToken) Scope() *TokenScope {
	s := t.APIToken.Scope
	if s.Full() {
		return nil
	}
	out := &TokenScope{Permissions: s.Permissions}
	for _, id := range s.Accounts {
		out.AccountIDs = append(out.AccountIDs, domain.GlobalID(TypeAccount, id))
	}
	return out
}

// ViewerCan answers the caller's permissions on the token.
func (t *APIToken) ViewerCan() *ViewerCan { return viewerCan(t.Node, TypeAPIToken) }

// TokenScope is what a token is narrowed to; a list that is nil narrows nothing.
type TokenScope struct {
	Permissions []string
	AccountIDs  []string // global ids
}
