package storetest

import (
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/store"
)

func testUsers(t *testing.T, f *fixture) {
	login := store.Login{Issuer: "https://issuer", Subject: "s1", Email: "Jörg@Example.com", EmailVerified: true, Name: "Jörg"}
	upsert := func(l store.Login, now time.Time) domain.User {
		f.Helper()
		var u domain.User
		f.update(func(tx *store.Tx) (err error) {
			u, err = tx.UpsertUser(f.ctx, l, now)
			return err
		})
		return u
	}
	u := upsert(login, at(0))
	want := domain.User{ID: u.ID, Issuer: login.Issuer, Subject: "s1", Email: login.Email, EmailVerified: true, Name: "Jörg", CreatedAt: at(0)}
	equal(f, u, want)
	if len(u.ID) != len(domain.NewID[domain.UserID]()) {
		t.Errorf("the id %q is none that is given out", u.ID)
	}
	equal(f, upsert(login, at(1)), want)
	f.update(func(tx *store.Tx) error { return tx.SetUserDisabled(f.ctx, u.ID, true) })
	login.Email, login.EmailVerified, login.Name = "other@example.com", false, "J"
	want.Email, want.EmailVerified, want.Name, want.Disabled = login.Email, false, "J", true
	equal(f, upsert(login, at(2)), want)

	for _, edit := range []func(*store.Login){ // each alone is written
		func(l *store.Login) { l.Email = "another@example.com" }, func(l *store.Login) { l.EmailVerified = true }, func(l *store.Login) { l.Name = "K" },
	} {
		changed := login
		edit(&changed)
		u := upsert(changed, at(2))
		equal(f, store.Login{Issuer: u.Issuer, Subject: u.Subject, Email: u.Email, EmailVerified: u.EmailVerified, Name: u.Name}, changed)
		equal(f, upsert(login, at(2)), want)
	}

	// An unchanged login is only read: a View, which refuses writes, is enough.
	equal(f, read(f, func(tx *store.Tx) (domain.User, error) { return tx.UpsertUser(f.ctx, login, at(3)) }), want)

	elsewhere := upsert(store.Login{Issuer: "https://elsewhere", Subject: "s1", Email: "OTHER@example.com"}, at(4))
	if elsewhere.ID == u.ID {
		t.Error("the same subject of another issuer is the same user")
	}
	equal(f, read(f, func(tx *store.Tx) (domain.User, error) { return tx.User(f.ctx, u.ID) }), want)
	missing(f, func(tx *store.Tx) (domain.User, error) { return tx.User(f.ctx, "nobody") })
	equal(f, read(f, func(tx *store.Tx) (domain.User, error) { return tx.UserByLogin(f.ctx, "https://elsewhere", "s1") }), elsewhere)
	missing(f, func(tx *store.Tx) (domain.User, error) { return tx.UserByLogin(f.ctx, "https://elsewhere", "S1") })
	equal(f, read(f, func(tx *store.Tx) (map[domain.UserID]domain.User, error) {
		return tx.Users(f.ctx, []domain.UserID{u.ID, elsewhere.ID, "nobody"})
	}), map[domain.UserID]domain.User{u.ID: want, elsewhere.ID: elsewhere})
	equal(f, read(f, func(tx *store.Tx) ([]domain.User, error) { return tx.UsersByEmail(f.ctx, "Other@Example.com") }), []domain.User{want, elsewhere})
	upsert(store.Login{Issuer: "https://issuer", Subject: "no e-mail"}, at(5))
	equal(f, read(f, func(tx *store.Tx) ([]domain.User, error) { return tx.UsersByEmail(f.ctx, "") }), nil)
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.SetUserDisabled(f.ctx, "nobody", true) })
}

