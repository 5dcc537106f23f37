package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"steward/internal/domain"
	"steward/internal/relation"
	"steward/internal/service"
	"steward/internal/store"
	"steward/internal/testing/property/parts"
)

var (
	admin   = domain.PermissionsOf(domain.Admin)
	manager = domain.PermissionsOf(domain.ContactManagement)
	request = &service.StaffRequest{Reference: "T-1", Reason: "The customer called."}
)

func wantCode(t testing.TB, err error, code domain.Code) {
	t.Helper()
	if domain.CodeOf(err) != code {
		t.Fatalf("got error %v, want %q", err, code)
	}
}

// secret returns the secret of the newest link that was mailed to an address.
func secret(t testing.TB, p *parts.Parts, email string) (s string) {
	t.Helper()
	p.Query("SELECT text FROM mails WHERE email = ? ORDER BY rowid", func(v []any) {
		_, link, _ := strings.Cut(v[0].(string), "#")
		_, link, _ = strings.Cut(link, "=")
		s = strings.Fields(link)[0]
	}, email)
	if s == "" {
		t.Fatalf("nothing was mailed to %s", email)
	}
	return s
}

// atOnce runs the functions at the same moment and counts those that came through; the others must answer one of codes.
func atOnce(t *testing.T, fns []func() error, codes ...domain.Code) (done int) {
	t.Helper()
	start := make(chan struct{})
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, fn := range fns {
		all.Go(func() {
			<-start
			err := fn()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				done++
				return
			}
			for _, code := range codes {
				if domain.CodeOf(err) == code {
					return
				}
			}
			t.Errorf("got error %v", err)
		})
	}
	close(start)
	all.Wait()
	return done
}

func TestAcceptInvitation_OfOneContactAtOnce(t *testing.T) {
	p := parts.Open(t)
	s := p.Service
	a := p.Account()
	if _, err := s.AddContact(t.Context(), a[0].Actor, a[0].AccountID, service.AddContact{LastName: "New", Email: "one@people.example"}); err != nil {
		t.Fatal(err)
	}
	text := secret(t, p, "one@people.example")
	var fns []func() error
	for i := range 6 {
		login := p.SignIn(fmt.Sprint("racer ", i))
		fns = append(fns, func() error { _, err := s.AcceptInvitation(t.Context(), login, text, ""); return err })
	}
	if n := atOnce(t, fns, domain.CodeBadUserInput); n != 1 {
		t.Errorf("%d accepted", n)
	}
	p.Reconciled()
}

func TestAcceptInvitation_ByOnePersonAtOnce(t *testing.T) {
	p := parts.Open(t)
	s := p.Service
	a := p.Account()
	login := p.SignIn("collector")
	var fns []func() error
	for i := range 6 {
		email := fmt.Sprintf("many.%d@people.example", i)
		if _, err := s.AddContact(t.Context(), a[0].Actor, a[0].AccountID, service.AddContact{LastName: "New", Email: email}); err != nil {
			t.Fatal(err)
		}
		text := secret(t, p, email)
		fns = append(fns, func() error { _, err := s.AcceptInvitation(t.Context(), login, text, ""); return err })
	}
	if n := atOnce(t, fns, domain.CodeConflict); n != 1 {
		t.Errorf("%d accepted", n)
	}
	p.Reconciled()
}

func TestTransferOwnership_AtOnce(t *testing.T) {
	p := parts.Open(t)
	s := p.Service
	a := p.Account(0, 0, 0, 0)
	var fns []func() error
	for _, c := range a[1:] {
		fns = append(fns, func() error {
			_, err := s.TransferOwnership(t.Context(), a[0].Actor, a[0].AccountID, service.TransferOwnership{To: c.ID})
			return err
		})
	}
	if n := atOnce(t, fns, domain.CodeForbidden); n != 1 {
		t.Errorf("%d became the owner", n)
	}
	p.Reconciled()
}

func TestSetAccountType_AtOnce(t *testing.T) {
	p := parts.Open(t)
	s := p.Service
	a := p.Account(0, 0, 0, 0)
	var fns []func() error
	for _, c := range a[1:] {
		fns = append(fns, func() error {
			_, err := s.SetAccountType(t.Context(), a[0].Actor, c.ID, domain.PrimaryBillingContact, service.ContactChange{})
			return err
		})
	}
	if n := atOnce(t, fns); n != 4 {
		t.Errorf("%d were set", n)
	}
	if n := p.Count("SELECT count(*) FROM contacts WHERE account_id = ? AND types <> 0", string(a[0].AccountID)); n != 1 {
		t.Errorf("%d hold the type", n)
	}
	p.Reconciled()
}

