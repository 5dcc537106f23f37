package importer

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// field is what a column may mean.
type field int

const (
	fieldCompany field = iota
	fieldEmail
	fieldFirstName
	fieldLastName
	fieldFullName
	fieldPhone
	fieldMobile // counts where fieldPhone is empty
	fieldRole
	fieldPermissions
	fieldTypes
	fieldWebsite
	fieldAddress
	fieldOwner
)

// columnSet is what the columns of one file may mean, by the folded spellings of their headers.
type columnSet struct {
	names    map[string]field
	required []field
}

// maxColumns bounds what a header may bring.
const maxColumns = 256

const (
	companyNames = "company|company name|account|account name|customer|customer name|organisation|organization|organisation name|organization name|" +
		"firma|firmenname|unternehmen|kunde|kundenname|konto|kontoname|société|entreprise|raison sociale|client|compte|" +
		"empresa|compañía|cliente|cuenta|organización|razón social"
	phoneNames  = "phone|phone number|telephone|telephone number|tel|telefon|telefonnummer|téléphone|teléfono|business phone|work phone|office phone"
	mobileNames = "mobile|mobile phone|mobile number|cell|cell phone|handy|mobil|mobiltelefon|portable|téléphone portable|móvil|teléfono móvil"
)

var accountColumns = columnSet{required: []field{fieldCompany}, names: foldedNames(map[field]string{
	fieldCompany: companyNames + "|name|nom|nombre",
	fieldWebsite: "website|web site|web|url|homepage|web address|webseite|website url|internetseite|site web|site internet|sitio web|página web",
	fieldPhone:   phoneNames,
	fieldMobile:  mobileNames,
	fieldAddress: "address|postal address|street address|full address|company address|billing address|adresse|anschrift|postanschrift|adresse postale|dirección|domicilio",
	fieldOwner: "owner|owner email|owner e-mail address|account owner|account owner email|inhaber|kontoinhaber|inhaber e-mail|eigentümer|" +
		"propriétaire|titulaire|propietario|titular",
})}

var contactColumns = columnSet{required: []field{fieldCompany, fieldEmail}, names: foldedNames(map[field]string{
	fieldCompany: companyNames,
	fieldEmail: "e-mail|mail|e-mail address|mail address|contact email|work email|business email|e-mail-adresse|mailadresse|" +
		"courriel|adresse e-mail|adresse mail|adresse électronique|adresse de courriel|correo|correo electrónico|dirección de correo|dirección de correo electrónico",
	fieldFirstName:   "first name|first|given name|forename|vorname|prénom|nombre de pila|contact first name",
	fieldLastName:    "last name|last|surname|family name|second name|nachname|familienname|zuname|nom de famille|apellido|apellidos|contact last name",
	fieldFullName:    "name|full name|contact|contact name|person|vollständiger name|kontakt|ansprechpartner|nom|nom complet|nombre|nombre completo|contacto",
	fieldPhone:       phoneNames,
	fieldMobile:      mobileNames,
	fieldRole:        "role|standard role|user role|contact role|account role|access role|rolle|standardrolle|rôle|rol|función",
	fieldPermissions: "permission|permissions|right|rights|access rights|user rights|berechtigung|berechtigungen|rechte|droits|permissions d'accès|autorisations|permisos|derechos",
	fieldTypes: "account type|account types|contact type|contact types|type|types|type of contact|kontaktart|kontakttyp|kontakttypen|kontotyp|ansprechpartnertyp|" +
		"type de contact|types de contact|type de compte|tipo|tipo de contacto|tipos de contacto|tipo de cuenta",
})}

// foldedNames turns lists of spellings into an index by their folded form.
func foldedNames(lists map[field]string) map[string]field {
	names := map[string]field{}
	for f, list := range lists {
		for name := range strings.SplitSeq(list, "|") {
			names[fold(name)] = f
		}
	}
	return names
}

// fold brings a header or a keyword into the form under which spellings are compared: letters and digits only, lower case,
// without accents, and "&" read as "and". For example "E-Mail Address *" gives "emailaddress", "Prénom" gives "prenom".
func fold(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ReplaceAll(s, "&", "and")) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// lookup returns what a header means. A remark in parentheses, as in "Phone (office)", may be part of it or not.
func (s columnSet) lookup(header string) (field, bool) {
	if f, ok := s.names[fold(header)]; ok {
		return f, true
	}
	before, rest, found := strings.Cut(header, "(")
	if _, after, closed := strings.Cut(rest, ")"); found && closed {
		f, ok := s.names[fold(before+after)]
		return f, ok
	}
	return 0, false
}

// columns is what the header of a file says.
type columns struct {
	headers []string      // as the file writes them
	index   map[field]int // the column of each field that the file has
	width   int           // the number of columns up to the last one with a header
}

// header returns the header of the field's column, or "" if the file has none.
func (c columns) header(f field) string {
	if i, ok := c.index[f]; ok {
		return c.headers[i]
	}
	return ""
}

