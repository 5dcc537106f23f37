package demo

import (
	"strings"

	"steward/internal/domain"
)

// Person is somebody who can sign in to the demo.
type Person struct {
	Email, Name string
	Subject     string           // of the login: the same at every start
	Is          string           // what the person is, in a few words
	Accounts    []string         // the companies whose invitation the person accepts; contacts.csv has the contact
	Staff       domain.StaffRole // of the provider's people
	Deactivated bool             // the contact is deactivated after the invitation was accepted
}

const (
	alder   = "Alder & Finch Bakery"
	harbour = "Harbour Light Shipping"
)

// People returns who can sign in: at least one person of each kind of caller. The first owns the first account.
func People() []Person {
	at := func(name, email, is string, accounts ...string) Person {
		return Person{Email: email, Name: name, Is: is, Accounts: accounts}
	}
	people := []Person{
		at("Olivia Owner", "olivia.owner@alderfinch.example", "owner of "+alder, alder),
		at("Adam Admin", "adam.admin@alderfinch.example", "contact of "+alder+" with ADMIN (standard role ACCOUNT_ADMINISTRATOR)", alder),
		at("Carla Contacts", "carla.contacts@alderfinch.example", "contact of "+alder+" with CONTACT_MANAGEMENT only", alder),
		at("Casey Cases", "casey.cases@alderfinch.example", "contact of "+alder+" with CASE_MANAGEMENT only", alder),
		at("Sue Support", "sue.support@alderfinch.example", "contact of "+alder+" with SUPPORT only", alder),
		at("Bill Billing", "bill.billing@alderfinch.example", "contact of "+alder+" with BILLING only (standard role BILLING_ONLY)", alder),
		at("Rita Renewals", "rita.renewals@alderfinch.example", "contact of "+alder+" with RENEW_CONTRACTS only", alder),
		at("Uma Upgrades", "uma.upgrades@alderfinch.example", "contact of "+alder+" with UPGRADE_CONTRACTS only", alder),
		at("Liam Licenses", "liam.licenses@alderfinch.example", "contact of "+alder+" with LICENSE_MANAGEMENT only", alder),
		at("Sam Support", "sam.support@alderfinch.example", "contact of "+alder+" with SUPPORT and CASE_MANAGEMENT (standard role SUPPORT_ONLY)", alder),
		at("Bea Both", "bea.both@alderfinch.example", "contact of "+alder+" with BILLING, SUPPORT and CASE_MANAGEMENT (standard role BILLING_AND_SUPPORT)", alder),
		at("Connor Contact", "connor.contact@alderfinch.example", "contact of "+alder+" without permissions", alder),
		at("Dave Deactivated", "dave.deactivated@alderfinch.example", "deactivated contact of "+alder, alder),
		at("Owen Owner", "owen.owner@harbourlight.example", "owner of another account, "+harbour, harbour),
		at("Ben Billing", "ben.billing@harbourlight.example", "contact of another account, "+harbour+", with BILLING only", harbour),
		at("Petra Brückner-Ó Sé", "petra@two-hats-advisers.example", "contact of two accounts: BILLING on "+alder+", SUPPORT and RENEW_CONTRACTS on "+harbour, alder, harbour),
		{Email: "stan.support@steward.example", Name: "Stan Support", Is: "the provider's staff: support", Staff: domain.StaffSupport},
		{Email: "ana.accounting@steward.example", Name: "Ana Accounting", Is: "the provider's staff: accounting", Staff: domain.StaffAccounting},
		at("Zack Stranger", "zack.stranger@elsewhere.example", "signed-in stranger: a login, and a contact of no account"),
	}
	for i := range people {
		name, _, _ := strings.Cut(people[i].Email, "@")
		people[i].Subject = "demo-" + strings.ReplaceAll(name, ".", "-")
		people[i].Deactivated = name == "dave.deactivated"
	}
	return people
}
