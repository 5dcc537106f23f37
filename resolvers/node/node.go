// Package node holds the Go types behind guarded GraphQL objects: a row together with the answers that are known about it
// in one request (see authz.Node). A node is made anew for each place in an answer. Fields are plain: struct fields and
// methods without a context, so that the executor reads them where it stands.
package node

import (
	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
)

// The names of the GraphQL types that have global ids.
const (
	TypeAccount    = "Account"
	TypeContact    = "Contact"
	TypeAPIToken   = "ApiToken"
	TypeAuditEntry = "AuditEntry"
	TypeImportJob  = "ImportJob"
	TypeChange     = "Change"

	typeUser           = "User"
	typeServiceAccount = "ServiceAccount"
	typeInvitation     = "Invitation"
	typeViewer         = "Viewer"
)

// Object is what node and nodes answer: everything with a global id.
type Object interface {
	authz.Object
	IsNode()
}

// ViewerCan answers what the caller may do with one object. One Go type serves every GraphQL type of that kind.
type ViewerCan struct{ authz.Node }

func viewerCan(n authz.Node, typ string) *ViewerCan { return &ViewerCan{n.As(typ + "ViewerCan")} }

// Answer stands behind each field of a viewerCan type; @answer puts the caller's real permission in its place.
func (*ViewerCan) Answer() bool { return false }

// Viewer is the caller.
type Viewer struct {
	authz.Node
	Actor domain.Actor
}

// NewViewer returns the node of the caller, whose place in SpiceDB is the platform.
func NewViewer(actor domain.Actor) *Viewer {
	return &Viewer{authz.NewNode(typeViewer, authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}), actor}
}

// ViewerCan answers the caller's permissions on the platform.
func (v *Viewer) ViewerCan() *ViewerCan { return viewerCan(v.Node, "Platform") }

// User returns the person who is calling, nil when it is a program.
func (v *Viewer) User() *User {
	if v.Actor.Person.Kind != domain.PersonUser {
		return nil
	}
	return &User{v.Actor}
}

// ServiceAccount returns the program that is calling, nil when it is a person.
func (v *Viewer) ServiceAccount() *ServiceAccount {
	if v.Actor.Person.Kind != domain.PersonServiceAccount {
		return nil
	}
	return &ServiceAccount{v.Actor}
}

// User is a person with a login, shown to themself.
type User struct{ domain.Actor }

// ID returns the global id.
func (u *User) ID() string { return domain.GlobalID(typeUser, u.Person.ID) }

// StaffRoles returns what the person is among the provider's staff.
func (u *User) StaffRoles() []domain.StaffRole { return u.Staff }

// ServiceAccount is a program that acts for an account, shown to itself.
type ServiceAccount struct{ domain.Actor }

// ID returns the global id.
func (s *ServiceAccount) ID() string { return domain.GlobalID(typeServiceAccount, s.Person.ID) }

// optional returns nil for an empty text: the API answers null for what is not there.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// OrEmpty returns a list that is never nil, because the API answers null for nil.
func OrEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

var _ = []Object{(*Account)(nil), (*Contact)(nil), (*APIToken)(nil), (*AuditEntry)(nil), (*ImportJob)(nil)}