func TestRevokeAdminPermission_AtOnce(t *testing.T) {
	p := parts.Open(t)
	s := p.Service
	for range 10 {
		a := p.Account(admin, admin)
		n := atOnce(t, []func() error{
			func() error {
				_, err := s.RevokeAdminPermission(t.Context(), a[1].Actor, a[2].ID, service.ContactChange{})
				return err
			},
			func() error {
				_, err := s.RevokeAdminPermission(t.Context(), a[2].Actor, a[1].ID, service.ContactChange{})
				return err
			},
		}, domain.CodeForbidden)
		if n != 1 {
			t.Fatalf("%d Admins were revoked by each other", n)
		}
	}
	p.Reconciled()
}

func TestCreateAccount_AtOnce(t *testing.T) {
	p := parts.Open(t)
	s := p.Service
	staff := accountant(t, p)
	var fns []func() error
	for i := range 4 {
		in := service.CreateAccount{Name: "Same Name", Owner: service.NewOwner{LastName: "Owner", Email: fmt.Sprintf("o%d@people.example", i)}, StaffRequest: request}
		fns = append(fns, func() error { _, err := s.CreateAccount(t.Context(), staff, in); return err })
	}
	if n := atOnce(t, fns, domain.CodeConflict); n != 1 {
		t.Errorf("%d were created", n)
	}
	p.Reconciled()
}

func accountant(t testing.TB, p *parts.Parts) domain.Actor {
	t.Helper()
	if _, err := p.Service.SetStaff(t.Context(), parts.Login("accounting"), domain.StaffAccounting, true); err != nil {
		t.Fatal(err)
	}
	return p.SignIn("accounting")
}

// TestCreateAccount_RepeatedWhilePending holds that the second call under a key does not say that an account is there
// before anybody can see it: the two hold no lock in common.
func TestCreateAccount_RepeatedWhilePending(t *testing.T) {
	p := parts.Open(t)
	staff := accountant(t, p)
	in := service.CreateAccount{Name: "New", Owner: service.NewOwner{LastName: "Owner", Email: "o@people.example"}, StaffRequest: request, IdempotencyKey: "key"}
	p.Writer.Before(func(context.Context, []relation.Update) error { return errors.New("down") })
	_, err := p.Service.CreateAccount(t.Context(), staff, in)
	wantCode(t, err, domain.CodeAuthzPending)
	_, err = p.Service.CreateAccount(t.Context(), staff, in)
	wantCode(t, err, domain.CodeAuthzPending)
	p.Writer.Before(nil)
	res, err := p.Service.CreateAccount(t.Context(), staff, in)
	wantCode(t, err, "")
	if !res.Repeated || !p.Can(staff, relation.TypeAccount, res.ID, relation.ViewAccount) {
		t.Errorf("answered %+v, and the account is not to be seen", res)
	}
	p.Reconciled()
}