func testSignIn(t *testing.T, f *fixture) {
	login := store.Login{Issuer: "https://issuer", Subject: "s", Email: "a@example.com", Name: "A"}
	signIn := func(l store.Login) domain.User {
		f.Helper()
		u, err := f.db.SignIn(f.ctx, l, at(0))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	first := signIn(login)
	// While somebody writes, an unchanged login signs in all the same.
	f.update(func(tx *store.Tx) error {
		if err := tx.SetMeta(f.ctx, "k", "v"); err != nil {
			return err
		}
		equal(f, signIn(login), first)
		return nil
	})
	login.Name = "B"
	equal(f, signIn(login).Name, "B")
	equal(f, signIn(login).ID, first.ID)

	ids := make(chan domain.UserID, 8)
	for range cap(ids) { // a new person's first page asks several times at once
		go func() {
			u, err := f.db.SignIn(f.ctx, store.Login{Issuer: "https://issuer", Subject: "new"}, at(0))
			if err != nil {
				t.Error(err)
			}
			ids <- u.ID
		}()
	}
	id := <-ids
	for range cap(ids) - 1 {
		equal(f, <-ids, id)
	}
}

func testStaff(t *testing.T, f *fixture) {
	a, b, other := f.user("a@example.com"), f.user("b@example.com"), f.user("c@example.com")
	set := func(u domain.UserID, r domain.StaffRole) {
		f.Helper()
		f.update(func(tx *store.Tx) error { return tx.SetStaff(f.ctx, u, r) })
	}
	set(a.ID, domain.StaffSupport)
	set(a.ID, domain.StaffSupport)
	set(a.ID, domain.StaffAccounting)
	set(b.ID, domain.StaffSupport)
	roles := func(u domain.UserID) []domain.StaffRole {
		return read(f, func(tx *store.Tx) ([]domain.StaffRole, error) { return tx.StaffRoles(f.ctx, u) })
	}
	equal(f, roles(a.ID), []domain.StaffRole{domain.StaffAccounting, domain.StaffSupport})
	equal(f, roles(other.ID), nil)
	equal(f, len(read(f, func(tx *store.Tx) ([]store.StaffMember, error) { return tx.AllStaff(f.ctx) })), 3)
	equal(f, read(f, func(tx *store.Tx) ([]domain.User, error) { return tx.StaffMembers(f.ctx) }), []domain.User{a, b})
	f.update(func(tx *store.Tx) error { return tx.RemoveStaff(f.ctx, a.ID, domain.StaffSupport) })
	f.update(func(tx *store.Tx) error { return tx.RemoveStaff(f.ctx, other.ID, domain.StaffSupport) })
	equal(f, roles(a.ID), []domain.StaffRole{domain.StaffAccounting})
	equal(f, roles(b.ID), []domain.StaffRole{domain.StaffSupport})
	f.refused(store.ErrReference, func(tx *store.Tx) error { return tx.SetStaff(f.ctx, "nobody", domain.StaffSupport) })
	f.refused(store.ErrRefused, func(tx *store.Tx) error { return tx.SetStaff(f.ctx, other.ID, "emperor") })
}

func testServiceAccounts(t *testing.T, f *fixture) {
	a := f.account("A")
	s := f.serviceAccount(a.ID, "robot")
	get := func(tx *store.Tx) (domain.ServiceAccount, error) { return tx.ServiceAccount(f.ctx, s.ID) }
	equal(f, read(f, get), s)
	f.update(func(tx *store.Tx) error { return tx.SetServiceAccountDisabled(f.ctx, s.ID, true) })
	s.Disabled = true
	equal(f, read(f, get), s)
	equal(f, read(f, func(tx *store.Tx) (map[domain.ServiceAccountID]domain.ServiceAccount, error) {
		return tx.ServiceAccounts(f.ctx, []domain.ServiceAccountID{s.ID, "nobody"})
	}), map[domain.ServiceAccountID]domain.ServiceAccount{s.ID: s})
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.InsertServiceAccount(f.ctx, s) })
	f.refused(store.ErrReference, func(tx *store.Tx) error {
		return tx.InsertServiceAccount(f.ctx, domain.ServiceAccount{ID: "x", AccountID: "nowhere", CreatedAt: at(0)})
	})
	c := f.contact(a.ID, "", "robot", func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson(s.ID) })
	token := domain.APIToken{ID: "t", Person: domain.ServiceAccountPerson(s.ID), Hash: []byte{1}, CreatedAt: at(0), ExpiresAt: at(1)}
	f.update(func(tx *store.Tx) error { return tx.InsertAPIToken(f.ctx, token) })
	f.refused(store.ErrReference, func(tx *store.Tx) error { return tx.DeleteServiceAccount(f.ctx, s.ID) })
	f.update(func(tx *store.Tx) error {
		if err := tx.DeleteContact(f.ctx, c.ID); err != nil {
			return err
		}
		return tx.DeleteServiceAccount(f.ctx, s.ID)
	})
	missing(f, get)
	missing(f, func(tx *store.Tx) (domain.APIToken, error) { return tx.APIToken(f.ctx, token.ID) })
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteServiceAccount(f.ctx, s.ID) })
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.SetServiceAccountDisabled(f.ctx, s.ID, true) })
}

