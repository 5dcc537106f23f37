package importer

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"steward/internal/domain"
)

func parse(t *testing.T, accounts, contacts string) (Plan, []domain.ImportProblem) {
	t.Helper()
	var a io.Reader
	if accounts != "" {
		a = strings.NewReader(accounts)
	}
	plan, problems, err := Parse(a, strings.NewReader(contacts), Limits{})
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return plan, problems
}

func testdata(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func noProblems(t *testing.T, problems []domain.ImportProblem) {
	t.Helper()
	if len(problems) > 0 {
		t.Fatalf("got problems: %+v", problems)
	}
}

func TestParse_ExcelGerman(t *testing.T) {
	plan, problems := parse(t, testdata(t, "excel_german_accounts.csv"), testdata(t, "excel_german_contacts.csv"))
	noProblems(t, problems)
	want := Plan{
		Accounts: []Account{
			{Line: 2, Name: "Müller & Söhne; Holzbau", Website: "https://www.mueller-holz.example", Phone: "+49 30 23125 001", Address: "Lindenweg 14\nHamburg", OwnerEmail: "joerg@mueller-holz.example"},
			{Line: 4, Name: "Käserei Grünwald", OwnerEmail: "aenne@kaeserei.example"},
		},
		Contacts: []Contact{
			{Line: 2, Account: "Müller & Söhne; Holzbau", FirstName: "Jörg", LastName: "Müller", Email: "joerg@mueller-holz.example", Phone: "0152 28817386",
				Owner: true, Role: domain.RoleAccountOwner, Types: domain.AccountTypesOf(domain.PrimaryBusinessContact)},
			{Line: 3, Account: "käserei grünwald", FirstName: "Änne", LastName: "Weiß", Email: "aenne@kaeserei.example", Owner: true, Role: domain.RoleAccountOwner},
			{Line: 4, Account: "Käserei Grünwald", FirstName: "Özlem", LastName: "Çelik", Email: "oezlem@kaeserei.example", Permissions: domain.PermissionsOf(domain.Billing, domain.Support)},
		},
		IgnoredColumns: []IgnoredColumn{{File: FileContacts, Column: "Notizen"}},
	}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Fatal(diff)
	}
}

func TestParse_Template(t *testing.T) {
	plan, problems := parse(t, first(Template()), second(Template()))
	noProblems(t, problems)
	if len(plan.Accounts) != 1 || len(plan.Contacts) != 3 || len(plan.IgnoredColumns) != 0 {
		t.Fatalf("got %+v", plan)
	}
}

func first(a, _ string) string  { return a }
func second(_, b string) string { return b }

