package matrix

import (
	"context"
	"slices"
	"testing"

	"steward/internal/domain"
	"steward/internal/store"
	"steward/internal/testing/world"
)

// invited is a contact without a login: who is invited again, in the state that the row names.
const invited = world.NoLogin

// contactsAlready are the people who are contacts of the account already, whether or not their rights count.
var contactsAlready = slices.DeleteFunc(slices.Clone(people), func(k Kind) bool { return !k.IsContact() || k == world.NoLogin })

var invitationOperations = []operation{
	{
		name: "resendInvitation", law: "resend_invitation", needs: "resend_invitation", can: "Contact.resendInvitation",
		rows: []row{
			{on: invited, give: "ADMIN", may: kinds(owner, admins, staff)},
			{on: invited, give: "NONE", may: kinds(owner, admins, managers, staff)},
			{on: invited, give: "BILLING", may: kinds(owner, admins, only(world.BillingManager), staff)},
			{on: world.Target, but: []exception{{kinds(owner, admins, managers, staff), mend("CONFLICT")}}},
			{on: self, but: []exception{{kinds(admins, managers), mend("CONFLICT")}}},
			{on: elsewhere, but: []exception{{kinds(otherSide, staff), mend("CONFLICT")}}},
		},
		input:   resendInput,
		arrange: arrangeInvited,
		happened: func(c *cell) bool {
			return c.openLinks(domain.LinkInvitation) == 1 && c.links() > 1
		},
	},
	{
		name: "resendInvitation", part: "to the owner", law: "resend_invitation", needs: "resend_invitation", can: "Contact.resendInvitation",
		// The owner who has not accepted yet is invited again by staff only.
		rows: []row{{on: world.Owner, may: staff}},
		arrange: func(c *cell) {
			c.a.Change(c, world.Owner, func(o *domain.Contact) { o.Person = domain.Person{} })
		},
		input:    resendInput,
		happened: func(c *cell) bool { return c.openLinks(domain.LinkInvitation) == 1 },
	},
	{
		name: "resendInvitation", part: "without a recorded request", law: "resend_invitation", needs: "resend_invitation", can: "Contact.resendInvitation",
		rows:    []row{{on: invited, give: "NONE", may: kinds(owner, admins, managers), but: []exception{{staff, mend("BAD_USER_INPUT")}}}},
		arrange: arrangeInvited, input: contactOnly,
		happened: func(c *cell) bool { return c.links() > 1 },
	},
	{
		// Who has the secret of the link has the right, whoever it was mailed to.
		name: "acceptInvitation",
		rows: []row{{
			on: invited, give: "ADMIN", may: kinds(staff, only(world.OtherOwner, world.Stranger)),
			but: []exception{
				{contactsAlready, mend("CONFLICT")},
				{only(world.ServiceAccount), because("needs_login", "accept_invitation")},
				{only(world.NarrowedToken), because("token_scope", "acceptInvitation")},
			},
		}},
		input:    func(c *cell) world.Vars { return world.Vars{"token": c.a.Invitation} },
		happened: func(c *cell) bool { return c.contact().Person == c.caller.Is },
	},
	{
		name: "acceptInvitation", part: "by whom it was mailed to",
		rows: []row{{on: here, may: only(world.NoLogin), skip: slices.DeleteFunc(slices.Clone(world.Callers), func(k Kind) bool {
			return k == world.NoLogin
		})}},
		input: func(c *cell) world.Vars { return world.Vars{"token": c.a.Invitation} },
		happened: func(c *cell) bool {
			row, _ := c.a.Row(c, world.NoLogin)
			return row.Person == c.caller.Is
		},
	},
	{
		// The secret alone is not enough: only the contact's own login confirms its address.
		name: "confirmEmail",
		rows: []row{
			{on: self, may: kinds(owner, only(world.Admin, world.AccountAdministrator), managers, plain), but: []exception{
				{only(world.NoLogin, world.Deactivated), mend("BAD_USER_INPUT")},
				{only(world.ServiceAccount), because("needs_login", "confirm_email")},
				{only(world.NarrowedToken), because("token_scope", "confirmEmail")},
			}},
			{on: world.Target, but: []exception{
				{people, mend("BAD_USER_INPUT")},
				{only(world.ServiceAccount), because("needs_login", "confirm_email")},
				{only(world.NarrowedToken), because("token_scope", "confirmEmail")},
			}},
		},
		input: func(c *cell) world.Vars {
			if c.made == "" {
				c.a.Change(c, c.target(), func(t *domain.Contact) { t.PendingEmail = "new@world.example" })
				c.made = c.a.Mail(c, c.target(), domain.LinkConfirmEmail, "new@world.example")
			}
			return world.Vars{"token": c.made}
		},
		happened: func(c *cell) bool {
			t := c.contact()
			return t.Email == "new@world.example" && t.PendingEmail == ""
		},
	},
}

func resendInput(c *cell) world.Vars { return onContact(c, world.Vars{"staffRequest": staffRequest}) }

func arrangeInvited(c *cell) {
	if c.row.on != invited {
		return
	}
	c.a.Change(c, invited, func(t *domain.Contact) {
		if t.Permissions = 0; c.row.give != "NONE" {
			t.Permissions = domain.PermissionsOf(given(c))
		}
	})
}

func (c *cell) eachLink(fn func(domain.Link)) {
	c.w.View(c, func(ctx context.Context, tx *store.Tx) error {
		links, err := tx.LinksOfContact(ctx, c.contactID())
		for _, l := range links {
			fn(l)
		}
		return err
	})
}

func (c *cell) contactID() domain.ContactID {
	_, id, _ := domain.ParseGlobalID(c.account().Contact(c.target()))
	return domain.ContactID(id)
}

func (c *cell) links() (n int) {
	c.eachLink(func(domain.Link) { n++ })
	return n
}

func (c *cell) openLinks(kind domain.LinkKind) (n int) {
	c.eachLink(func(l domain.Link) {
		if l.Kind == kind && l.VoidedAt.IsZero() && l.UsedAt.IsZero() {
			n++
		}
	})
	return n
}

// A secret that was never given out, one that was used and one of another kind are told apart by nobody.
func invitationsSecretsThatAreNone(t *testing.T, r run) {
	w := r.w
	a := w.Account(t, world.NoLogin, world.Target)
	used := a.Invitation
	accept := operation{name: "acceptInvitation"}.document()
	w.Must(t, a.As(t, world.NoLogin), accept, world.Vars{"input": world.Vars{"token": used}})
	confirm := a.Mail(t, world.Target, domain.LinkConfirmEmail, "x@world.example")
	var first string
	for _, secret := range []string{"never given out", used, confirm, ""} {
		res := w.Do(t, a.As(t, world.Stranger), accept, world.Vars{"input": world.Vars{"token": secret}})
		if res.Text("acceptInvitation.userErrors.0.code") != "BAD_USER_INPUT" {
			t.Errorf("%q: %s", secret, res.Body)
		}
		if text := string(withoutRequestID(res)); first == "" {
			first = text
		} else if text != first {
			t.Errorf("%q: %s, want %s", secret, text, first)
		}
	}
}
