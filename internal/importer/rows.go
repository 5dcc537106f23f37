package importer

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"steward/internal/domain"
)

// accountRow and contactRow are rows with what the checks across rows need besides.
type accountRow struct {
	Account
	key string // AccountKey of its name
	bad bool   // it has a fault of its own
	// ownerUnclear: the owner column could not be understood.
	ownerUnclear bool
}

type contactRow struct {
	Contact
	key string // AccountKey of its account
	bad bool
}

// row is one row while it is read.
type row struct {
	p      *parser
	file   string
	line   int
	cols   columns
	values []string
	bad    bool
	fault  *fault // it could be read only up to there
}

// read reads one file and hands its rows to take, faulty ones too.
func (p *parser) read(file string, r io.Reader, set columnSet, take func(*row)) error {
	text, ok, err := p.text(file, r)
	if err != nil {
		return err
	}
	if !ok {
		p.unread(file)
		return nil
	}
	c := newScanner(text, p.lim)
	cols, ok := p.readHeader(file, c, set)
	if !ok {
		p.unread(file)
		return nil
	}
	p.keepHeader(file, cols)
	c.maxKept = len(cols.headers)
	unnamed := map[int]bool{}
	var rec record
	for rows := 0; c.next(&rec); {
		if rec.blank {
			continue
		}
		if rows++; rows > p.lim.Rows {
			return overLimit(file, "has more than %d rows. Split it and import the parts one after the other.", p.lim.Rows)
		}
		for i, v := range rec.fields {
			if cols.headers[i] == "" && !unnamed[i] && strings.TrimSpace(v) != "" {
				unnamed[i] = true
				p.ignored = append(p.ignored, IgnoredColumn{File: file, Column: fmt.Sprintf("column %d", i+1)})
			}
		}
		take(p.newRow(file, cols, &rec))
	}
	return nil
}

func (p *parser) keepHeader(file string, cols columns) {
	headers := map[field]string{}
	for f, i := range cols.index {
		headers[f] = cols.headers[i]
	}
	if file == FileAccounts {
		p.accountHeader = headers
		return
	}
	p.contactHeader = headers
	if _, ok := cols.index[fieldCompany]; !ok {
		p.unread(file)
	}
}

// unread notes that the rows of a file, or their accounts, are not known.
func (p *parser) unread(file string) {
	if file == FileContacts {
		p.ownerUnread, p.addressUnread = true, true
	}
}

// newRow checks what concerns the row as a whole.
func (p *parser) newRow(file string, cols columns, rec *record) *row {
	r := &row{p: p, file: file, line: rec.line, cols: cols, values: rec.fields, fault: rec.fault}
	if f := rec.fault; f != nil {
		column := fmt.Sprintf("column %d", f.field+1)
		if f.field < len(cols.headers) && cols.headers[f.field] != "" {
			column = cols.headers[f.field]
		}
		r.problem(column, f.message, f.mend)
	} else if rec.count < cols.width || rec.extra {
		r.fault = &fault{field: rec.count}
		r.problem("", fmt.Sprintf("The line has %s where the header has %d.", count(rec.count, "field"), len(cols.headers)),
			"Put a field that contains the separator or a line break in quotes, and keep the separators of empty fields.")
	}
	for i, v := range r.values {
		switch {
		case strings.IndexByte(v, 0) >= 0:
			r.problem(cols.headers[i], "The field contains a NUL byte.", "Export the file anew; it is damaged, or not a text file.")
		case !utf8.ValidString(v):
			r.problem(cols.headers[i], "The field contains bytes that are not UTF-8.", "Type the field anew, or export the file anew as UTF-8.")
		default:
			continue
		}
		r.values[i] = ""
		if r.fault == nil {
			r.fault = &fault{field: i, aligned: true}
		}
	}
	return r
}

// readable reports whether the fields can be told apart, so that it makes sense to check them.
func (r *row) readable() bool { return r.fault == nil || r.fault.aligned }

// count writes a number with its noun, for example "1 field" or "3 fields".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (r *row) problem(column, message, mend string) {
	r.bad = true
	r.p.problems.add(r.file, r.line, column, message, mend)
}

// problemAt reports a problem of the field's column.
func (r *row) problemAt(f field, message, mend string) { r.problem(r.cols.header(f), message, mend) }

// has reports whether the file has the field and the row was read so far.
func (r *row) has(f field) bool {
	i, ok := r.cols.index[f]
	return ok && i < len(r.values)
}

func (r *row) raw(f field) string {
	if !r.has(f) {
		return ""
	}
	return r.values[r.cols.index[f]]
}

// missing reports an empty required field, unless its problem is noted already.
func (r *row) missing(f field, message, mend string) {
	if r.has(f) && r.fault == nil && strings.TrimSpace(r.raw(f)) == "" {
		r.problemAt(f, message, mend)
	}
}

func (p *parser) accountRow(r *row) {
	if !r.readable() {
		return
	}
	a := Account{Line: r.line}
	a.Name = r.oneLine(fieldCompany, domain.MaxAccountName)
	r.missing(fieldCompany, "The company is missing.", "Give the company's name.")
	a.Website = r.website()
	a.Phone = r.phone()
	a.Address = r.lines(fieldAddress, domain.MaxAddress)
	var ownerOK bool
	a.OwnerEmail, ownerOK = r.owner()
	if key := AccountKey(a.Name); key != "" {
		p.accounts = append(p.accounts, accountRow{Account: a, key: key, bad: r.bad, ownerUnclear: !ownerOK || r.fault != nil})
	}
}

func (p *parser) contactRow(r *row) {
	if !r.readable() {
		p.note(AccountKey(r.raw(fieldCompany)), false, false)
		return
	}
	c := Contact{Line: r.line}
	c.Account = r.oneLine(fieldCompany, domain.MaxAccountName)
	r.missing(fieldCompany, "The company is missing.", "Give the name of the company that the contact belongs to.")
	c.FirstName, c.LastName = r.name()
	c.Email, _ = r.email(fieldEmail)
	r.missing(fieldEmail, "The e-mail address is missing.", "Give the contact's e-mail address.")
	c.Phone = r.phone()
	var roleOK bool
	c.Role, c.Permissions, roleOK = r.rights()
	c.Owner = c.Role == domain.RoleAccountOwner
	c.Types = r.types()

	key := AccountKey(c.Account)
	p.note(key, roleOK && r.fault == nil && (key != "" || !c.Owner), c.Email != "" && key != "")
	if key != "" {
		p.contacts = append(p.contacts, contactRow{Contact: c, key: key, bad: r.bad || c.Email == ""})
	}
}

// note keeps in mind what is not clear about a contact of the account; an empty key may be any account.
func (p *parser) note(key string, roleClear, addressClear bool) {
	if key == "" {
		p.ownerUnread = p.ownerUnread || !roleClear
		p.addressUnread = p.addressUnread || !addressClear
		return
	}
	g := p.group(key)
	g.roleUnclear = g.roleUnclear || !roleClear
	g.emailUnclear = g.emailUnclear || !addressClear
}
