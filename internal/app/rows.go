package app

import (
	"context"

	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/store"
)

// rowsOf is what the rows of one transaction mean.
func rowsOf(tx *store.Tx) relation.Rows {
	return relation.Rows{
		Accounts: func(ctx context.Context, yield func(domain.AccountID) error) error {
			return tx.EachAccount(ctx, func(a domain.Account) error { return yield(a.ID) })
		},
		Contacts: tx.EachContact,
		Staff: func(ctx context.Context, yield func(relation.StaffMember) error) error {
			return eachStaff(ctx, tx, yield)
		},
		APITokens: tx.EachAPIToken,
		Jobs:      tx.EachJob,
	}
}

// eachStaff leaves out who is disabled: nothing of what they may do counts.
func eachStaff(ctx context.Context, tx *store.Tx, yield func(relation.StaffMember) error) error {
	members, err := tx.AllStaff(ctx)
	if err != nil {
		return err
	}
	ids := make([]domain.UserID, len(members))
	for i, m := range members {
		ids[i] = m.UserID
	}
	users, err := tx.Users(ctx, ids)
	if err != nil {
		return err
	}
	for _, m := range members {
		if users[m.UserID].Disabled {
			continue
		}
		if err := yield(relation.StaffMember{User: m.UserID, Role: m.Role}); err != nil {
			return err
		}
	}
	return nil
}
