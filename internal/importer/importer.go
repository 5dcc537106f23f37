// Package importer reads the pair of CSV files in which customers' accounts and contacts arrive and checks them. It knows
// neither a database nor rights: what it returns is what the files say, or everything that is wrong with them.
//
// The files are taken as customer portals and spreadsheets export them: UTF-8 with or without a byte order mark, comma,
// semicolon or tab, a `sep=;` line, CRLF or LF, columns in any order under the names that people give them.
//
// A value that a spreadsheet would run as a formula ("=1+1", "+49 30 ...", "@handle") is data here and kept as it is.
// Whoever writes a file for spreadsheets has to escape it there.
package importer

import (
	"cmp"
	"fmt"
	"io"

	"steward/internal/domain"
)

// The names of the two files in problems and errors.
const (
	FileAccounts = "accounts"
	FileContacts = "contacts"
)

// Account is one row of the accounts file.
type Account struct {
	Line    int // where the row starts, 1-based, as editors count
	Name    string
	Website string // an http or https URL, or empty; "www.firm.example" is completed to "https://www.firm.example"
	Phone   string
	Address string // may hold line breaks
	// OwnerEmail is the address of the contact that owns the account, be it named by the owner column or by its role.
	OwnerEmail string
}

// Contact is one row of the contacts file.
type Contact struct {
	Line      int    // where the row starts, 1-based, as editors count
	Account   string // the company as the row writes it; compare by AccountKey
	FirstName string
	LastName  string
	Email     string
	Phone     string
	Owner     bool                // by its role, or because the accounts file names it
	Role      domain.StandardRole // empty if the row names none
	// Permissions holds those of the permissions column, or else those that Role stands for.
	Permissions domain.PermissionSet
	Types       domain.AccountTypeSet
}

// IgnoredColumn is a column that no field is read from.
type IgnoredColumn struct {
	File   string // FileAccounts or FileContacts
	Column string // its header, or "column 7" for one that holds values under no header
}

// Plan is what the files ask for, in the order of their rows. It may be carried out only if there was no problem; until
// then it holds the rows without a fault of their own, so that a dry run can check those further.
//
// A contact's account need not be in Accounts: it may exist already.
type Plan struct {
	Accounts       []Account
	Contacts       []Contact
	IgnoredColumns []IgnoredColumn
}

// Limits bound what Parse takes in. A zero field means the one of DefaultLimits.
type Limits struct {
	FileBytes  int64 // per file
	Rows       int   // per file, without header and blank lines
	FieldBytes int   // per field; a longer one is a problem of its line, the other limits end Parse with an error
	Problems   int   // after so many, one last problem tells how many more there are
}

// DefaultLimits are the limits of the product.
var DefaultLimits = Limits{FileBytes: 16 << 20, Rows: 50_000, FieldBytes: 8 << 10, Problems: 1000}

func (l Limits) withDefaults() Limits {
	return Limits{
		FileBytes:  cmp.Or(l.FileBytes, DefaultLimits.FileBytes),
		Rows:       cmp.Or(l.Rows, DefaultLimits.Rows),
		FieldBytes: cmp.Or(l.FieldBytes, DefaultLimits.FieldBytes),
		Problems:   cmp.Or(l.Problems, DefaultLimits.Problems),
	}
}

// Parse reads both files and returns what they ask for, with every problem of either in the order accounts, contacts, line.
// accounts may be nil: then all contacts are meant for accounts that exist.
//
// The error is for what is no matter of single lines: a reader that fails, or a *domain.Error with code BAD_USER_INPUT
// whose field is the file, because the file is over a limit or contacts is nil. There is no plan then. Time is linear in
// the size of the files, memory a small multiple of it.
func Parse(accounts, contacts io.Reader, lim Limits) (Plan, []domain.ImportProblem, error) {
	if contacts == nil {
		return Plan{}, nil, domain.Invalid(FileContacts, "Give a contacts file.")
	}
	lim = lim.withDefaults()
	p := &parser{lim: lim, problems: problems{max: lim.Problems}}
	if accounts != nil {
		if err := p.read(FileAccounts, accounts, accountColumns, p.accountRow); err != nil {
			return Plan{}, nil, err
		}
	}
	if err := p.read(FileContacts, contacts, contactColumns, p.contactRow); err != nil {
		return Plan{}, nil, err
	}
	p.checkContacts()
	p.checkOwnerColumn()
	p.checkAccounts()
	return p.plan(), p.problems.list(), nil
}

// Template returns a small pair of files that Parse accepts, to start from.
func Template() (accounts, contacts string) {
	accounts = "Company,Website,Phone,Address\n" +
		"Juniper Lane Books,https://juniperlane.example,+44 20 7946 0101,\"3 Juniper Lane, London\"\n"
	contacts = "Company,First name,Last name,E-mail,Phone,Role,Permissions,Account types\n" +
		"Juniper Lane Books,Ada,Wren,ada.wren@juniperlane.example,+44 20 7946 0102,Account owner,,Primary business contact\n" +
		"Juniper Lane Books,Tom,Field,tom.field@juniperlane.example,,Billing only,,Primary billing contact; Primary renewal contact\n" +
		"Juniper Lane Books,Zoë,Marsh,zoe.marsh@juniperlane.example,,,Support; Renew contracts,Support contact\n"
	return accounts, contacts
}

// parser holds what has been read so far.
type parser struct {
	lim      Limits
	problems problems
	ignored  []IgnoredColumn

	accounts      []accountRow
	accountHeader map[field]string // the accounts file's own headers, for problems that are found after reading
	contacts      []contactRow
	contactHeader map[field]string
	groups        map[string]*group // by AccountKey
	addresses     map[place]int     // the first row of parser.contacts with it

	// Rows that could not be assigned to an account: any account's owner, or the address that is looked for, may be among
	// them. What follows from their lack alone is not reported.
	ownerUnread, addressUnread bool
}

func (p *parser) plan() Plan {
	plan := Plan{IgnoredColumns: p.ignored}
	for _, a := range p.accounts {
		if !a.bad {
			plan.Accounts = append(plan.Accounts, a.Account)
		}
	}
	for _, c := range p.contacts {
		if !c.bad {
			plan.Contacts = append(plan.Contacts, c.Contact)
		}
	}
	return plan
}

// overLimit returns the error of a file as a whole.
func overLimit(file, format string, args ...any) error {
	return domain.Invalid(file, fmt.Sprintf("The "+file+" file "+format, args...))
}
