package service

import (
	"context"
	"maps"
	"slices"
	"strings"

	"steward/internal/domain"
	"steward/internal/store"
)

// RecordViews writes into the audit log what one of the provider's people was shown of accounts. The answer leaves only
// when this has returned without an error.
func (s *Service) RecordViews(ctx context.Context, actor domain.Actor, operation string, viewed map[domain.AccountID][]string) error {
	now := s.Now().UTC()
	var entries []domain.AuditEntry
	return s.DB.Update(ctx, func(tx *store.Tx) error {
		accounts, err := tx.Accounts(ctx, slices.Collect(maps.Keys(viewed)))
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(viewed)) {
			after := map[string]string{"seen": strings.Join(viewed[id], " ")}
			if operation != "" {
				after["query"] = operation
			}
			entries = append(entries, domain.AuditEntry{
				ID: domain.NewID[domain.AuditID](), AccountID: id, At: now, Actor: actor.Person, ActorName: actor.Name, TokenID: actor.TokenID,
				Action: "view_account", TargetKind: "account", TargetID: string(id), TargetName: accounts[id].Name, After: after,
			})
		}
		return tx.InsertAudit(ctx, entries...)
	})
}
