package domain

import (
	"fmt"
	"math/bits"
	"strings"
)

// Permission is one of the permissions that a contact of an account may be granted.
type Permission uint8

// The permissions of a contact, as the law names them. Their order is stored (a set is kept as a bit mask): append only.
const (
	Admin Permission = iota
	ContactManagement
	CaseManagement
	Support
	Billing
	RenewContracts
	UpgradeContracts
	LicenseManagement
	permissionCount
)

var permissionNames = [permissionCount]string{
	"ADMIN", "CONTACT_MANAGEMENT", "CASE_MANAGEMENT", "SUPPORT", "BILLING", "RENEW_CONTRACTS", "UPGRADE_CONTRACTS", "LICENSE_MANAGEMENT",
}

// String returns the permission's name in the API, for example "BILLING".
func (p Permission) String() string {
	if p >= permissionCount {
		return fmt.Sprintf("Permission(%d)", uint8(p))
	}
	return permissionNames[p]
}

// ParsePermission returns the permission of that API name.
func ParsePermission(s string) (Permission, bool) {
	for i, n := range permissionNames {
		if n == s {
			return Permission(i), true
		}
	}
	return 0, false
}

// PermissionSet is a set of permissions, kept as a bit mask.
type PermissionSet uint16

// PermissionsOf returns the set of the given permissions.
func PermissionsOf(ps ...Permission) PermissionSet {
	var s PermissionSet
	for _, p := range ps {
		s |= 1 << p
	}
	return s
}

// AllPermissions is the set of every permission.
const AllPermissions PermissionSet = 1<<permissionCount - 1

// Has reports whether p is in the set.
func (s PermissionSet) Has(p Permission) bool { return s>>p&1 == 1 }

// With returns the set with p added.
func (s PermissionSet) With(p Permission) PermissionSet { return s | 1<<p }

// Without returns the set with p removed.
func (s PermissionSet) Without(p Permission) PermissionSet { return s &^ (1 << p) }

// List returns the members in the order of their declaration.
func (s PermissionSet) List() []Permission {
	out := make([]Permission, 0, bits.OnesCount16(uint16(s)))
	for p := range permissionCount {
		if s.Has(p) {
			out = append(out, p)
		}
	}
	return out
}

// String returns the members' names joined by "+", or "NONE".
func (s PermissionSet) String() string {
	if s == 0 {
		return "NONE"
	}
	names := make([]string, 0, permissionCount)
	for _, p := range s.List() {
		names = append(names, p.String())
	}
	return strings.Join(names, "+")
}

// StandardRole is a preset of permissions that staff and managers pick from. The contact keeps the permissions, not the preset.
type StandardRole string

// The standard roles of the law. ACCOUNT_OWNER is not a set of permissions: ownership is handed on, never picked.
const (
	RoleAccountOwner         StandardRole = "ACCOUNT_OWNER"
	RoleAccountAdministrator StandardRole = "ACCOUNT_ADMINISTRATOR"
	RoleBillingOnly          StandardRole = "BILLING_ONLY"
	RoleSupportOnly          StandardRole = "SUPPORT_ONLY"
	RoleBillingAndSupport    StandardRole = "BILLING_AND_SUPPORT"
)

// StandardRoles lists every standard role in the order of the law.
var StandardRoles = []StandardRole{RoleAccountOwner, RoleAccountAdministrator, RoleBillingOnly, RoleSupportOnly, RoleBillingAndSupport}

// Permissions returns what the role stands for; ACCOUNT_OWNER stands for none of the permissions, it is more than they are.
func (r StandardRole) Permissions() PermissionSet {
	switch r {
	case RoleAccountAdministrator:
		return PermissionsOf(Admin)
	case RoleBillingOnly:
		return PermissionsOf(Billing)
	case RoleSupportOnly:
		return PermissionsOf(Support, CaseManagement)
	case RoleBillingAndSupport:
		return PermissionsOf(Billing, Support, CaseManagement)
	}
	return 0
}

// Valid reports whether r is a standard role of the law.
func (r StandardRole) Valid() bool {
	return r == RoleAccountOwner || r.Permissions() != 0
}

// AccountType is what a contact is to the account. Types grant no right; a primary one is held by at most one contact.
type AccountType uint8

// The account types of the law. Their order is stored: append only.
const (
	PrimaryBusinessContact AccountType = iota
	PrimaryBillingContact
	PrimaryRenewalContact
	PrimaryTechnicalContact
	AccountContact
	SupportContact
	accountTypeCount
)

var accountTypeNames = [accountTypeCount]string{
	"PRIMARY_BUSINESS_CONTACT", "PRIMARY_BILLING_CONTACT", "PRIMARY_RENEWAL_CONTACT", "PRIMARY_TECHNICAL_CONTACT", "ACCOUNT_CONTACT", "SUPPORT_CONTACT",
}

// String returns the type's name in the API.
func (t AccountType) String() string {
	if t >= accountTypeCount {
		return fmt.Sprintf("AccountType(%d)", uint8(t))
	}
	return accountTypeNames[t]
}

// ParseAccountType returns the account type of that API name.
func ParseAccountType(s string) (AccountType, bool) {
	for i, n := range accountTypeNames {
		if n == s {
			return AccountType(i), true
		}
	}
	return 0, false
}

// Primary reports whether at most one contact of an account holds the type.
func (t AccountType) Primary() bool { return t <= PrimaryTechnicalContact }

// AccountTypeSet is a set of account types, kept as a bit mask.
type AccountTypeSet uint16

// AccountTypesOf returns the set of the given types.
func AccountTypesOf(ts ...AccountType) AccountTypeSet {
	var s AccountTypeSet
	for _, t := range ts {
		s |= 1 << t
	}
	return s
}

// Has reports whether t is in the set.
func (s AccountTypeSet) Has(t AccountType) bool { return s>>t&1 == 1 }

// With returns the set with t added.
func (s AccountTypeSet) With(t AccountType) AccountTypeSet { return s | 1<<t }

// Without returns the set with t removed.
func (s AccountTypeSet) Without(t AccountType) AccountTypeSet { return s &^ (1 << t) }

// List returns the members in the order of their declaration.
func (s AccountTypeSet) List() []AccountType {
	out := make([]AccountType, 0, bits.OnesCount16(uint16(s)))
	for t := range accountTypeCount {
		if s.Has(t) {
			out = append(out, t)
		}
	}
	return out
}
