package node

import (
	"maps"
	"slices"

	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
)

// AuditEntry says who did what. Its place in SpiceDB is its account.
type AuditEntry struct {
	authz.Node
	domain.AuditEntry
}

// NewAuditEntry returns the node of an entry. An entry of the platform as a whole belongs to no account, and nobody sees it.
func NewAuditEntry(e domain.AuditEntry) *AuditEntry {
	return &AuditEntry{authz.NewNode(TypeAuditEntry, AccountRef(e.AccountID)), e}
}

// IsNode marks what has a global id.
func (*AuditEntry) IsNode() {}

// ID returns the global id.
func (e *AuditEntry) ID() string { return domain.GlobalID(TypeAuditEntry, e.AuditEntry.ID) }

// ActorKind returns what kind of caller did it.
func (e *AuditEntry) ActorKind() domain.PersonKind { return e.Actor.Kind }

// ByAPIToken reports whether an API token was used.
func (e *AuditEntry) ByAPIToken() bool { return e.TokenID != "" }

var targetTypes = map[string]string{
	relation.TypeAccount: TypeAccount, relation.TypeContact: TypeContact, relation.TypeAPIToken: TypeAPIToken, relation.TypeJob: TypeImportJob,
}

// TargetID returns the global id of what it was done to, nil for what has none.
func (e *AuditEntry) TargetID() *string {
	typ, ok := targetTypes[e.TargetKind]
	if !ok || e.AuditEntry.TargetID == "" {
		return nil
	}
	id := domain.GlobalID(typ, e.AuditEntry.TargetID)
	return &id
}

// Reason returns why, or nil.
func (e *AuditEntry) Reason() *string { return optional(e.AuditEntry.Reason) }

// Request returns the recorded request on which staff acted, or nil.
func (e *AuditEntry) Request() *string { return optional(e.AuditEntry.Request) }

// AuditChange is one changed field. Before or After is nil where there was, or is, nothing.
type AuditChange struct {
	Field         string
	Before, After *string
}

// Changes returns what was changed, by the names of the fields.
func (e *AuditEntry) Changes() []*AuditChange {
	names := slices.Collect(maps.Keys(e.Before))
	for name := range e.After {
		if _, both := e.Before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := make([]*AuditChange, len(names))
	for i, name := range names {
		out[i] = &AuditChange{Field: name, Before: value(e.Before, name), After: value(e.After, name)}
	}
	return out
}

func value(m map[string]string, name string) *string {
	if v, ok := m[name]; ok {
		return &v
	}
	return nil
}
