package importer

import (
	"fmt"
	"strings"
	"testing"
)

const contactHead = "Company,First name,Last name,E-mail,Phone,Role,Permissions,Account types\n"

// contactCase is a file with one row, which starts on line 2; rowProblem is its problem.
func contactCase(name, row string, want list) problemCase {
	return problemCase{name: name, contacts: contactHead + row + "\n", want: want}
}

func rowProblem(column, message, mend string) list {
	return list{contactsProblem(2, column, message, mend)}
}

func TestProblems_Values(t *testing.T) {
	const rounded, enterAgain = " is a phone number that a spreadsheet rounded.", "Format the column as text, enter the number again, and export anew."
	long := strings.Repeat("ü", 201)
	runProblems(t, []problemCase{
		contactCase("missing_company", " ,Ann,,a@f.example,,,,", rowProblem("Company", "The company is missing.", "Give the name of the company that the contact belongs to.")),
		contactCase("missing_email", "Foundry,Ann,,,,,,", rowProblem("E-mail", "The e-mail address is missing.", "Give the contact's e-mail address.")),
		contactCase("long_company", long+",Ann,,a@f.example,,,,", rowProblem("Company", "The field is 201 characters long; at most 200 are allowed.", "Shorten it.")),
		contactCase("long_names", "Foundry,"+long[:202]+","+long[:204]+",a@f.example,,,,", list{
			contactsProblem(2, "First name", "The field is 101 characters long; at most 100 are allowed.", "Shorten it."),
			contactsProblem(2, "Last name", "The field is 102 characters long; at most 100 are allowed.", "Shorten it."),
		}),
		contactCase("long_phone", "Foundry,,,a@f.example,"+strings.Repeat("1", 41)+",,,", rowProblem("Phone", "The field is 41 characters long; at most 40 are allowed.", "Shorten it.")),
		contactCase("longest_values", long[:400]+","+long[:200]+","+long[:200]+","+strings.Repeat("a", 244)+"@f.example,"+strings.Repeat("1", 40)+",,,", nil),
		contactCase("long_email", "Foundry,,,"+strings.Repeat("a", 245)+"@f.example,,,,", rowProblem("E-mail", "The e-mail address is 255 bytes long; at most 254 are allowed.", "Correct the address.")),
		contactCase("two_emails", `Foundry,,,"a@f.example, b@f.example",,,,`, rowProblem("E-mail", `"a@f.example, b@f.example" is more than one e-mail address.`, oneAddress)),
		contactCase("display_name", "Foundry,,,Ann <a@f.example>,,,,", rowProblem("E-mail", `"Ann <a@f.example>" is more than an e-mail address.`, oneAddress)),
		contactCase("angle_brackets", "Foundry,,,<a@f.example>,,,,", rowProblem("E-mail", `"<a@f.example>" is more than an e-mail address.`, oneAddress)),
		contactCase("comment", "Foundry,,,a@f.example (Ann),,,,", rowProblem("E-mail", `"a@f.example (Ann)" is more than an e-mail address.`, oneAddress)),
		contactCase("quoted_local_part", `Foundry,,,"""a b""@f.example",,,,`, rowProblem("E-mail", `"\"a b\"@f.example" is not an e-mail address.`, oneAddress)),
		contactCase("no_at", "Foundry,,,a.f.example,,,,", rowProblem("E-mail", `"a.f.example" is not an e-mail address.`, oneAddress)),
		contactCase("header_injection", "Foundry,,,\"a@f.example\nBcc: b@f.example\",,,,", rowProblem("E-mail", `"a@f.example\nBcc: b@f.example" is more than one e-mail address.`, oneAddress)),
		contactCase("network_address", "Foundry,,,a@[127.0.0.1],,,,", rowProblem("E-mail", `"a@[127.0.0.1]" has a network address in place of a domain.`, oneAddress)),
		contactCase("invisible", "Foundry,Ann\x1b[2J,,a@f.example,\u202A+49 30 23125 001\u202C,,,", list{
			contactsProblem(2, "First name", "The field contains the invisible character U+001B.", "Type the field anew instead of pasting it."),
			contactsProblem(2, "Phone", "The field contains the invisible character U+202A.", "Type the field anew instead of pasting it."),
		}),
		contactCase("rounded_phone", "Foundry,,,a@f.example,4.93023E+11,,,", rowProblem("Phone", `"4.93023E+11"`+rounded, enterAgain)),
		contactCase("rounded_phone_comma", `Foundry,,,a@f.example,"4,9E+11",,,`, rowProblem("Phone", `"4,9E+11"`+rounded, enterAgain)),
		contactCase("no_phone", "Foundry,,,a@f.example,ask Ann,,,", rowProblem("Phone", `"ask Ann" is not a phone number.`,
			"A phone number has digits, spaces and + - . / ( ) only, for example +1 555 0100.")),
		contactCase("no_top_level", "Foundry,,,a@f,,,,", rowProblem("E-mail", `"a@f" is not an e-mail address.`, oneAddress)),
		problemCase{"long_part_of_full_name", "", "Company,Full name,E-mail\nFoundry,Ann " + long[:202] + ",a@f.example\n",
			rowProblem("Full name", "The first or the last name is longer than 100 characters.", "Shorten it.")},
	})
}

