package importer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"steward/internal/domain"
)

const (
	oneAddress      = "Write one address and nothing else, for example anna@firm.example."
	acceptedRoles   = "Write one of ACCOUNT_OWNER, ACCOUNT_ADMINISTRATOR, BILLING_ONLY, SUPPORT_ONLY, BILLING_AND_SUPPORT."
	acceptedGrants  = "Write one of ADMIN, CONTACT_MANAGEMENT, CASE_MANAGEMENT, SUPPORT, BILLING, RENEW_CONTRACTS, UPGRADE_CONTRACTS, LICENSE_MANAGEMENT."
	acceptedTypes   = "Write one of PRIMARY_BUSINESS_CONTACT, PRIMARY_BILLING_CONTACT, PRIMARY_RENEWAL_CONTACT, PRIMARY_TECHNICAL_CONTACT, ACCOUNT_CONTACT, SUPPORT_CONTACT."
	mendFieldCount  = "Put a field that contains the separator or a line break in quotes, and keep the separators of empty fields."
	mendQuoteInside = `Put the whole field in quotes and double those inside it, as in "5"" pipe".`
	mendQuoteAfter  = `Double the quotes inside the field, as in "the ""old"" mill", or remove them.`
	mendQuoteOpen   = "Add the closing quote, or remove the opening one."
	mendNoOwner     = `Give one of its contacts the role "Account owner", or write the e-mail address of one into a column "Owner" of the accounts file.`
)

func contactsProblem(line int, column, message, mend string) domain.ImportProblem {
	return domain.ImportProblem{File: FileContacts, Line: line, Column: column, Message: message, Mend: mend}
}

func accountsProblem(line int, column, message, mend string) domain.ImportProblem {
	return domain.ImportProblem{File: FileAccounts, Line: line, Column: column, Message: message, Mend: mend}
}

// problemCase is a pair of files and all that is wrong with them.
type problemCase struct {
	name, accounts, contacts string
	want                     []domain.ImportProblem
}

