package importer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"steward/internal/domain"
)

func TestProblems_AcrossRows(t *testing.T) {
	const head = "Company,E-mail,Role,Account types\n"
	oneOwner := "Give one of the two another role; an account has exactly one owner."
	oneType := "Leave the type with one of the two."
	runProblems(t, []problemCase{
		{"duplicate_email", "", head + "Foundry,a@f.example,,\nMill,a@f.example,,\n FOUNDRY ,A@F.example,,\n", list{
			contactsProblem(4, "E-mail", `"A@F.example" is a contact of "FOUNDRY" on line 2 already, and again on line 4.`, "Remove one of the two lines; permissions and account types of one contact stand in one line.")}},
		{"two_owners", "", head + "Foundry,a@f.example,Owner,\nMill,a@f.example,Owner,\nfoundry,b@f.example,Account owner,\n", list{
			contactsProblem(4, "Role", `"Foundry" has two owners: "a@f.example" on line 2 and "b@f.example" on line 4.`, oneOwner)}},
		{"two_primaries", "", head + "Foundry,a@f.example,,Primary billing contact; Account contact\nFoundry,b@f.example,,Account contact\nMill,b@f.example,,Primary billing\nFoundry,c@f.example,,support|primary billing\n", list{
			contactsProblem(5, "Account types", `"Foundry" has two contacts of the type PRIMARY_BILLING_CONTACT: "a@f.example" on line 2 and "c@f.example" on line 5.`, oneType)}},
		{"duplicate_company", "Company\nFoundry\nMill\n foundry\n", head + "Foundry,a@f.example,Owner,\nMill,a@f.example,Owner,\n", list{
			accountsProblem(4, "Company", `"foundry" is there twice, on line 2 and on line 4; case and spacing make no difference.`, "Remove or rename one of them.")}},
		{"company_folded", "Company\nWeiß  AG\nWEISS AG\n", head + "weiss ag,a@f.example,Owner,\n", list{
			accountsProblem(3, "Company", `"WEISS AG" is there twice, on line 2 and on line 3; case and spacing make no difference.`, "Remove or rename one of them.")}},
		{"no_owner", "Company\nFoundry\nMill\n", head + "Foundry,a@f.example,Admin,\n", list{
			accountsProblem(2, "Company", `"Foundry" has no owner.`, mendNoOwner),
			accountsProblem(3, "Company", `"Mill" has no owner.`, mendNoOwner)}},
		{"owner_column_names_nobody", "Firma,Inhaber\nFoundry,b@f.example\nMill,a@f.example\n", head + "Foundry,a@f.example,Owner,\nMill,b@f.example,,\n", list{
			accountsProblem(2, "Inhaber", `No contact of "Foundry" has the e-mail address "b@f.example".`, "Add the owner to the contacts file, or name one of the account's contacts there."),
			accountsProblem(3, "Inhaber", `No contact of "Mill" has the e-mail address "a@f.example".`, "Add the owner to the contacts file, or name one of the account's contacts there.")}},
		{"owner_column_against_role", "Company,Owner\nFoundry,b@f.example\n", head + "Foundry,a@f.example,Owner,\nFoundry,b@f.example,,\n", list{
			accountsProblem(2, "Owner", `"b@f.example" is named as the owner, but "a@f.example" has the role ACCOUNT_OWNER on line 2 of the contacts file.`, "Name one owner only.")}},
		{"owner_column_agrees", "Company,Owner\nFoundry,A@f.example\n", head + "Foundry,a@f.example,Owner,\n", nil},
		{"contact_of_an_account_elsewhere", "Company\nFoundry\n", head + "Foundry,a@f.example,Owner,\nMill,b@f.example,,\n", nil},
	})
}