func TestProblems_Keywords(t *testing.T) {
	long := strings.Repeat("ü", 201)
	runProblems(t, []problemCase{
		contactCase("role", "Foundry,,,a@f.example,,Acount Owner,,", rowProblem("Role", `"Acount Owner" is not a role.`, acceptedRoles+" The closest is ACCOUNT_OWNER.")),
		contactCase("role_support", "Foundry,,,a@f.example,,Support,,", rowProblem("Role", `"Support" is not a role.`, acceptedRoles+" The closest is SUPPORT_ONLY.")),
		contactCase("role_far", "Foundry,,,a@f.example,,Grand Vizier,,", rowProblem("Role", `"Grand Vizier" is not a role.`, acceptedRoles)),
		contactCase("permissions", "Foundry,,,a@f.example,,,Biling; Support; Juggling; conctact mgmt,", list{
			contactsProblem(2, "Permissions", `"Biling" is not a permission.`, acceptedGrants+" The closest is BILLING."),
			contactsProblem(2, "Permissions", `"Juggling" is not a permission.`, acceptedGrants),
			contactsProblem(2, "Permissions", `"conctact mgmt" is not a permission.`, acceptedGrants),
		}),
		contactCase("types", "Foundry,,,a@f.example,,,,primary bilingcontact|Boss", list{
			contactsProblem(2, "Account types", `"primary bilingcontact" is not an account type.`, acceptedTypes+" The closest is PRIMARY_BILLING_CONTACT."),
			contactsProblem(2, "Account types", `"Boss" is not an account type.`, acceptedTypes),
		}),
		contactCase("control_characters_shown_escaped", "Foundry,,,a@f.example,,\x1b[2J,,", rowProblem("Role", `"\x1b[2J" is not a role.`, acceptedRoles)),
		contactCase("long_value_shown_short", "Foundry,,,a@f.example,,"+long+",,", rowProblem("Role", `"`+long[:120]+`…" is not a role.`, acceptedRoles)),
		contactCase("role_and_permissions", "Foundry,,,a@f.example,,Billing only,Billing; Support,", rowProblem("Permissions",
			"The role BILLING_ONLY means the permissions BILLING, but SUPPORT+BILLING are given.", "Leave either the role or the permissions empty.")),
		contactCase("owner_and_permissions", "Foundry,,,a@f.example,,Owner,Admin,", rowProblem("Permissions",
			"The role ACCOUNT_OWNER and the permissions ADMIN are both given; the owner has full authority without any.", "Leave the permissions of an owner empty.")),
		contactCase("everything_at_once", ",Ann,,nobody,1E+11,Bos,Juggling,Boss", list{
			contactsProblem(2, "Company", "The company is missing.", "Give the name of the company that the contact belongs to."),
			contactsProblem(2, "E-mail", `"nobody" is not an e-mail address.`, oneAddress),
			contactsProblem(2, "Phone", `"1E+11" is a phone number that a spreadsheet rounded.`, "Format the column as text, enter the number again, and export anew."),
			contactsProblem(2, "Role", `"Bos" is not a role.`, acceptedRoles),
			contactsProblem(2, "Permissions", `"Juggling" is not a permission.`, acceptedGrants),
			contactsProblem(2, "Account types", `"Boss" is not an account type.`, acceptedTypes),
		}),
	})
}

func TestProblems_AccountValues(t *testing.T) {
	const contacts = "Company,E-mail,Role\nFoundry,a@f.example,Owner\n"
	const mend = "Write it like https://www.firm.example, or leave the field empty."
	var cases []problemCase
	add := func(name, row string, want ...string) {
		tt := problemCase{name: name, accounts: "Company,Website,Phone,Address,Owner\n" + row + "\n", contacts: contacts}
		if len(want) == 3 {
			tt.want = list{accountsProblem(2, want[0], want[1], want[2])}
		}
		cases = append(cases, tt)
	}
	for _, site := range []string{"javascript:alert(1)", "ftp://f.example", "https://", "https://user:pass@f.example", "mailto:a@f.example", "two words.example", "//f.example", "intranet", `https://a\b`} {
		add("website "+site, "Foundry,"+site+",,,", "Website", fmt.Sprintf("%q is not the address of a website.", site), mend)
	}
	for _, site := range []string{"http://f.example", "HTTPS://F.example/a?b=c", "www.f.example", "f.example:8080", "n/a", "-", "müller.example"} {
		add("good website "+site, "Foundry,"+site+",,,")
	}
	add("missing_company", ",,,x,", "Company", "The company is missing.", "Give the company's name.")
	add("long_address", "Foundry,,,"+strings.Repeat("x", 501)+",", "Address", "The field is 501 characters long; at most 500 are allowed.", "Shorten it.")
	add("long_website", "Foundry,https://"+strings.Repeat("x", 193)+",,,", "Website", "The field is 201 characters long; at most 200 are allowed.", "Shorten it.")
	add("rounded_phone", "Foundry,,4E+10,,", "Phone", `"4E+10" is a phone number that a spreadsheet rounded.`, "Format the column as text, enter the number again, and export anew.")
	add("owner_is_a_name", "Foundry,,,,Sales Rep", "Owner", `"Sales Rep" is not an e-mail address.`, "Write the e-mail address of the contact that owns the account, or remove the column if it names somebody of your own.")
	add("owner_is_no_address", "Foundry,,,,a@@f", "Owner", `"a@@f" is not an e-mail address.`, oneAddress)
	runProblems(t, cases)
}
