package world

import (
	"strings"

	"steward/internal/domain"
)

// Kind is a kind of caller, named as tests print it.
type Kind string

// The kinds of callers. Each is one person of a World; those that are contacts are so of every account that has them.
const (
	Owner Kind = "OWNER"

	// A contact with this one permission.
	Admin             Kind = "ADMIN"
	ContactManagement Kind = "CONTACT_MANAGEMENT"
	CaseManagement    Kind = "CASE_MANAGEMENT"
	Support           Kind = "SUPPORT"
	Billing           Kind = "BILLING"
	RenewContracts    Kind = "RENEW_CONTRACTS"
	UpgradeContracts  Kind = "UPGRADE_CONTRACTS"
	LicenseManagement Kind = "LICENSE_MANAGEMENT"

	// A contact with what this standard role stands for. The role ACCOUNT_OWNER is Owner.
	AccountAdministrator Kind = "ACCOUNT_ADMINISTRATOR"
	BillingOnly          Kind = "BILLING_ONLY"
	SupportOnly          Kind = "SUPPORT_ONLY"
	BillingAndSupport    Kind = "BILLING_AND_SUPPORT"

	Contact        Kind = "CONTACT"         // a contact without permissions
	BillingManager Kind = "BILLING_MANAGER" // CONTACT_MANAGEMENT and BILLING
	TwoHats        Kind = "TWO_HATS"        // a contact without permissions here, ADMIN of another account
	OtherOwner     Kind = "OTHER_OWNER"     // the owner of another account
	NoLogin        Kind = "NO_LOGIN"        // invited as ADMIN, signed in, and has not accepted
	Deactivated    Kind = "DEACTIVATED"     // a deactivated contact with ADMIN
	Disabled       Kind = "DISABLED"        // a contact with ADMIN whose user the operator has disabled
	StaffSupport   Kind = "STAFF_SUPPORT"
	Accounting     Kind = "STAFF_ACCOUNTING"
	ServiceAccount Kind = "SERVICE_ACCOUNT" // a program with ADMIN, by its API token
	NarrowedToken  Kind = "NARROWED_TOKEN"  // the owner's API token, for view_account and view_contacts alone
	Stranger       Kind = "STRANGER"        // signed in, and a contact of no account
	Anonymous      Kind = "ANONYMOUS"

	// Contacts that others do something to.
	Target        Kind = "TARGET"         // without permissions
	TargetBilling Kind = "TARGET_BILLING" // with BILLING
	TargetManager Kind = "TARGET_MANAGER" // with CONTACT_MANAGEMENT
	TargetAdmin   Kind = "TARGET_ADMIN"   // with ADMIN
)

// Callers are the kinds that tests call as.
var Callers = []Kind{
	Owner, Admin, ContactManagement, CaseManagement, Support, Billing, RenewContracts, UpgradeContracts, LicenseManagement,
	AccountAdministrator, BillingOnly, SupportOnly, BillingAndSupport,
	Contact, BillingManager, TwoHats, OtherOwner, NoLogin, Deactivated, Disabled, StaffSupport, Accounting,
	ServiceAccount, NarrowedToken, Stranger, Anonymous,
}

// granted is what each kind that is a contact of an account is granted there.
var granted = map[Kind]domain.PermissionSet{
	Owner: 0, Contact: 0, TwoHats: 0, Target: 0,
	Admin:                domain.PermissionsOf(domain.Admin),
	ContactManagement:    domain.PermissionsOf(domain.ContactManagement),
	CaseManagement:       domain.PermissionsOf(domain.CaseManagement),
	Support:              domain.PermissionsOf(domain.Support),
	Billing:              domain.PermissionsOf(domain.Billing),
	RenewContracts:       domain.PermissionsOf(domain.RenewContracts),
	UpgradeContracts:     domain.PermissionsOf(domain.UpgradeContracts),
	LicenseManagement:    domain.PermissionsOf(domain.LicenseManagement),
	AccountAdministrator: domain.PermissionsOf(domain.Admin),
	BillingOnly:          domain.PermissionsOf(domain.Billing),
	SupportOnly:          domain.PermissionsOf(domain.Support, domain.CaseManagement),
	BillingAndSupport:    domain.PermissionsOf(domain.Billing, domain.Support, domain.CaseManagement),
	BillingManager:       domain.PermissionsOf(domain.ContactManagement, domain.Billing),
	NoLogin:              domain.PermissionsOf(domain.Admin),
	Deactivated:          domain.PermissionsOf(domain.Admin),
	Disabled:             domain.PermissionsOf(domain.Admin),
	ServiceAccount:       domain.PermissionsOf(domain.Admin),
	TargetBilling:        domain.PermissionsOf(domain.Billing),
	TargetManager:        domain.PermissionsOf(domain.ContactManagement),
	TargetAdmin:          domain.PermissionsOf(domain.Admin),
}

var staffRoles = map[Kind]domain.StaffRole{StaffSupport: domain.StaffSupport, Accounting: domain.StaffAccounting}

// IsContact reports whether the kind has a contact on an account. That of NarrowedToken is the owner's.
func (k Kind) IsContact() bool {
	_, ok := granted[k.contact()]
	return ok
}

// contact is the kind whose contact this one acts through.
func (k Kind) contact() Kind {
	if k == NarrowedToken {
		return Owner
	}
	return k
}

func (k Kind) email() string {
	return strings.ReplaceAll(strings.ToLower(string(k.contact())), "_", "-") + "@world.example"
}