// A line that cannot be understood may be the one that an account lacks; the lack is not reported on top, unless it is certain.
func TestProblems_Consequences(t *testing.T) {
	const head = "Company,E-mail,Role,Phone\n"
	count := func(accounts, contacts string) (out []string) {
		_, problems := parse(t, accounts, contacts)
		for _, p := range problems {
			out = append(out, fmt.Sprint(p.File, " ", p.Line, " ", p.Column))
		}
		return out
	}
	for _, tt := range []struct {
		name, accounts, contacts string
		want                     []string
	}{
		{"role_unclear", "Company\nFoundry\nMill\n", head + "Foundry,a@f.example,Ownr,\n", []string{"accounts 3 Company", "contacts 2 Role"}},
		{"role_clear", "Company\nFoundry\n", head + "Foundry,nobody,Admin,1E+11\n", []string{"accounts 2 Company", "contacts 2 E-mail", "contacts 2 Phone"}},
		{"line_broken", "Company\nFoundry\nMill\n", head + "Foundry,a@f.example\n", []string{"accounts 3 Company", "contacts 2 "}},
		{"line_broken_before_company", "Company\nFoundry\n", head + "Fou\"ndry,a@f.example,Owner,\n", []string{"contacts 2 Company"}},
		{"owner_of_no_company", "Company\nFoundry\n", head + ",a@f.example,Owner,\n", []string{"contacts 2 Company"}},
		{"contact_of_no_company", "Company\nFoundry\n", head + ",a@f.example,Admin,\n", []string{"accounts 2 Company", "contacts 2 Company"}},
		{"owner_damaged", "Company\nFoundry\n", head + "Foundry,a@f.example,Own\x00er,\n", []string{"contacts 2 Role"}},
		{"owner_twice", "Company\nFoundry\n", head + "Foundry,a@f.example,,\nFoundry,a@f.example,Owner,\n", []string{"contacts 3 E-mail"}},
		{"owners_address_unclear", "Company,Owner\nFoundry,a@f.example\n", head + "Foundry,a@@f.example,,\n", []string{"contacts 2 E-mail"}},
		{"owner_column_unclear", "Company,Owner\nFoundry,nobody\n", head + "Foundry,a@f.example,,\n", []string{"accounts 2 Owner"}},
		{"company_faulty", "Company\nFoundry\n\x07\n", head + "Foundry,a@f.example,Owner,\n", []string{"accounts 3 Company"}},
		{"account_line_broken", "Company,Phone\nFoundry\nMi\"ll,1\n", head + "Foundry,a@f.example,,\n", []string{"accounts 2 ", "accounts 3 Company"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, count(tt.accounts, tt.contacts)); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestProblems_Many(t *testing.T) {
	var b strings.Builder
	b.WriteString("Company,E-mail,Permissions\n")
	for range 2500 {
		b.WriteString("Foundry,nobody,x\n")
	}
	_, got := parse(t, "Company,Phone\n,+49 30 23125 001\n", b.String()) // one problem before them
	if len(got) != 1001 {
		t.Fatalf("%d problems", len(got))
	}
	if got[999].Line != 501 || got[999].Column != "E-mail" {
		t.Fatalf("the last one listed is %+v", got[999])
	}
	want := domain.ImportProblem{File: FileContacts, Line: 501, Message: "There are 4001 more problems from here on.", Mend: "Mend those above and try again."}
	if diff := cmp.Diff(want, got[1000]); diff != "" {
		t.Fatal(diff)
	}
}

// Input made to be slow or to break the reader: with a reader that is not linear it takes minutes.
func TestParse_Hostile(t *testing.T) {
	const head = "Company,E-mail,Role,Permissions,Account types,Phone\n"
	const n = 1 << 19
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	for name, body := range map[string]string{
		"quotes":           fill(`"`),
		"open_quotes":      fill("\"x\n"),
		"quote_each_line":  fill("x,\"b\n"),
		"quotes_far_apart": fill("\"" + strings.Repeat("x\n", 4000)),
		"even_quotes":      `"` + fill("\"\"\n"),
		"commas":           fill(","),
		"newlines":         fill("\n"),
		"carriage_returns": fill("\r"),
		"blanks":           fill(" "),
		"nul":              fill("\x00"),
		"no_utf8":          fill("\xFF\n"),
		"one_field":        fill("x"),
		"unknown_items":    "Foundry,a@f.example,," + fill("x;"),
		"many_unknown":     fill("Foundry,a@f.example,," + strings.Repeat("x;", 4000) + "," + strings.Repeat("y|", 4000) + ",\n"),
		"comments":         fill("Foundry,a@f.example" + strings.Repeat("(", 8000) + ",,,,\n"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range []string{head + body, body} {
				_, problems, err := Parse(strings.NewReader(text), strings.NewReader(text), Limits{Rows: n})
				if err != nil && domain.CodeOf(err) != domain.CodeBadUserInput {
					t.Fatal(err)
				}
				if len(problems) > 1001 {
					t.Fatalf("%d problems", len(problems))
				}
			}
		})
	}
}
