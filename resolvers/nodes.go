package resolvers

import (
	"context"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/resolvers/node"
)

// maxNodes is how many objects one nodes(ids) may ask for.
const maxNodes = 100

// found holds the rows of the objects that some global ids name, by type.
type found struct {
	accounts map[domain.AccountID]domain.Account
	contacts map[domain.ContactID]domain.Contact
	tokens   map[domain.APITokenID]domain.APIToken
	entries  map[domain.AuditID]domain.AuditEntry
	jobs     map[domain.JobID]domain.Job
}

// nodesOf returns the objects of the ids, in their order, nil where there is none. Whether the caller may see them is
// asked by the engine, on what comes back.
func (r *Resolver) nodesOf(ctx context.Context, globals []string) ([]node.Object, error) {
	ids := map[string][]string{}
	for _, global := range globals {
		if typ, id, ok := domain.ParseGlobalID(global); ok {
			ids[typ] = append(ids[typ], id)
		}
	}
	rows, err := view(ctx, r.DB, func(tx *store.Tx) (found, error) { return find(ctx, tx, ids) })
	if err != nil {
		return nil, err
	}
	out := make([]node.Object, len(globals))
	for i, global := range globals {
		if typ, id, ok := domain.ParseGlobalID(global); ok {
			out[i] = rows.node(typ, id)
		}
	}
	return out, nil
}

func find(ctx context.Context, tx *store.Tx, ids map[string][]string) (f found, err error) {
	if f.accounts, err = tx.Accounts(ctx, typed[domain.AccountID](ids[node.TypeAccount])); err != nil {
		return f, err
	}
	if f.contacts, err = tx.Contacts(ctx, typed[domain.ContactID](ids[node.TypeContact])); err != nil {
		return f, err
	}
	if f.tokens, err = tx.APITokens(ctx, typed[domain.APITokenID](ids[node.TypeAPIToken])); err != nil {
		return f, err
	}
	if f.entries, err = tx.AuditEntries(ctx, typed[domain.AuditID](ids[node.TypeAuditEntry])); err != nil {
		return f, err
	}
	f.jobs, err = tx.Jobs(ctx, typed[domain.JobID](ids[node.TypeImportJob]))
	return f, err
}

// node returns a node of its own for each place that an object has in the answer.
func (f found) node(typ, id string) node.Object {
	switch typ {
	case node.TypeAccount:
		if a, ok := f.accounts[domain.AccountID(id)]; ok {
			return node.NewAccount(a)
		}
	case node.TypeContact:
		if c, ok := f.contacts[domain.ContactID(id)]; ok {
			return node.NewContact(c)
		}
	case node.TypeAPIToken:
		if t, ok := f.tokens[domain.APITokenID(id)]; ok {
			return node.NewAPIToken(t)
		}
	case node.TypeAuditEntry:
		// What concerns the platform as a whole stands on no account that SpiceDB could be asked about.
		if e, ok := f.entries[domain.AuditID(id)]; ok && e.AccountID != "" {
			return node.NewAuditEntry(e)
		}
	case node.TypeImportJob:
		if j, ok := f.jobs[domain.JobID(id)]; ok {
			return node.NewImportJob(j)
		}
	}
	return nil
}

func typed[T ~string](ids []string) []T {
	out := make([]T, len(ids))
	for i, id := range ids {
		out[i] = T(id)
	}
	return out
}
