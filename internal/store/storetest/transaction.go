package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
)

func testPages(t *testing.T, f *fixture) {
	one := store.Page{Limit: 1}
	for name, page := range map[string]func(tx *store.Tx, o store.Order, p store.Page) error{
		"accounts": func(tx *store.Tx, o store.Order, p store.Page) error {
			_, err := tx.AccountsPage(f.ctx, store.AccountQuery{All: true, Order: o, Page: p})
			return err
		},
		"contacts": func(tx *store.Tx, o store.Order, p store.Page) error {
			_, err := tx.ContactsPage(f.ctx, []domain.AccountID{"a"}, store.ContactQuery{Order: o, Page: p})
			return err
		},
		"audit": func(tx *store.Tx, o store.Order, p store.Page) error {
			_, err := tx.AuditPage(f.ctx, []domain.AccountID{"a"}, store.AuditQuery{Order: o, Page: p})
			return err
		},
	} {
		timed := store.Order{Field: store.OrderCreatedAt}
		if name == "audit" {
			timed = store.Order{Field: store.OrderAt}
		}
		for what, bad := range map[string]func(tx *store.Tx) error{
			"no limit":         func(tx *store.Tx) error { return page(tx, store.Order{}, store.Page{}) },
			"a negative limit": func(tx *store.Tx) error { return page(tx, store.Order{}, store.Page{Limit: -1}) },
			"a huge limit":     func(tx *store.Tx) error { return page(tx, store.Order{}, store.Page{Limit: store.MaxPage + 1}) },
			"an unknown order": func(tx *store.Tx) error { return page(tx, store.Order{Field: "id; DROP TABLE accounts"}, one) },
			"a place that is no time": func(tx *store.Tx) error {
				return page(tx, timed, store.Page{Limit: 1, From: &store.Keyset{Value: "x"}})
			},
		} {
			if err := f.db.View(f.ctx, bad); !errors.Is(err, store.ErrBadPage) {
				t.Errorf("%s with %s: got %v, want %v", name, what, err, store.ErrBadPage)
			}
		}
	}
	tooMany := make([]domain.AccountID, store.MaxPage+1)
	for i := range tooMany {
		tooMany[i] = domain.AccountID(strconv.Itoa(i))
	}
	if err := f.db.View(f.ctx, func(tx *store.Tx) error {
		_, err := tx.ContactsPage(f.ctx, tooMany, store.ContactQuery{Page: one})
		return err
	}); !errors.Is(err, store.ErrBadPage) {
		t.Errorf("too many lists: got %v, want %v", err, store.ErrBadPage)
	}
}

func testUpdateRollsBack(t *testing.T, f *fixture) {
	set := func(tx *store.Tx) error { return tx.SetMeta(f.ctx, "k", "v") }
	get := func(tx *store.Tx) (string, error) { return tx.Meta(f.ctx, "k") }
	reason := errors.New("changed my mind")
	f.refused(reason, func(tx *store.Tx) error { return errors.Join(set(tx), reason) })
	missing(f, get)

	func() {
		defer func() {
			if r := recover(); r != reason {
				t.Errorf("recovered %v, want the panic of the function", r)
			}
		}()
		_ = f.db.Update(f.ctx, func(tx *store.Tx) error {
			if err := set(tx); err != nil {
				t.Error(err)
			}
			panic(reason)
		})
	}()
	missing(f, get)

	f.account("Taken")
	f.refused(store.ErrDuplicate, func(tx *store.Tx) error { // a refused row ends the transaction, also when nobody minds
		if err := set(tx); err != nil {
			return err
		}
		err := tx.InsertAccount(f.ctx, domain.Account{ID: "x", Name: "taken", CreatedAt: at(0), UpdatedAt: at(0)})
		if !errors.Is(err, store.ErrDuplicate) {
			t.Errorf("got %v, want a duplicate", err)
		}
		return nil
	})
	missing(f, get)
	f.update(func(tx *store.Tx) error { // what is missing does not
		if _, err := tx.Account(f.ctx, "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v, want %v", err, store.ErrNotFound)
		}
		if err := tx.ClearMailText(f.ctx, "none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v, want %v", err, store.ErrNotFound)
		}
		return set(tx)
	})
	equal(f, read(f, get), "v")
}

func testView(t *testing.T, f *fixture) {
	if err := f.db.Ping(f.ctx); err != nil {
		t.Error(err)
	}
	if err := f.db.View(f.ctx, func(tx *store.Tx) error { return tx.SetMeta(f.ctx, "k", "v") }); !errors.Is(err, store.ErrRefused) {
		t.Errorf("a write in a view: got %v, want %v", err, store.ErrRefused)
	}
	a := f.account("Before")
	f.view(func(tx *store.Tx) error {
		if _, err := tx.Account(f.ctx, a.ID); err != nil {
			return err
		}
		renamed := a
		renamed.Name = "After"
		f.update(func(tx *store.Tx) error { return tx.UpdateAccount(f.ctx, renamed) })
		seen, err := tx.Account(f.ctx, a.ID)
		equal(f, seen, a)
		return err
	})
	equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, a.ID) }).Name, "After")
	f.update(func(tx *store.Tx) error { // what is not committed is seen inside only
		if err := tx.SetMeta(f.ctx, "k", "v"); err != nil {
			return err
		}
		missing(f, func(tx *store.Tx) (string, error) { return tx.Meta(f.ctx, "k") })
		_, err := tx.Meta(f.ctx, "k")
		return err
	})
}

