package change_test

import (
	"context"
	"testing"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/testing/property/parts"
)

// TestDo_OutsideOfItsScopes has operations touch what they have not locked and would not bump: kept answers would outlive
// the change, so nothing of it is written.
func TestDo_OutsideOfItsScopes(t *testing.T) { parts.Each(t, testDoOutsideOfItsScopes) }

func testDoOutsideOfItsScopes(t *testing.T, p *parts.Parts) {
	here, there := p.Account(manager), p.Account(manager)
	somebody := domain.Person{Kind: domain.PersonUser, ID: "somebody"}
	before := p.Fingerprint()
	for name, more := range map[string]func(ctx context.Context, tx *change.Tx) error{
		"another_account": func(_ context.Context, tx *change.Tx) error {
			tx.Gains(relation.OfAccount(there[0].AccountID)...)
			return nil
		},
		"a_contact_of_another_account": func(ctx context.Context, tx *change.Tx) error {
			if err := tx.Touch(ctx, there[1].ID); err != nil {
				return err
			}
			c, err := tx.Contact(ctx, there[1].ID)
			if err != nil {
				return err
			}
			c.State = domain.ContactDeactivated // which takes away what names no account
			return tx.UpdateContact(ctx, c)
		},
		"the_platform": func(_ context.Context, tx *change.Tx) error {
			tx.Gains(relation.OfStaff("somebody", domain.StaffSupport)...)
			return nil
		},
		"somebody's_token": func(_ context.Context, tx *change.Tx) error {
			tx.Gains(relation.OfAPIToken(domain.APIToken{ID: "t", Person: somebody})...)
			return nil
		},
		"somebody's_job": func(_ context.Context, tx *change.Tx) error {
			tx.Gains(relation.OfJob(domain.Job{ID: "j", Person: somebody})...)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := permissions(here[0].Actor, here[1], billingToGive).do(t.Context(), p.Changes, more)
			wantCode(t, err, domain.CodeInternal)
			wantNothing(t, p, before)
		})
	}
	t.Run("within_them", func(t *testing.T) {
		e := permissions(here[0].Actor, here[1], billingToGive)
		e.scope = []string{authz.ScopeOf(somebody), string(there[0].AccountID)}
		_, err := e.do(t.Context(), p.Changes, func(_ context.Context, tx *change.Tx) error {
			tx.Gains(relation.OfAPIToken(domain.APIToken{ID: "t", Person: somebody})...)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