// visible replaces what would act on a terminal.
func visible(c rune) rune {
	if invisible(c) {
		return '\uFFFD'
	}
	return c
}

// duplicate is a column that means the same as an earlier one.
type duplicate struct{ first, second int }

// resolve assigns fields to the headers.
func (s columnSet) resolve(headers []string) (c columns, unknown []int, twice []duplicate) {
	c = columns{index: map[field]int{}}
	for i, h := range headers {
		h = strings.Join(strings.Fields(strings.Map(visible, h)), " ")
		c.headers = append(c.headers, clip(h, maxShown))
		if h == "" {
			continue
		}
		c.width = i + 1
		f, ok := s.lookup(h)
		if !ok {
			unknown = append(unknown, i)
			continue
		}
		if first, taken := c.index[f]; taken {
			twice = append(twice, duplicate{first, i})
			continue
		}
		c.index[f] = i
	}
	c.splitName()
	return c, unknown, twice
}

// splitName reads a column "name" beside only one of first and last name as the other one, as in "Vorname;Name" and
// "Nombre;Apellidos".
func (c *columns) splitName() {
	full, ok := c.index[fieldFullName]
	_, first := c.index[fieldFirstName]
	_, last := c.index[fieldLastName]
	if !ok || first == last {
		return
	}
	delete(c.index, fieldFullName)
	if first {
		c.index[fieldLastName] = full
	} else {
		c.index[fieldFirstName] = full
	}
}

// detectComma returns the separator under which most columns of the header are known, then most columns at all. A first
// line "sep=;" settles it and is skipped.
func (s columnSet) detectComma(c *scanner) {
	line := c.s[:min(len(c.s), 32)]
	if end := strings.IndexAny(line, "\r\n"); end >= 0 {
		line = line[:end]
	}
	line = strings.ToLower(strings.Trim(strings.TrimRight(line, " \t,;"), `"`))
	if rest, ok := strings.CutPrefix(line, "sep="); ok && len(rest) <= 1 {
		c.comma = sepOf(c.s)
		c.toNextLine()
		return
	}
	best := -1
	for _, comma := range []byte{',', ';', '\t'} {
		try := *c
		try.comma = comma
		var rec record
		for try.next(&rec) && rec.blank {
		}
		score := min(rec.count, maxColumns)
		for _, h := range rec.fields {
			if _, ok := s.lookup(h); ok {
				score += maxColumns
			}
		}
		if score > best {
			best, c.comma = score, comma
		}
	}
}

// sepOf returns the character behind "sep=" in the first line; comma if it is none that separates.
func sepOf(s string) byte {
	i := strings.IndexByte(s, '=') + 1
	if i < len(s) && strings.IndexByte(",;\t|", s[i]) >= 0 {
		return s[i]
	}
	return ','
}

// readHeader reads the header and reports what is wrong with it. ok is false if no row can be read by it.
func (p *parser) readHeader(file string, c *scanner, set columnSet) (cols columns, ok bool) {
	set.detectComma(c)
	var rec record
	for c.next(&rec) && rec.blank {
	}
	if rec.fault != nil {
		p.problems.add(file, rec.line, "", "The header cannot be read: "+rec.fault.message, rec.fault.mend)
		return columns{}, false
	}
	if rec.count > maxColumns {
		p.problems.add(file, rec.line, "", fmt.Sprintf("The header has %d columns; at most %d are allowed.", rec.count, maxColumns), "Export fewer columns.")
		return columns{}, false
	}
	cols, unknown, twice := set.resolve(rec.fields)
	if len(cols.index) == 0 {
		p.problems.add(file, max(rec.line, 1), "", "The first line names no known column.", "Start the file with a header line such as "+headerExample(file)+".")
		return columns{}, false
	}
	for _, i := range unknown {
		p.ignored = append(p.ignored, IgnoredColumn{File: file, Column: cols.headers[i]})
	}
	for _, d := range twice {
		p.problems.add(file, rec.line, cols.headers[d.second],
			fmt.Sprintf("The columns %s (column %d) and %s (column %d) mean the same.", quote(cols.headers[d.first]), d.first+1, quote(cols.headers[d.second]), d.second+1),
			"Remove or rename one of them.")
	}
	for _, f := range set.required {
		if _, has := cols.index[f]; !has {
			p.problems.add(file, rec.line, "", "There is no column for the "+requiredNames[f]+".", "Add a column with the header "+requiredHeaders[f]+".")
		}
	}
	return cols, true
}

var (
	requiredNames   = map[field]string{fieldCompany: "company", fieldEmail: "e-mail address"}
	requiredHeaders = map[field]string{fieldCompany: `"Company"`, fieldEmail: `"E-mail"`}
)

func headerExample(file string) string {
	accounts, contacts := Template()
	if file == FileContacts {
		accounts = contacts
	}
	line, _, _ := strings.Cut(accounts, "\n")
	return quote(line)
}
