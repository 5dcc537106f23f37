package app

import (
	"context"
	"errors"

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
		APITokens: func(ctx context.Context, yield func(domain.APIToken) error) error {
			return eachAPIToken(ctx, tx, yield)
		},
		Jobs: func(ctx context.Context, yield func(domain.Job) error) error {
			return eachJob(ctx, tx, yield)
		},
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

// eachAPIToken streams the tokens of everybody who is a contact or one of the provider's people.
func eachAPIToken(ctx context.Context, tx *store.Tx, yield func(domain.APIToken) error) error {
	return eachPerson(ctx, tx, func(p domain.Person) error {
		tokens, err := tx.TokensOfPerson(ctx, p)
		return errors.Join(err, all(tokens, yield))
	})
}

// eachJob streams the jobs of everybody who is a contact or one of the provider's people: nobody else can start one.
func eachJob(ctx context.Context, tx *store.Tx, yield func(domain.Job) error) error {
	return eachPerson(ctx, tx, func(p domain.Person) error {
		jobs, err := tx.JobsOfPerson(ctx, p, store.MaxPage)
		return errors.Join(err, all(jobs, yield))
	})
}

func eachPerson(ctx context.Context, tx *store.Tx, yield func(domain.Person) error) error {
	members, err := tx.AllStaff(ctx)
	if err != nil {
		return err
	}
	people := map[domain.Person]bool{}
	for _, m := range members {
		people[domain.UserPerson(m.UserID)] = true
	}
	err = tx.EachContact(ctx, func(c domain.Contact) error {
		if !c.Person.IsZero() {
			people[c.Person] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for p := range people {
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}

func all[T any](list []T, yield func(T) error) error {
	for _, v := range list {
		if err := yield(v); err != nil {
			return err
		}
	}
	return nil
}
