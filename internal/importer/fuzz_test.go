package importer

import (
	"bytes"
	"encoding/csv"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"steward/internal/domain"
)

// Whatever comes in, a problem can be shown and a plan without problems keeps what the product relies on; written as CSV
// again, it is read as the same plan.
func FuzzParse(f *testing.F) {
	accounts, contacts := Template()
	f.Add([]byte(accounts), []byte(contacts))
	for _, name := range []string{"excel_german_contacts.csv", "latin1_contacts.csv", "utf16le_contacts.csv", "utf16be_nobom_contacts.csv", "quotes_across_lines_contacts.csv"} {
		f.Add([]byte("Company,Owner\nFoundry,ann@foundry.example\n"), []byte(testdata(f, name)))
	}
	f.Add([]byte(testdata(f, "excel_german_accounts.csv")), []byte("sep=|\nFirma|Name|E-Mail|Typ\n\"a\"\"b\"|\"c\nd\"|a@b.example|support; boss\n"))
	f.Fuzz(func(t *testing.T, accounts, contacts []byte) {
		var a io.Reader
		if len(accounts) > 0 {
			a = bytes.NewReader(accounts)
		}
		lim := Limits{Rows: 100, Problems: 20}
		plan, problems, err := Parse(a, bytes.NewReader(contacts), lim)
		if err != nil {
			if domain.CodeOf(err) != domain.CodeBadUserInput {
				t.Fatal(err)
			}
			return
		}
		if len(problems) > lim.Problems+1 {
			t.Fatalf("%d problems", len(problems))
		}
		for _, p := range problems {
			checkProblem(t, p)
		}
		if len(problems) == 0 {
			checkPlan(t, plan, a != nil)
		}
	})
}

func checkProblem(t *testing.T, p domain.ImportProblem) {
	t.Helper()
	for _, s := range []string{p.Column, p.Message, p.Mend} {
		if !utf8.ValidString(s) || strings.IndexFunc(s, invisible) >= 0 || strings.ContainsAny(s, "\r\n") || utf8.RuneCountInString(s) > 1000 {
			t.Fatalf("cannot be shown: %q %q %q", p.Column, p.Message, p.Mend)
		}
	}
	if p.File != FileAccounts && p.File != FileContacts || p.Line < 1 || p.Message == "" || p.Mend == "" {
		t.Fatalf("incomplete: %+v", p)
	}
}

func checkPlan(t *testing.T, plan Plan, withAccounts bool) {
	t.Helper()
	owners, addresses := map[string]string{}, map[place]bool{}
	for _, c := range plan.Contacts {
		at := place{AccountKey(c.Account), emailKey(c.Email)}
		if c.Account == "" || c.Email == "" || addresses[at] || domain.CheckEmail("", c.Email) != nil || domain.CheckPhone("", c.Phone) != nil {
			t.Fatalf("contact %+v", c)
		}
		addresses[at] = true
		if c.Owner {
			if owners[at.account] != "" {
				t.Fatalf("two owners of %q", at.account)
			}
			owners[at.account] = c.Email
		}
	}
	for _, a := range plan.Accounts {
		if a.Name == "" || domain.CheckPhone("", a.Phone) != nil || domain.CheckWebsite("", a.Website) != nil || a.OwnerEmail == "" || owners[AccountKey(a.Name)] != a.OwnerEmail {
			t.Fatalf("account %+v", a)
		}
	}
	plan.IgnoredColumns = nil
	again := reparse(t, plan, withAccounts)
	for i := range again.Accounts {
		again.Accounts[i].Line = plan.Accounts[i].Line
	}
	for i := range again.Contacts {
		again.Contacts[i].Line = plan.Contacts[i].Line
	}
	if diff := cmp.Diff(plan, again); diff != "" {
		t.Fatal(diff)
	}
}

// reparse writes the plan as files and reads them.
func reparse(t *testing.T, plan Plan, withAccounts bool) Plan {
	t.Helper()
	var accounts, contacts strings.Builder
	a, c := csv.NewWriter(&accounts), csv.NewWriter(&contacts)
	_ = a.Write([]string{"Company", "Website", "Phone", "Address", "Owner"})
	for _, one := range plan.Accounts {
		_ = a.Write([]string{one.Name, one.Website, one.Phone, one.Address, one.OwnerEmail})
	}
	_ = c.Write([]string{"Company", "First name", "Last name", "E-mail", "Phone", "Role", "Permissions", "Types"})
	for _, one := range plan.Contacts {
		granted := ""
		if one.Role != domain.RoleAccountOwner {
			granted = one.Permissions.String()
		}
		_ = c.Write([]string{one.Account, one.FirstName, one.LastName, one.Email, one.Phone, string(one.Role), granted, strings.Join(names(one.Types.List()), ";")})
	}
	a.Flush()
	c.Flush()
	var in io.Reader
	if withAccounts {
		in = strings.NewReader(accounts.String())
	}
	again, problems, err := Parse(in, strings.NewReader(contacts.String()), Limits{})
	if err != nil || len(problems) > 0 {
		t.Fatalf("read again: %v %+v", err, problems)
	}
	return again
}