func testLinks(t *testing.T, f *fixture) {
	a := f.account("A")
	c, d := f.contact(a.ID, "C", ""), f.contact(a.ID, "D", "")
	link := func(contact domain.ContactID, kind domain.LinkKind, hash string, n int) domain.Link {
		f.Helper()
		l := domain.Link{
			ID: domain.NewID[domain.LinkID](), Kind: kind, ContactID: contact, Email: "c@example.com",
			Hash: []byte(hash), CreatedAt: at(n), ExpiresAt: at(n + 60),
		}
		f.update(func(tx *store.Tx) error { return tx.InsertLink(f.ctx, l) })
		return l
	}
	used, open, newer := link(c.ID, domain.LinkInvitation, "\x00\xff'1", 0), link(c.ID, domain.LinkInvitation, "2", 1), link(c.ID, domain.LinkInvitation, "3", 2)
	mail, others := link(c.ID, domain.LinkConfirmEmail, "4", 3), link(d.ID, domain.LinkInvitation, "5", 4)
	used.UsedAt, used.Email = at(9), "changed@example.com"
	f.update(func(tx *store.Tx) error { return tx.UpdateLink(f.ctx, used) })
	byHash := func(hash []byte) func(tx *store.Tx) (domain.Link, error) {
		return func(tx *store.Tx) (domain.Link, error) { return tx.LinkByHash(f.ctx, hash) }
	}
	equal(f, read(f, byHash(used.Hash)), used)
	equal(f, read(f, byHash(open.Hash)), open)
	missing(f, byHash([]byte("no")))
	missing(f, byHash(nil))
	openLinks := func(contact domain.ContactID, kind domain.LinkKind) []domain.Link {
		return read(f, func(tx *store.Tx) ([]domain.Link, error) { return tx.OpenLinks(f.ctx, contact, kind) })
	}
	equal(f, openLinks(c.ID, domain.LinkInvitation), []domain.Link{newer, open})
	equal(f, read(f, func(tx *store.Tx) ([]domain.Link, error) { return tx.LinksOfContact(f.ctx, c.ID) }), []domain.Link{mail, newer, open, used})
	equal(f, read(f, func(tx *store.Tx) (map[domain.ContactID][]domain.Link, error) {
		return tx.LinksOfContacts(f.ctx, []domain.ContactID{c.ID, d.ID, "nobody"})
	}), map[domain.ContactID][]domain.Link{c.ID: {mail, newer, open, used}, d.ID: {others}})

	f.update(func(tx *store.Tx) error { return tx.VoidLinks(f.ctx, c.ID, domain.LinkInvitation, at(20)) })
	equal(f, openLinks(c.ID, domain.LinkInvitation), nil)
	equal(f, openLinks(c.ID, domain.LinkConfirmEmail), []domain.Link{mail})
	equal(f, openLinks(d.ID, domain.LinkInvitation), []domain.Link{others})
	equal(f, read(f, byHash(open.Hash)).VoidedAt, at(20))
	equal(f, read(f, byHash(used.Hash)), used)

	clash := mail
	clash.Hash = others.Hash
	f.duplicate(store.ConstraintLinkHash, func(tx *store.Tx) error { return tx.UpdateLink(f.ctx, clash) })
	clash.ID = "new"
	f.duplicate(store.ConstraintLinkHash, func(tx *store.Tx) error { return tx.InsertLink(f.ctx, clash) })
	clash.ID, clash.Hash = mail.ID, []byte("6")
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.InsertLink(f.ctx, clash) })
	clash.ID, clash.ContactID = "new", "nobody"
	f.refused(store.ErrReference, func(tx *store.Tx) error { return tx.InsertLink(f.ctx, clash) })
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.UpdateLink(f.ctx, clash) })

	f.update(func(tx *store.Tx) error { return tx.DeleteContact(f.ctx, d.ID) })
	missing(f, byHash(others.Hash))
}