func runProblems(t *testing.T, cases []problemCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			_, got := parse(t, tt.accounts, tt.contacts)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

type list = []domain.ImportProblem

func TestProblems_Header(t *testing.T) {
	runProblems(t, []problemCase{
		{"empty", "", " \n", list{contactsProblem(1, "", "The file is empty.", "Give a file with a header line and one line for each row.")}},
		{"no_header", "", "Foundry,a@f.example\n", list{contactsProblem(1, "", "The first line names no known column.",
			`Start the file with a header line such as "Company,First name,Last name,E-mail,Phone,Role,Permissions,A…".`)}},
		{"no_company", "", "\nE-Mail;Rolle\na@f.example;Owner\n;\n;Owner\n", list{
			contactsProblem(2, "", "There is no column for the company.", `Add a column with the header "Company".`),
			contactsProblem(5, "E-Mail", "The e-mail address is missing.", "Give the contact's e-mail address."),
		}},
		{"no_email", "", "Company;Role\nFoundry;Owner\n", list{contactsProblem(1, "", "There is no column for the e-mail address.", `Add a column with the header "E-mail".`)}},
		{"no_company_in_accounts", "Phone,Address\n,x\n", "Company,E-mail\nFoundry,a@f.example\n", list{
			accountsProblem(1, "", "There is no column for the company.", `Add a column with the header "Company".`)}},
		{"duplicate", "", "Company,E-mail,Phone,e_mail\nFoundry,a@f.example,,b@f.example\n", list{contactsProblem(1, "e_mail",
			`The columns "E-mail" (column 2) and "e_mail" (column 4) mean the same.`, "Remove or rename one of them.")}},
		{"bare_quote", "", "Company,E\"mail\nFoundry,a@f.example\n", list{contactsProblem(1, "",
			"The header cannot be read: A quote stands inside a field that does not start with one.", mendQuoteInside)}},
		{"too_wide", "", "Company,E-mail" + strings.Repeat(",x", 255) + "\n", list{contactsProblem(1, "", "The header has 257 columns; at most 256 are allowed.", "Export fewer columns.")}},
	})
}

func TestProblems_Lines(t *testing.T) {
	const head = "Company,E-mail,Notes\nFoundry,a@f.example,x\n"
	runProblems(t, []problemCase{
		{"too_few", "", head + "Foundry,b@f.example\n", list{contactsProblem(3, "", "The line has 2 fields where the header has 3.", mendFieldCount)}},
		{"one", "", head + "Foundry\n", list{contactsProblem(3, "", "The line has 1 field where the header has 3.", mendFieldCount)}},
		{"too_many", "", head + "Foundry,b@f.example,x,y\n", list{contactsProblem(3, "", "The line has 4 fields where the header has 3.", mendFieldCount)}},
		{"bare_quote", "", head + "Foundry,b@f.example,5\" pipe\nFoundry,c,x\n", list{
			contactsProblem(3, "Notes", "A quote stands inside a field that does not start with one.", mendQuoteInside),
			contactsProblem(4, "E-mail", `"c" is not an e-mail address.`, oneAddress),
		}},
		{"text_after_quote", "", head + "\"The \"Old\" Mill\",b@f.example,x\nFoundry,c,x\n", list{
			contactsProblem(3, "Company", "Text follows the closing quote of a field.", mendQuoteAfter),
			contactsProblem(4, "E-mail", `"c" is not an e-mail address.`, oneAddress),
		}},
		{"never_closed", "", head + "Foundry,b@f.example,\"x\nFoundry,c,x\n", list{
			contactsProblem(3, "Notes", "A quoted field is never closed.", mendQuoteOpen),
			contactsProblem(4, "E-mail", `"c" is not an e-mail address.`, oneAddress),
		}},
		{"opened_later", "", head + "\"Foundry\nLtd\",b@f.example,\"x\nFoundry,c,x\n", list{
			contactsProblem(3, "Notes", "A quoted field that opened on line 4 is never closed.", mendQuoteOpen),
			contactsProblem(5, "E-mail", `"c" is not an e-mail address.`, oneAddress),
		}},
		{"column_without_header", "", "Company,E-mail,,Notes\nFoundry,b@f.example,5\",x\n", list{
			contactsProblem(2, "column 3", "A quote stands inside a field that does not start with one.", mendQuoteInside)}},
		{"control_character_in_header", "", "Company,E-mail,Phone\x1b\nFoundry,b@f.example,y\n", list{
			contactsProblem(2, "Phone\uFFFD", `"y" is not a phone number.`, "A phone number has digits, spaces and + - . / ( ) only, for example +1 555 0100.")}},
		{"long_quoted", "", head + "Foundry,b@f.example,\"" + strings.Repeat("x\n", 4500) + "\"\nFoundry,c,x\n", list{
			contactsProblem(3, "Notes", "The field is 9000 bytes long; at most 8 kB are allowed.", "Shorten it, or look for a quote that is missing on this line."),
			contactsProblem(4504, "E-mail", `"c" is not an e-mail address.`, oneAddress),
		}},
		{"nul", "", head + "Foundry,b@f.example,a\x00b\n", list{contactsProblem(3, "Notes", "The field contains a NUL byte.", "Export the file anew; it is damaged, or not a text file.")}},
		{"damaged_utf8", "", strings.Replace(head, "x", "ÄÖÜ", 1) + "Foundry,b@f.example,a\xFFb\n", list{contactsProblem(3, "Notes", "The field contains bytes that are not UTF-8.", "Type the field anew, or export the file anew as UTF-8.")}},
	})
}

func TestProblems_Encodings(t *testing.T) {
	owner := "Company,E-mail\n"
	workbook := func(kind string) list {
		return list{contactsProblem(1, "", "The file is "+kind+", not a CSV file.", mendUTF8)}
	}
	runProblems(t, []problemCase{
		{"latin1", "", testdata(t, "latin1_contacts.csv"), list{
			contactsProblem(3, "", "The file is not UTF-8: the byte 0xF6 cannot stand there. It looks like Windows-1252 or ISO 8859-1 (Western European).", mendUTF8),
			contactsProblem(3, "Role", `"Bilingonly" is not a role.`, acceptedRoles+" The closest is BILLING_ONLY."),
		}},
		{"utf16le", "", testdata(t, "utf16le_contacts.csv"), list{
			contactsProblem(1, "", "The file is not UTF-8. It looks like UTF-16 (little endian), which Excel calls Unicode text.", mendUTF8),
			contactsProblem(3, "E-mail", `"jörg" is not an e-mail address.`, oneAddress),
		}},
		{"utf16be_without_bom", "", testdata(t, "utf16be_nobom_contacts.csv"), list{
			contactsProblem(1, "", "The file is not UTF-8. It looks like UTF-16 (big endian), which Excel calls Unicode text.", mendUTF8),
			contactsProblem(3, "E-mail", `"jörg" is not an e-mail address.`, oneAddress),
		}},
		{"utf16be_surrogates", "", "\xFE\xFF\x00r\x00o\x00l\x00e\x00,\x00e\x00m\x00a\x00i\x00l\x00,\x00k\x00u\x00n\x00d\x00e\x00\n\xD8\x3D\xDE\x00\x00,\x00a\x00@\x00f\x00.\x00d\x00e\x00,\xD8\x3D", list{
			contactsProblem(1, "", "The file is not UTF-8. It looks like UTF-16 (big endian), which Excel calls Unicode text.", mendUTF8),
			contactsProblem(2, "role", `"😀" is not a role.`, acceptedRoles),
		}},
		{"utf32", "", "\xFF\xFE\x00\x00C\x00\x00\x00", workbook("UTF-32 text")},
		{"xlsx", "", "PK\x03\x04\x14\x00", workbook("an Excel workbook (.xlsx) or another zip archive")},
		{"xls", "", "\xD0\xCF\x11\xE0\xA1\xB1", workbook("an Excel workbook (.xls)")},
		{"pdf", "", "%PDF-1.7", workbook("a PDF document")},
		// an unread contacts file says nothing of owners; an unread accounts file nothing of accounts
		{"owners_unread", "Company\nFoundry\n", "PK\x03\x04", workbook("an Excel workbook (.xlsx) or another zip archive")},
		{"accounts_unread", "PK\x03\x04", owner + "Foundry,a@f.example\n", list{accountsProblem(1, "", "The file is an Excel workbook (.xlsx) or another zip archive, not a CSV file.", mendUTF8)}},
		{"huge_line", "", testdata(t, "huge_line_contacts.csv"), list{
			contactsProblem(2, "Notes", "The field is 9000 bytes long; at most 8 kB are allowed.", "Shorten it, or look for a quote that is missing on this line."),
			contactsProblem(3, "E-mail", `"bob" is not an e-mail address.`, oneAddress),
		}},
		{"quotes_across_lines", "", testdata(t, "quotes_across_lines_contacts.csv"), list{
			contactsProblem(8, "E-mail", `"bob at foundry" is not an e-mail address.`, oneAddress),
			contactsProblem(10, "Notes", "A quoted field is never closed.", mendQuoteOpen),
			contactsProblem(11, "Role", `"Bos" is not a role.`, acceptedRoles),
		}},
	})
}
