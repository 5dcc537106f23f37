package relation

import (
	"context"
	"fmt"
	"slices"

	"steward/internal/domain"
)

// Stream hands each element to yield until there is no more or yield returns an error, which it then returns.
type Stream[T any] func(ctx context.Context, yield func(T) error) error

// Source streams the relationships that rows mean, in no order; one may come more than once.
type Source interface {
	Each(ctx context.Context, yield func(Relationship) error) error
}

// UsedSet is a combination of permissions that a contact of an account holds.
type UsedSet struct {
	Account domain.AccountID
	Set     domain.PermissionSet
}

// StaffMember is a user in a role among the provider's people.
type StaffMember struct {
	User domain.UserID
	Role domain.StaffRole
}

// Rows is the Source over the rows of a store. A nil field has no rows.
type Rows struct {
	Accounts       Stream[domain.AccountID]
	Contacts       Stream[domain.Contact]
	PermissionSets Stream[UsedSet] // nil: taken from the contacts
	Staff          Stream[StaffMember]
	APITokens      Stream[domain.APIToken] // the revoked ones too: their holders still see them
	Jobs           Stream[domain.Job]
}

var _ Source = Rows{}

// Each streams what every row means. The first error ends it.
func (r Rows) Each(ctx context.Context, yield func(Relationship) error) error {
	all := func(rs []Relationship) error {
		for _, rel := range rs {
			if err := yield(rel); err != nil {
				return err
			}
		}
		return nil
	}
	seen := map[UsedSet]bool{}
	set := func(u UsedSet) error {
		if seen[u] {
			return nil
		}
		seen[u] = true
		return all(OfPermissionSet(u.Account, u.Set))
	}
	contact := func(c domain.Contact) error {
		if r.PermissionSets == nil && !c.Owner {
			if err := set(UsedSet{c.AccountID, c.Permissions}); err != nil {
				return err
			}
		}
		return all(OfContact(c))
	}
	for _, step := range []func() error{
		func() error {
			return each(ctx, r.Accounts, func(id domain.AccountID) error { return all(OfAccount(id)) })
		},
		func() error { return each(ctx, r.PermissionSets, set) },
		func() error { return each(ctx, r.Contacts, contact) },
		func() error {
			return each(ctx, r.Staff, func(s StaffMember) error { return all(OfStaff(s.User, s.Role)) })
		},
		func() error {
			return each(ctx, r.APITokens, func(t domain.APIToken) error { return all(OfAPIToken(t)) })
		},
		func() error { return each(ctx, r.Jobs, func(j domain.Job) error { return all(OfJob(j)) }) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func each[T any](ctx context.Context, s Stream[T], yield func(T) error) error {
	if s == nil {
		return nil
	}
	return s(ctx, yield)
}

// Reconcile compares what the rows mean (want) with what is there (have). Both results are sorted. The true facts of a
// permission set that no contact holds any more are no surplus. It holds every relationship of want in memory.
func Reconcile(ctx context.Context, want, have Stream[Relationship]) (missing, surplus []Relationship, err error) {
	wanted := map[Relationship]bool{} // true once it was found
	if err = want(ctx, func(r Relationship) error { wanted[r] = false; return nil }); err != nil {
		return nil, nil, fmt.Errorf("read the rows: %w", err)
	}
	err = have(ctx, func(r Relationship) error {
		if _, ok := wanted[r]; ok {
			wanted[r] = true
		} else if !lasting(r) {
			surplus = append(surplus, r)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the relationships: %w", err)
	}
	for r, found := range wanted {
		if !found {
			missing = append(missing, r)
		}
	}
	slices.Sort(missing)
	slices.Sort(surplus)
	return missing, surplus, nil
}

// Repair returns the updates that undo what Reconcile found, the deletions first.
func Repair(missing, surplus []Relationship) []Update { return Diff(surplus, missing) }

// fillBatch is how many relationships Fill hands over at once: as many as SpiceDB takes in one atomic write.
const fillBatch = 1000

// Fill writes every relationship of source, as a store that starts empty needs it.
func Fill(ctx context.Context, source Source, write func(context.Context, []Update) error) error {
	batch := make([]Update, 0, fillBatch)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := write(ctx, batch)
		batch = batch[:0]
		return err
	}
	err := source.Each(ctx, func(r Relationship) error {
		if batch = append(batch, Update{Relationship: r}); len(batch) < fillBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}