// tokens adds two tokens of a user, the second narrowed, and one of a service account.
func (f *fixture) tokens() (own, narrow, robot domain.APIToken) {
	f.Helper()
	a := f.account("A")
	u, s := f.user("u@example.com"), f.serviceAccount(a.ID, "robot")
	c := f.contact(a.ID, "", "robot", func(c *domain.Contact) { c.Person = domain.ServiceAccountPerson(s.ID) })
	token := func(n int, p domain.Person) domain.APIToken {
		return domain.APIToken{
			ID: domain.NewID[domain.APITokenID](), Person: p, Name: "ci", Hash: []byte{0, 1, byte(n)}, CreatedBy: domain.UserPerson(u.ID),
			CreatedAt: at(n), ExpiresAt: at(n + 1000),
		}
	}
	own, narrow, robot = token(0, domain.UserPerson(u.ID)), token(1, domain.UserPerson(u.ID)), token(2, domain.ServiceAccountPerson(s.ID))
	narrow.Scope = domain.Scope{Permissions: []string{"view_contacts"}, Accounts: []domain.AccountID{a.ID}}
	robot.AccountID, robot.ContactID = a.ID, c.ID
	for _, tok := range []domain.APIToken{own, narrow, robot} {
		f.update(func(tx *store.Tx) error { return tx.InsertAPIToken(f.ctx, tok) })
	}
	return own, narrow, robot
}

func getToken(f *fixture, id domain.APITokenID) domain.APIToken {
	f.Helper()
	return read(f, func(tx *store.Tx) (domain.APIToken, error) { return tx.APIToken(f.ctx, id) })
}

func testAPITokens(t *testing.T, f *fixture) {
	own, narrow, robot := f.tokens()
	for _, tok := range []domain.APIToken{own, narrow, robot} {
		equal(f, getToken(f, tok.ID), tok)
	}
	missing(f, func(tx *store.Tx) (domain.APIToken, error) { return tx.APIToken(f.ctx, "none") })
	ofPerson := func(p domain.Person) []domain.APIToken {
		return read(f, func(tx *store.Tx) ([]domain.APIToken, error) { return tx.TokensOfPerson(f.ctx, p) })
	}
	equal(f, ofPerson(own.Person), []domain.APIToken{narrow, own})
	equal(f, ofPerson(robot.Person), []domain.APIToken{robot})
	equal(f, ofPerson(domain.Person{}), nil)
	equal(f, read(f, func(tx *store.Tx) (map[domain.ContactID][]domain.APIToken, error) {
		return tx.TokensOfContacts(f.ctx, []domain.ContactID{robot.ContactID, "nobody"})
	}), map[domain.ContactID][]domain.APIToken{robot.ContactID: {robot}})

	bad := own
	f.duplicate(store.ConstraintID, func(tx *store.Tx) error { return tx.InsertAPIToken(f.ctx, bad) })
	bad.ID, bad.Person = "bad", domain.Person{}
	f.refused(store.ErrRefused, func(tx *store.Tx) error { return tx.InsertAPIToken(f.ctx, bad) })
	bad.Person = domain.UserPerson("nobody")
	f.refused(store.ErrReference, func(tx *store.Tx) error { return tx.InsertAPIToken(f.ctx, bad) })

	f.update(func(tx *store.Tx) error { return tx.DeleteContact(f.ctx, robot.ContactID) })
	missing(f, func(tx *store.Tx) (domain.APIToken, error) { return tx.APIToken(f.ctx, robot.ID) })
}

func testAPITokenUse(t *testing.T, f *fixture) {
	own, narrow, robot := f.tokens()

	touch := func(now time.Time) time.Time {
		f.update(func(tx *store.Tx) error { return tx.TouchAPIToken(f.ctx, own.ID, now) })
		return getToken(f, own.ID).LastUsedAt
	}
	equal(f, touch(at(5)), at(5))
	equal(f, touch(at(5).Add(59*time.Second)), at(5))
	equal(f, touch(at(6)), at(6))
	equal(f, touch(at(3)), at(6))

	f.update(func(tx *store.Tx) error { return tx.RevokeAPIToken(f.ctx, narrow.ID, at(7)) })
	f.update(func(tx *store.Tx) error { return tx.RevokeAPIToken(f.ctx, narrow.ID, at(8)) })
	equal(f, getToken(f, narrow.ID).RevokedAt, at(7))
	f.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.RevokeAPIToken(f.ctx, "none", at(7)) })
	revoke := func(p domain.Person) (n int) {
		f.update(func(tx *store.Tx) (err error) {
			n, err = tx.RevokeTokensOfPerson(f.ctx, p, at(9))
			return err
		})
		return n
	}
	equal(f, revoke(domain.Person{}), 0)
	equal(f, revoke(own.Person), 1)
	equal(f, getToken(f, own.ID).RevokedAt, at(9))
	equal(f, getToken(f, narrow.ID).RevokedAt, at(7))
	equal(f, getToken(f, robot.ID), robot)
	equal(f, revoke(robot.Person), 1)
}
