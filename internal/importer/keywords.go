package importer

import (
	"maps"
	"slices"
	"strings"

	"steward/internal/domain"
)

// The values that people write, by their folded form. A bare "Support" is no role on purpose: it is the name of a
// permission, and the role SUPPORT_ONLY grants more than that.
var (
	roles = folded(map[domain.StandardRole]string{
		domain.RoleAccountOwner:         "ACCOUNT_OWNER|owner|inhaber|kontoinhaber|propriétaire|titulaire|propietario|titular",
		domain.RoleAccountAdministrator: "ACCOUNT_ADMINISTRATOR|account admin|administrator|admin|kontoadministrator|administrateur|administrador",
		domain.RoleBillingOnly:          "BILLING_ONLY|billing",
		domain.RoleSupportOnly:          "SUPPORT_ONLY",
		domain.RoleBillingAndSupport:    "BILLING_AND_SUPPORT|billing support|support and billing|billing and support only",
	})
	permissions = folded(map[domain.Permission]string{
		domain.Admin:             "ADMIN|administrator|administration",
		domain.ContactManagement: "CONTACT_MANAGEMENT|contacts|manage contacts|contact manager",
		domain.CaseManagement:    "CASE_MANAGEMENT|cases|manage cases|case manager",
		domain.Support:           "SUPPORT",
		domain.Billing:           "BILLING",
		domain.RenewContracts:    "RENEW_CONTRACTS|renew contract|contract renewal|contract renewals|renewals|renew",
		domain.UpgradeContracts:  "UPGRADE_CONTRACTS|upgrade contract|contract upgrade|contract upgrades|upgrades|upgrade",
		domain.LicenseManagement: "LICENSE_MANAGEMENT|licence management|licenses|licences|manage licenses|manage licences",
	})
	types = folded(map[domain.AccountType]string{
		domain.PrimaryBusinessContact:  "PRIMARY_BUSINESS_CONTACT|primary business",
		domain.PrimaryBillingContact:   "PRIMARY_BILLING_CONTACT|primary billing",
		domain.PrimaryRenewalContact:   "PRIMARY_RENEWAL_CONTACT|primary renewal|primary renewals contact",
		domain.PrimaryTechnicalContact: "PRIMARY_TECHNICAL_CONTACT|primary technical|primary tech contact",
		domain.AccountContact:          "ACCOUNT_CONTACT|account",
		domain.SupportContact:          "SUPPORT_CONTACT|support",
	})

	roleSpellings, permissionSpellings, typeSpellings = sorted(roles), sorted(permissions), sorted(types)

	rolesShown       = joined(domain.StandardRoles)
	permissionsShown = strings.Join(names(domain.AllPermissions.List()), ", ")
	typesShown       = strings.Join(names(allTypes()), ", ")

	// spellingOf gives the API's name for a folded spelling, by the noun.
	spellingOf = map[string]map[string]string{
		"role":         shown(roles, func(r domain.StandardRole) string { return string(r) }),
		"permission":   shown(permissions, domain.Permission.String),
		"account type": shown(types, domain.AccountType.String),
	}
)

func folded[V comparable](lists map[V]string) map[string]V {
	out := map[string]V{}
	for v, list := range lists {
		for s := range strings.SplitSeq(list, "|") {
			out[fold(s)] = v
		}
	}
	return out
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func shown[V any](m map[string]V, name func(V) string) map[string]string {
	out := map[string]string{}
	for s, v := range m {
		out[s] = name(v)
	}
	return out
}

func names[V interface{ String() string }](vs []V) []string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = v.String()
	}
	return out
}

func joined(rs []domain.StandardRole) string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = string(r)
	}
	return strings.Join(out, ", ")
}

// allTypes lists the account types; each of them has a spelling.
func allTypes() []domain.AccountType {
	return slices.Compact(slices.Sorted(maps.Values(types)))
}
