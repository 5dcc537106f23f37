package matrix

import (
	"slices"

	"steward/internal/domain"
	"steward/internal/testing/world"
)

// Kind is who calls.
type Kind = world.Kind

// Whose contact an operation is tried on, beside the kinds themselves.
const (
	self      Kind = "the own contact"
	elsewhere Kind = "a contact of another account"
	here      Kind = "the account"
	there     Kind = "another account"
	platform  Kind = "the platform"
	nothing   Kind = "nothing"
)

func kinds(lists ...[]Kind) []Kind { return slices.Concat(lists...) }

func only(ks ...Kind) []Kind { return ks }

// The groups that the tables speak of.
var (
	owner    = only(world.Owner)
	admins   = only(world.Admin, world.AccountAdministrator, world.ServiceAccount)
	managers = only(world.ContactManagement, world.BillingManager)
	staff    = only(world.StaffSupport, world.Accounting)
	// plain contacts hold neither ADMIN nor CONTACT_MANAGEMENT.
	plain = only(world.CaseManagement, world.Support, world.Billing, world.RenewContracts, world.UpgradeContracts, world.LicenseManagement,
		world.BillingOnly, world.SupportOnly, world.BillingAndSupport, world.Contact, world.TwoHats)
	// members see the account and its contacts.
	members = kinds(owner, admins, managers, plain, only(world.NarrowedToken))
	// otherSide runs the other account.
	otherSide = only(world.OtherOwner, world.TwoHats)
	// outside are signed in and see nothing of the account.
	outside   = only(world.OtherOwner, world.NoLogin, world.Deactivated, world.Stranger)
	signedOut = only(world.Anonymous, world.Disabled)
	nobody    []Kind
)

// outcome is what must come of a call. The zero outcome is that it is done.
type outcome struct {
	code, required, reason string
	mend                   bool // the code stands in userErrors
}

var (
	done            = outcome{}
	notFound        = outcome{code: "NOT_FOUND"}
	unauthenticated = outcome{code: "UNAUTHENTICATED"}
)

// lacks is FORBIDDEN for want of a permission.
func lacks(permission string) outcome {
	return outcome{"FORBIDDEN", permission, "permission_not_held", false}
}

// because is FORBIDDEN for another reason.
func because(reason, permission string) outcome {
	return outcome{"FORBIDDEN", permission, reason, false}
}

// mend is what the caller can mend in the input: who gets it may do the operation.
func mend(code string) outcome { return outcome{code: code, mend: true} }

// row is one target of an operation, or one variant of its input.
type row struct {
	on   Kind
	give string      // the variant, for example a permission
	may  []Kind      // for whom it is done
	but  []exception // who gets neither that nor the refusal which follows from what they see
	seen []Kind      // who sees the object; nil: as sees says
	skip []Kind
}

type exception struct {
	who []Kind
	get outcome
}

// operation is one mutation, or one part of it that has a permission of its own.
type operation struct {
	name     string // of the mutation
	part     string // of it, for example "email"
	law      string // the line of the law
	needs    string // the permission that a refusal names
	can      string // the field of viewerCan that answers beforehand
	rows     []row
	input    func(c *cell) world.Vars
	arrange  func(c *cell) // brings the account into the state in which there is something to do
	happened func(c *cell) bool
	object   func(c *cell) string // the object's global id; nil: the contact or account of the row
	extra    []Kind               // contacts that the account needs beside the caller's and the target's
}

func (op operation) title() string {
	if op.part == "" {
		return op.name
	}
	return op.name + " " + op.part
}

// sees says who sees the contact or account that a row is about.
func sees(who, on Kind) bool {
	switch on {
	case there, elsewhere:
		return slices.Contains(otherSide, who) || slices.Contains(staff, who)
	case platform, nothing:
		return true
	}
	return slices.Contains(members, who) || slices.Contains(staff, who)
}

// expect says what must come of it when who calls.
func (op operation) expect(r row, who Kind) outcome {
	if slices.Contains(signedOut, who) {
		return unauthenticated
	}
	if slices.Contains(r.may, who) {
		return done
	}
	for _, e := range r.but {
		if slices.Contains(e.who, who) {
			return e.get
		}
	}
	visible := sees(who, r.on)
	if r.seen != nil {
		visible = slices.Contains(r.seen, who)
	}
	switch {
	case !visible:
		return notFound
	case who == world.NarrowedToken:
		return because("token_scope", op.needs)
	}
	return lacks(op.needs)
}

// callers are who tries a row: on the own contact those who have one, on another's everybody whose own it is not.
func (r row) callers() []Kind {
	return slices.DeleteFunc(slices.Clone(world.Callers), func(k Kind) bool {
		switch {
		case slices.Contains(r.skip, k):
			return true
		case r.on == self:
			return !k.IsContact()
		case r.on == world.Owner:
			return k == world.Owner || k == world.NarrowedToken
		}
		return k == r.on
	})
}

// matters says whether a caller is tried on an object that all of them were tried on with another input: who is named in the
// row, who holds what the row gives, and one of each other sort.
func (r row) matters(who Kind) bool {
	for _, e := range r.but {
		if slices.Contains(e.who, who) {
			return true
		}
	}
	sorts := only(world.Billing, world.Contact, world.TwoHats, world.OtherOwner, world.NarrowedToken, world.StaffSupport, world.Anonymous)
	return string(who) == r.give || slices.Contains(r.may, who) || slices.Contains(sorts, who)
}

var permissions = []domain.Permission{
	domain.ContactManagement, domain.CaseManagement, domain.Support, domain.Billing, domain.RenewContracts, domain.UpgradeContracts,
	domain.LicenseManagement,
}