// TestSetStaff_Disabled holds that a staff role counts once the user is enabled, in whatever order the two come.
func TestSetStaff_Disabled(t *testing.T) {
	p := parts.Open(t)
	u := p.SignIn("late")
	sees := func(want bool) {
		t.Helper()
		p.Reconciled()
		if got := p.Can(u, relation.TypePlatform, relation.PlatformID, relation.Staff); got != want {
			t.Errorf("is staff: %v", got)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id := domain.UserID(u.Person.ID)
	do(p.Service.SetUserDisabled(t.Context(), id, true))
	_, err := p.Service.SetStaff(t.Context(), parts.Login("late"), domain.StaffSupport, true)
	do(err)
	sees(false)
	do(p.Service.SetUserDisabled(t.Context(), id, false))
	sees(true)
	do(p.Service.SetUserDisabled(t.Context(), id, true))
	sees(false)
	_, err = p.Service.SetStaff(t.Context(), parts.Login("late"), domain.StaffSupport, false)
	do(err)
	do(p.Service.SetUserDisabled(t.Context(), id, false))
	sees(false)
	fns := []func() error{
		func() error { return p.Service.SetUserDisabled(t.Context(), id, true) },
		func() error {
			_, err := p.Service.SetStaff(t.Context(), parts.Login("late"), domain.StaffAccounting, true)
			return err
		},
	}
	if n := atOnce(t, fns); n != 2 {
		t.Errorf("%d of 2 were done", n)
	}
	sees(false)
}

// TestSetUserDisabled ends the rights on every account of the user at once.
func TestSetUserDisabled(t *testing.T) {
	p := parts.Open(t)
	a, b := p.Account(admin), p.Account()
	if _, err := p.Service.AddContact(t.Context(), b[0].Actor, b[0].AccountID, service.AddContact{LastName: "Both", Email: "both@people.example", Permissions: []domain.Permission{domain.Admin}}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Service.AcceptInvitation(t.Context(), a[1].Actor, secret(t, p, "both@people.example"), ""); err != nil {
		t.Fatal(err)
	}
	for _, off := range []bool{true, false} {
		if err := p.Service.SetUserDisabled(t.Context(), domain.UserID(a[1].Person.ID), off); err != nil {
			t.Fatal(err)
		}
		for _, id := range []domain.AccountID{a[0].AccountID, b[0].AccountID} {
			if p.Can(a[1].Actor, relation.TypeAccount, string(id), relation.EditAccount) == off {
				t.Errorf("disabled %v, and may edit: %v", off, off)
			}
		}
		p.Reconciled()
	}
}

// TestAPITokens holds how many there can be, how long they last, and that none outlives the one that made it.
func TestAPITokens(t *testing.T) {
	p := parts.Open(t)
	a := p.Account()
	program, err := p.Service.CreateServiceAccount(t.Context(), a[0].Actor, a[0].AccountID, service.CreateServiceAccount{Name: "Program", Permissions: []domain.Permission{domain.Admin}})
	wantCode(t, err, "")
	id := domain.ContactID(program.ID)
	first, err := p.Service.CreateServiceAccountToken(t.Context(), a[0].Actor, id, service.CreateToken{Name: "first", ExpiresInDays: 2})
	wantCode(t, err, "")
	var token domain.APIToken
	read := func(id string) domain.APIToken {
		t.Helper()
		if err := p.DB.View(t.Context(), func(tx *store.Tx) (err error) {
			token, err = tx.APIToken(t.Context(), domain.APITokenID(id))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return token
	}
	actor := domain.Actor{Person: read(first.ID).Person, Name: "Program", TokenID: domain.APITokenID(first.ID)}
	second, err := p.Service.CreateServiceAccountToken(t.Context(), actor, id, service.CreateToken{Name: "second", ExpiresInDays: 366})
	wantCode(t, err, "")
	if got, want := read(second.ID).ExpiresAt, p.Clock.Now().Add(48*time.Hour); !got.Equal(want) {
		t.Errorf("the second token lasts until %s, the one that made it until %s", got, want)
	}
	p.Clock.Turn(48 * time.Hour)
	_, err = p.Service.CreateServiceAccountToken(t.Context(), actor, id, service.CreateToken{Name: "third", ExpiresInDays: 1})
	wantCode(t, err, domain.CodeUnauthenticated)
	_, err = p.Service.SignInToken(t.Context(), domain.APITokenID(first.ID), read(first.ID).Hash)
	wantCode(t, err, domain.CodeUnauthenticated)

	for _, days := range []int{0, -1, 367} {
		_, err := p.Service.CreateAPIToken(t.Context(), a[0].Actor, service.CreateToken{Name: "token", ExpiresInDays: days})
		wantCode(t, err, domain.CodeBadUserInput)
	}
	for range 100 {
		_, err := p.Service.CreateAPIToken(t.Context(), a[0].Actor, service.CreateToken{Name: "token", ExpiresInDays: 1})
		wantCode(t, err, "")
	}
	_, err = p.Service.CreateAPIToken(t.Context(), a[0].Actor, service.CreateToken{Name: "token", ExpiresInDays: 1})
	wantCode(t, err, domain.CodeConflict)
	p.Clock.Turn(24 * time.Hour) // those that have expired do not count
	_, err = p.Service.CreateAPIToken(t.Context(), a[0].Actor, service.CreateToken{Name: "token", ExpiresInDays: 1})
	wantCode(t, err, "")
	p.Reconciled()
}

// TestRecordViews holds that what staff saw is in the log of each account.
func TestRecordViews(t *testing.T) {
	p := parts.Open(t)
	a, b := p.Account(), p.Account()
	staff := accountant(t, p)
	err := p.Service.RecordViews(t.Context(), staff, "Search", map[domain.AccountID][]string{a[0].AccountID: {"view_account"}, b[0].AccountID: {"view_account"}})
	wantCode(t, err, "")
	if n := p.Count("SELECT count(*) FROM audit_log WHERE action = 'view_account' AND actor_id = ?", staff.Person.ID); n != 2 {
		t.Errorf("%d entries", n)
	}
}