func testConcurrentWriters(t *testing.T, f *fixture) {
	const writers, rounds = 8, 25
	f.update(func(tx *store.Tx) error { return tx.SetMeta(f.ctx, "n", "0") })
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				err := f.db.Update(f.ctx, func(tx *store.Tx) error {
					if err := tx.LockScopes(f.ctx, []string{"b", "a", "b"}, "c"); err != nil {
						return err
					}
					v, err := tx.Meta(f.ctx, "n")
					if err != nil {
						return err
					}
					n, err := strconv.Atoi(v)
					if err != nil {
						return err
					}
					return tx.SetMeta(f.ctx, "n", strconv.Itoa(n+1))
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() { // readers meanwhile see numbers that only grow
			last := 0
			for range rounds {
				err := f.db.View(f.ctx, func(tx *store.Tx) error {
					v, err := tx.Meta(f.ctx, "n")
					if n, _ := strconv.Atoi(v); n < last {
						t.Errorf("saw %d after %d", n, last)
					} else {
						last = n
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	equal(f, read(f, func(tx *store.Tx) (string, error) { return tx.Meta(f.ctx, "n") }), strconv.Itoa(writers*rounds))
}

func testCancellation(t *testing.T, f *fixture) {
	get := func(tx *store.Tx) (string, error) { return tx.Meta(f.ctx, "k") }
	canceled := func(when string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", when, err, context.Canceled)
		}
	}
	gone, cancel := context.WithCancel(f.ctx)
	cancel()
	canceled("before a view", f.db.View(gone, func(*store.Tx) error { t.Error("ran"); return nil }))
	canceled("before an update", f.db.Update(gone, func(*store.Tx) error { t.Error("ran"); return nil }))

	ctx, cancel := context.WithCancel(f.ctx)
	canceled("within an update", f.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.SetMeta(ctx, "k", "v"); err != nil {
			t.Error(err)
		}
		cancel()
		return tx.SetMeta(ctx, "k", "w")
	}))
	missing(f, get)

	ctx, cancel = context.WithCancel(f.ctx)
	canceled("before the commit", f.db.Update(ctx, func(tx *store.Tx) error {
		err := tx.SetMeta(ctx, "k", "v")
		cancel()
		return err
	}))
	missing(f, get)

	ctx, cancel = context.WithCancel(f.ctx)
	f.update(func(tx *store.Tx) error { // while another one writes
		done := make(chan error)
		go func() {
			done <- f.db.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(ctx, "k", "waited") })
		}()
		cancel()
		canceled("while waiting for the writer", <-done)
		return tx.SetMeta(f.ctx, "other", "v")
	})
	missing(f, get)
	f.update(func(tx *store.Tx) error { return tx.SetMeta(f.ctx, "k", "v") }) // the writer is free again
}

func testHostileText(t *testing.T, f *fixture) {
	for i, text := range []string{
		`'; DROP TABLE accounts; --`, `"?" ?0 ?name {1} $1 :x @y`, `\' \\ \u0000 \x00 %s`, "line\nline\r\ttab", "\u202eright to left", "e\u0301 é", "👩‍👩‍👧 ﷽", "İstanbul ıI ß ǅ ﬀ",
	} {
		a := f.account(text)
		equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.Account(f.ctx, a.ID) }), a)
		equal(f, read(f, func(tx *store.Tx) (domain.Account, error) { return tx.AccountByName(f.ctx, text) }), a)
		equal(f, names(accountsPage(f, store.AccountQuery{All: true, NameContains: text})), []string{text})
		c := f.contact(a.ID, text, text, func(c *domain.Contact) { c.Email, c.OptOuts, c.Phone = text, []string{text, text}, text })
		equal(f, getContact(f, c.ID), c)
		equal(f, contactsPage(f, []domain.AccountID{a.ID, "x"}, store.ContactQuery{NameContains: text, Email: &text})[a.ID], []domain.Contact{c})
		e := domain.AuditEntry{ID: domain.AuditID(strconv.Itoa(i)), At: at(0), Action: text, After: map[string]string{text: text}}
		f.update(func(tx *store.Tx) error { return tx.InsertAudit(f.ctx, e) })
		equal(f, read(f, func(tx *store.Tx) (domain.AuditEntry, error) { return tx.AuditEntry(f.ctx, e.ID) }), e)
	}
	// No engine keeps NUL in text. It is refused, or found nowhere, and cuts nothing off.
	if err := f.db.Update(f.ctx, func(tx *store.Tx) error { return tx.SetMeta(f.ctx, "k", "a\x00b") }); err == nil {
		t.Error("text with NUL was kept")
	}
	equal(f, names(accountsPage(f, store.AccountQuery{All: true, NameContains: "drop\x00 table"})), []string{`'; DROP TABLE accounts; --`})
}