// The same content in every form that a program writes gives the same plan.
func TestParse_Forms(t *testing.T) {
	accounts, contacts := Template()
	want, problems := parse(t, accounts, contacts)
	noProblems(t, problems)
	swap := func(to string) func(string) string {
		// the template has no separator inside a field but in the address, which is quoted
		return func(s string) string {
			s = strings.ReplaceAll(s, "\"3 Juniper Lane, London\"", "@")
			s = strings.ReplaceAll(s, ";", "|") // entries of a list
			s = strings.ReplaceAll(s, ",", to)
			return strings.ReplaceAll(s, "@\n", "\"3 Juniper Lane, London\"\n")
		}
	}
	forms := map[string]func(string) string{
		"bom": func(s string) string { return "\xEF\xBB\xBF" + s },
		"bom_quote": func(s string) string {
			first, rest, _ := strings.Cut(s, ",")
			return "\xEF\xBB\xBF\"" + first + "\"," + rest
		},
		"crlf":      func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"cr":        func(s string) string { return strings.ReplaceAll(s, "\n", "\r") },
		"no_end":    func(s string) string { return strings.TrimSuffix(s, "\n") },
		"semicolon": swap(";"),
		"tab":       swap("\t"),
		"spaced": func(s string) string {
			return strings.ReplaceAll(s, ",\"3 Juniper Lane, London\"", ", \"3 Juniper Lane, London\" ")
		},
		"trailing": func(s string) string { return strings.ReplaceAll(s, "\n", ",,\n") },
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			got, problems := parse(t, form(accounts), form(contacts))
			noProblems(t, problems)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
	for name, line := range map[string]string{"sep": "sep=;\r\n", "sep_quoted": "\"sep=;\"\n", "sep_upper": "SEP=;\n", "sep_cr": "sep=;\r", "sep_bom": "\xEF\xBB\xBFsep=;\n"} {
		t.Run(name, func(t *testing.T) {
			got, problems := parse(t, accounts, line+swap(";")(contacts))
			noProblems(t, problems)
			for i := range got.Contacts {
				got.Contacts[i].Line-- // the first line is one more
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// "sep=" rules even where the header would say otherwise.
func TestParse_SepWins(t *testing.T) {
	plan, problems := parse(t, "", "sep=|\nCompany|E-mail|Permissions\nFoundry|a@f.example|billing;support\n")
	noProblems(t, problems)
	if got := plan.Contacts[0].Permissions; got != domain.PermissionsOf(domain.Billing, domain.Support) {
		t.Fatalf("got %s", got)
	}
}

func TestParse_Headers(t *testing.T) {
	ask := domain.PermissionsOf(domain.Billing)
	want := Contact{Line: 2, Account: "Foundry", FirstName: "Ann", LastName: "Lee", Email: "ann@foundry.example", Phone: "123", Permissions: ask}
	for _, header := range []string{
		"Company,First name,Last name,E-mail,Phone,Permissions",
		"COMPANY_NAME,first_name,LAST-NAME,E Mail Address,Phone.Number,Rights",
		"Customer *,Given name (required),Surname,mail,Telephone,access rights",
		"organisation,Forename,Family Name,EMAIL,tel.,Permission",
		"Account Name,First,Last,Email (work),Mobile,permissions",
		"Firma,Vorname,Nachname,E-Mail-Adresse,Telefonnummer,Berechtigungen",
		"Kunde,Vorname,Name,Mailadresse,Handy,Rechte",
		"Société,Prénom,Nom,Courriel,Téléphone,Droits",
		"Entreprise,PRENOM,NOM DE FAMILLE,Adresse e-mail,Portable,Autorisations",
		"Empresa,Nombre,Apellidos,Correo electrónico,Teléfono,Permisos",
		"Compañía,Nombre,Apellido,correo,Móvil,derechos",
	} {
		t.Run(header, func(t *testing.T) {
			plan, problems := parse(t, "", header+"\nFoundry,Ann,Lee,ann@foundry.example,123,Billing\n")
			noProblems(t, problems)
			if diff := cmp.Diff(Plan{Contacts: []Contact{want}}, plan); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestParse_AccountHeaders(t *testing.T) {
	want := Account{Line: 2, Name: "Foundry", Website: "https://foundry.example", Phone: "123", Address: "Here", OwnerEmail: "ann@foundry.example"}
	for _, header := range []string{
		"Company,Website,Phone,Address,Owner", "Name,URL,telephone,Postal address,Owner e-mail", "Account,Web-Site,Mobile,STREET ADDRESS,Account owner",
		"Firmenname,Webseite,Telefon,Anschrift,Inhaber", "Raison sociale,Site web,Tél.,Adresse,Propriétaire", "Razón social,Sitio web,Teléfono,Dirección,Titular",
	} {
		t.Run(header, func(t *testing.T) {
			if strings.Contains(header, "Tél.") {
				header = strings.Replace(header, "Tél.", "Téléphone", 1)
			}
			plan, problems := parse(t, header+"\nFoundry,foundry.example,123,Here,ANN@foundry.example\n", "Company,E-mail\nfoundry,ann@foundry.example\n")
			noProblems(t, problems)
			if diff := cmp.Diff([]Account{want}, plan.Accounts); diff != "" {
				t.Fatal(diff)
			}
			if !plan.Contacts[0].Owner || plan.Contacts[0].Role != "" {
				t.Fatalf("the owner column made no owner: %+v", plan.Contacts[0])
			}
		})
	}
}

func TestParse_Names(t *testing.T) {
	for full, want := range map[string][2]string{
		"Ann Lee": {"Ann", "Lee"}, "Ana María de la Cruz": {"Ana María de la", "Cruz"}, "Cher": {"", "Cher"}, "Finch, Anna": {"Anna", "Finch"},
		"  Ann \t Lee ": {"Ann", "Lee"}, "Ann\nLee": {"Ann", "Lee"}, "Tom Lee, Jr.": {"Tom", "Lee, Jr."},
	} {
		plan, problems := parse(t, "", "Company,Name,E-mail\nFoundry,\""+full+"\",a@f.example\n")
		noProblems(t, problems)
		if c := plan.Contacts[0]; c.FirstName != want[0] || c.LastName != want[1] {
			t.Errorf("%q: got %q, %q", full, c.FirstName, c.LastName)
		}
	}
}

func TestParse_Rights(t *testing.T) {
	b, s, c := domain.Billing, domain.Support, domain.CaseManagement
	for _, tt := range []struct {
		role, permissions string
		wantRole          domain.StandardRole
		want              []domain.Permission
	}{
		{"Owner", "", domain.RoleAccountOwner, nil},
		{"account owner", "none", domain.RoleAccountOwner, nil},
		{"Admin", "", domain.RoleAccountAdministrator, []domain.Permission{domain.Admin}},
		{"Account Administrator", "admin", domain.RoleAccountAdministrator, []domain.Permission{domain.Admin}},
		{"Billing only", "", domain.RoleBillingOnly, []domain.Permission{b}},
		{"billing_only", "-", domain.RoleBillingOnly, []domain.Permission{b}},
		{"Support only", "", domain.RoleSupportOnly, []domain.Permission{s, c}},
		{"Billing and support", "", domain.RoleBillingAndSupport, []domain.Permission{b, s, c}},
		{"Billing & Support", "Support; Case management; Billing", domain.RoleBillingAndSupport, []domain.Permission{b, s, c}},
		{"billing/support", "", domain.RoleBillingAndSupport, []domain.Permission{b, s, c}},
		{"", "Billing; Support", "", []domain.Permission{b, s}},
		{"n/a", "billing,support", "", []domain.Permission{b, s}},
		{"-", "BILLING|SUPPORT", "", []domain.Permission{b, s}},
		{"", "billing + support+", "", []domain.Permission{b, s}},
		{"", "billing\r\nsupport", "", []domain.Permission{b, s}},
		{"", "case management", "", []domain.Permission{c}},
		{"", "CASE_MANAGEMENT;Contact-Management;renew contracts;Upgrade Contracts;licence management", "",
			[]domain.Permission{c, domain.ContactManagement, domain.RenewContracts, domain.UpgradeContracts, domain.LicenseManagement}},
		{"", "", "", nil},
	} {
		t.Run(tt.role+"/"+tt.permissions, func(t *testing.T) {
			plan, problems := parse(t, "", "Company,E-mail,Role,Permissions\nFoundry,a@f.example,\""+tt.role+"\",\""+tt.permissions+"\"\n")
			noProblems(t, problems)
			got := plan.Contacts[0]
			if got.Role != tt.wantRole || got.Permissions != domain.PermissionsOf(tt.want...) || got.Owner != (tt.wantRole == domain.RoleAccountOwner) {
				t.Fatalf("got %s %s %t", got.Role, got.Permissions, got.Owner)
			}
		})
	}
}

// Every name of the API is accepted as it stands, in its column.
func TestParse_EveryKeyword(t *testing.T) {
	for _, role := range domain.StandardRoles {
		if roles[fold(string(role))] != role {
			t.Errorf("role %s", role)
		}
	}
	for _, p := range domain.AllPermissions.List() {
		if got, ok := permissions[fold(p.String())]; !ok || got != p {
			t.Errorf("permission %s", p)
		}
	}
	if got := len(allTypes()); got != 6 {
		t.Errorf("%d account types", got)
	}
	for _, at := range allTypes() {
		if got, ok := types[fold(at.String())]; !ok || got != at {
			t.Errorf("type %s", at)
		}
	}
}

// What a spreadsheet would run as a formula is data.
func TestParse_FormulasAreData(t *testing.T) {
	plan, problems := parse(t, "", "Company,First name,Last name,E-mail,Phone\n=1+1,@handle,-Lee,a@f.example,+49 30 23125 001\n")
	noProblems(t, problems)
	want := Contact{Line: 2, Account: "=1+1", FirstName: "@handle", LastName: "-Lee", Email: "a@f.example", Phone: "+49 30 23125 001"}
	if diff := cmp.Diff(want, plan.Contacts[0]); diff != "" {
		t.Fatal(diff)
	}
}

func TestParse_IgnoredColumns(t *testing.T) {
	plan, problems := parse(t, "Company,Fax,Owner\nFoundry,1,a@f.example\n", "Company,E-mail,,Shoe size,\nFoundry,a@f.example,,44,x\n")
	noProblems(t, problems)
	want := []IgnoredColumn{{FileAccounts, "Fax"}, {FileContacts, "Shoe size"}, {FileContacts, "column 5"}}
	if diff := cmp.Diff(want, plan.IgnoredColumns); diff != "" {
		t.Fatal(diff)
	}
}

func TestParse_Errors(t *testing.T) {
	ok := func() io.Reader {
		return strings.NewReader("Company,E-mail\nFoundry,a@f.example\nFoundry,b@f.example\n")
	}
	broken := errors.New("disk on fire")
	for _, tt := range []struct {
		name               string
		accounts, contacts io.Reader
		lim                Limits
		field, text        string
	}{
		{"no_contacts", nil, nil, Limits{}, FileContacts, "Give a contacts file."},
		{"bytes", nil, ok(), Limits{FileBytes: 1 << 4}, FileContacts, "The contacts file is larger than 16 bytes. Split it and import the parts one after the other."},
		{"rows", nil, ok(), Limits{Rows: 1}, FileContacts, "The contacts file has more than 1 rows. Split it and import the parts one after the other."},
		{"accounts", strings.NewReader("Company\nA\nB\nC\n"), ok(), Limits{Rows: 2}, FileAccounts, "The accounts file has more than 2 rows. Split it and import the parts one after the other."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse(tt.accounts, tt.contacts, tt.lim)
			e, is := errors.AsType[*domain.Error](err)
			if !is || e.Code != domain.CodeBadUserInput || e.Field != tt.field || e.Message != tt.text {
				t.Fatalf("got %v", err)
			}
		})
	}
	if _, _, err := Parse(nil, iotest.ErrReader(broken), Limits{}); !errors.Is(err, broken) || err.Error() != "read the contacts file: disk on fire" {
		t.Fatalf("got %v", err)
	}
	if _, _, err := Parse(nil, ok(), Limits{FileBytes: 55, Rows: 2}); err != nil {
		t.Fatalf("at the limits: %v", err)
	}
}

// The plan beside problems holds the sound rows only.
func TestParse_PlanOfSoundRows(t *testing.T) {
	plan, problems := parse(t, "", "Company,E-mail\nFoundry,a@f.example\nFoundry,nobody\nFoundry,A@f.example\nFoundry,b@f.example\n")
	if len(problems) != 2 || len(plan.Contacts) != 2 || plan.Contacts[0].Line != 2 || plan.Contacts[1].Line != 5 {
		t.Fatalf("got %+v %+v", plan, problems)
	}
	plan, _ = parse(t, "Phone\n+49 30 23125 001\n", "Company\nFoundry\n")
	if len(plan.Accounts)+len(plan.Contacts) > 0 {
		t.Fatalf("rows without a name or an address: %+v", plan)
	}
}
