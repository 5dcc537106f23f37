package relation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"steward/internal/domain"
	"steward/internal/relation"
)

func of[T any](rows ...T) relation.Stream[T] {
	return func(_ context.Context, yield func(T) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func everyRow() relation.Rows {
	billing := contact(domain.PermissionsOf(domain.Billing))
	other := billing
	other.ID, other.Person = "d", domain.Person{}
	owner := domain.Contact{ID: "o", AccountID: "a", Owner: true, State: domain.ContactActive, Person: domain.UserPerson("v")}
	return relation.Rows{
		Accounts:  of[domain.AccountID]("a"),
		Contacts:  of(owner, billing, other),
		Staff:     of(relation.StaffMember{User: "h", Role: domain.StaffSupport}),
		APITokens: of(domain.APIToken{ID: "t", Person: domain.UserPerson("u")}),
		Jobs:      of(domain.Job{ID: "j", Person: domain.UserPerson("u")}),
	}
}

func collect(t *testing.T, s relation.Source) (out []relation.Relationship) {
	t.Helper()
	if err := s.Each(t.Context(), func(r relation.Relationship) error { out = append(out, r); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRows(t *testing.T) {
	want := slices.Concat([]string{
		"account:a#platform@platform:steward",
		"contact:o#account@account:a", "account:a#contact@contact:o#person", "account:a#owner@contact:o#person", "contact:o#person@user:v",
		"contact:c#account@account:a", "account:a#contact@contact:c#person", "account:a#billing@contact:c#person",
		"contact:c#permission_set@permission_set:a/10", "contact:c#person@user:u",
		"contact:d#account@account:a", "account:a#contact@contact:d#person", "account:a#billing@contact:d#person", "contact:d#permission_set@permission_set:a/10",
		"platform:steward#support@user:h", "api_token:t#holder@user:u", "job:j#creator@user:u",
	}, relation.OfPermissionSet("a", domain.PermissionsOf(domain.Billing)))
	wantRelationships(t, collect(t, everyRow()), want...)

	rows := everyRow()
	rows.PermissionSets = of(relation.UsedSet{Account: "a", Set: domain.PermissionsOf(domain.Billing)})
	wantRelationships(t, collect(t, rows), want...)

	broken := errors.New("broken")
	rows.Jobs = func(context.Context, func(domain.Job) error) error { return broken }
	if err := rows.Each(t.Context(), func(relation.Relationship) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the rows", err)
	}
	wantRelationships(t, collect(t, relation.Rows{}))
}

func TestFill(t *testing.T) {
	var ids []domain.AccountID
	for i := range 2_345 {
		ids = append(ids, domain.AccountID(fmt.Sprint(i)))
	}
	var sizes []int
	var got []relation.Relationship
	err := relation.Fill(t.Context(), relation.Rows{Accounts: of(ids...)}, func(_ context.Context, us []relation.Update) error {
		sizes = append(sizes, len(us))
		got = apply(got, us)
		return nil
	})
	if err != nil || !slices.Equal(sizes, []int{1000, 1000, 345}) || len(got) != len(ids) {
		t.Errorf("wrote %v, %d in all, %v", sizes, len(got), err)
	}
	broken := errors.New("broken")
	if err := relation.Fill(t.Context(), everyRow(), func(context.Context, []relation.Update) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestReconcile(t *testing.T) {
	want := relation.Stream[relation.Relationship](everyRow().Each)
	all := collect(t, everyRow())
	reconcile := func(have ...relation.Relationship) (missing, surplus []relation.Relationship) {
		t.Helper()
		missing, surplus, err := relation.Reconcile(t.Context(), want, of(have...))
		if err != nil {
			t.Fatal(err)
		}
		return missing, surplus
	}
	t.Run("equal", func(t *testing.T) {
		if m, s := reconcile(all...); len(m)+len(s) > 0 {
			t.Errorf("missing %v, surplus %v", m, s)
		}
	})
	t.Run("empty", func(t *testing.T) {
		m, s := reconcile()
		wantRelationships(t, m, all...)
		wantRelationships(t, s)
	})
	t.Run("one_gone_one_added", func(t *testing.T) {
		m, s := reconcile(append(slices.Clone(all[1:]), "account:a#owner@contact:c#person")...)
		wantRelationships(t, m, all[0])
		wantRelationships(t, s, "account:a#owner@contact:c#person")
		if got := apply(append(slices.Clone(all[1:]), s...), relation.Repair(m, s)); !slices.Equal(got, apply(all, nil)) {
			t.Errorf("repaired to %v", got)
		}
	})
	t.Run("the_facts_of_an_unused_set_are_no_surplus_but_lies_are", func(t *testing.T) {
		lies := []string{
			"permission_set:a/1#without_admin@account:a", "permission_set:b/0#account@account:a", "permission_set:a/10#without_billing@account:a",
			"permission_set:a#account@account:a", "permission_set:a/100#account@account:a", "permission_set:a/zz#account@account:a", "permission_set:a/00#account@account:a",
			"permission_set:a/0#without_admin@account:b",
		}
		m, s := reconcile(slices.Concat(all, relation.OfPermissionSet("a", 0), relation.OfPermissionSet("b", 7), lies)...)
		wantRelationships(t, m)
		wantRelationships(t, s, lies...)
	})
	t.Run("a_failed_read_reports_nothing", func(t *testing.T) {
		broken := errors.New("broken")
		half := func(_ context.Context, yield func(relation.Relationship) error) error {
			return errors.Join(yield(all[0]), broken)
		}
		for _, c := range [][2]relation.Stream[relation.Relationship]{{half, of(all...)}, {want, half}} {
			if m, s, err := relation.Reconcile(t.Context(), c[0], c[1]); !errors.Is(err, broken) || len(m)+len(s) > 0 {
				t.Errorf("missing %v, surplus %v, %v", m, s, err)
			}
		}
	})
}
