package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
)

// testPagesOfIDs reads lists that are narrowed to some ids, of one account and of several, in both directions.
func testPagesOfIDs(t *testing.T, f *fixture) {
	a, b := f.account("Acme"), f.account("Beta")
	var ids []domain.ContactID
	want := map[domain.AccountID][]string{}
	for i := range 30 {
		account := []domain.Account{a, b}[i%2]
		c := f.contact(account.ID, "F", fmt.Sprintf("C%02d", i))
		if i%3 == 0 {
			ids = append(ids, c.ID)
			want[account.ID] = append(want[account.ID], "F "+c.LastName)
		}
	}
	slices.Reverse(ids)
	ids = append(ids, "not an id' --")
	for _, backward := range []bool{false, true} {
		q := store.ContactQuery{IDs: ids, Page: store.Page{Limit: 1000, Backward: backward}}
		for _, accounts := range [][]domain.AccountID{{a.ID}, {b.ID, a.ID}} {
			got := contactsPage(f, accounts, q)
			for _, id := range accounts {
				equal(f, contactNames(got[id]), want[id])
			}
		}
		q.Page = store.Page{Limit: 1, Backward: backward}
		all := contactsPage(f, []domain.AccountID{a.ID}, q)[a.ID]
		from := store.ContactKeyset(all[0], q.Order)
		q.Page.From = &from
		next := want[a.ID][1]
		if backward {
			next = want[a.ID][len(want[a.ID])-2]
		}
		equal(f, contactNames(contactsPage(f, []domain.AccountID{a.ID}, q)[a.ID]), []string{next})
	}
	equal(f, len(contactsPage(f, []domain.AccountID{a.ID, b.ID}, store.ContactQuery{IDs: []domain.ContactID{}, Page: store.Page{Limit: 10}})), 0)
	equal(f, names(accountsPage(f, store.AccountQuery{All: true, IDs: []domain.AccountID{b.ID, "none"}})), []string{"Beta"})
	equal(f, len(accountsPage(f, store.AccountQuery{All: true, IDs: []domain.AccountID{}})), 0)
}

// testMetaOnce has several callers at once keep a value under the same key: one of them does, and all learn which.
func testMetaOnce(t *testing.T, f *fixture) {
	got := make([]string, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			if err := f.db.Update(f.ctx, func(tx *store.Tx) (err error) {
				got[i], err = tx.MetaOnce(f.ctx, "once", strconv.Itoa(i+1))
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if first := got[0]; first == "" || slices.ContainsFunc(got, func(v string) bool { return v != first }) {
		t.Errorf("the callers got %q", got)
	}
}
