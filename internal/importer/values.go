package importer

import (
	"errors"
	"fmt"
	"iter"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"steward/internal/domain"
)

// AccountKey is the form under which company names are compared: without regard to case and spacing, so that "Weiß  AG"
// and "WEISS AG" are the same.
func AccountKey(name string) string {
	return norm.NFC.String(cases.Fold().String(strings.Join(strings.Fields(name), " ")))
}

// emailKey is the form under which e-mail addresses are compared.
func emailKey(address string) string { return strings.ToLower(address) }

// oneLine returns the field with every run of white space made one blank, "" after a problem.
func (r *row) oneLine(f field, limit int) string {
	return r.checked(f, strings.Join(strings.Fields(norm.NFC.String(r.raw(f))), " "), limit)
}

// lines returns the field with its line breaks, trimmed; they all become "\n".
func (r *row) lines(f field, limit int) string {
	s := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(norm.NFC.String(r.raw(f)))
	return r.checked(f, strings.TrimSpace(s), limit)
}

func (r *row) checked(f field, s string, limit int) string {
	if i := strings.IndexFunc(s, invisible); i >= 0 {
		c, _ := utf8.DecodeRuneInString(s[i:])
		r.problemAt(f, fmt.Sprintf("The field contains the invisible character %U.", c), "Type the field anew instead of pasting it.")
		return ""
	}
	if n := utf8.RuneCountInString(s); n > limit {
		r.problemAt(f, fmt.Sprintf("The field is %d characters long; at most %d are allowed.", n, limit), "Shorten it.")
		return ""
	}
	return s
}

// invisible tells control characters and those that turn the direction of writing, which no value has a use for.
func invisible(c rune) bool {
	return unicode.IsControl(c) && c != '\n' && c != '\t' || c >= '\u202A' && c <= '\u202E' || c >= '\u2066' && c <= '\u2069'
}

// name returns first and last name. A full name counts where both are empty; it is split at the last space, or at a comma
// as in "Finch, Anna".
func (r *row) name() (first, last string) {
	first, last = r.oneLine(fieldFirstName, domain.MaxName), r.oneLine(fieldLastName, domain.MaxName)
	full := r.oneLine(fieldFullName, 2*domain.MaxName+1)
	if first != "" || last != "" || full == "" {
		return first, last
	}
	before, after, comma := strings.Cut(full, ", ")
	suffix := comma && nameSuffixes[fold(after)]
	if comma && !suffix {
		first, last = after, before
	} else if i := strings.LastIndexByte(before, ' '); i >= 0 {
		first, last = before[:i], full[i+1:]
	} else {
		last = full
	}
	if utf8.RuneCountInString(first) > domain.MaxName || utf8.RuneCountInString(last) > domain.MaxName {
		r.problemAt(fieldFullName, fmt.Sprintf("The first or the last name is longer than %d characters.", domain.MaxName), "Shorten it.")
		return "", ""
	}
	return first, last
}

// nameSuffixes are what may stand behind a comma in a name without being the first name.
var nameSuffixes = map[string]bool{"jr": true, "sr": true, "ii": true, "iii": true, "phd": true, "md": true, "mba": true, "esq": true}

// email returns the address in the field; ok is false after a problem.
func (r *row) email(f field) (address string, ok bool) {
	raw := strings.TrimSpace(norm.NFC.String(r.raw(f)))
	if raw == "" {
		return "", true
	}
	const mend = "Write one address and nothing else, for example anna@firm.example."
	if len(raw) > domain.MaxEmail {
		r.problemAt(f, fmt.Sprintf("The e-mail address is %d bytes long; at most %d are allowed.", len(raw), domain.MaxEmail), "Correct the address.")
		return "", false
	}
	parsed, err := mail.ParseAddress(raw)
	switch {
	case strings.Count(raw, "@") > 1 && strings.ContainsAny(raw, ",; \n"):
		r.problemAt(f, quote(raw)+" is more than one e-mail address.", mend)
	case err != nil:
		r.problemAt(f, quote(raw)+" is not an e-mail address.", mend)
	case parsed.Name != "" || strings.ContainsAny(raw, "<>") || strings.IndexFunc(raw, invisible) >= 0:
		r.problemAt(f, quote(raw)+" is more than an e-mail address.", mend)
	case strings.HasSuffix(raw, "]"):
		r.problemAt(f, quote(raw)+" has a network address in place of a domain.", mend)
	case domain.CheckEmail("", raw) != nil:
		r.problemAt(f, quote(raw)+" is not an e-mail address.", mend)
	default:
		return raw, true
	}
	return "", false
}

// owner returns what the owner column of the accounts file holds; ok is false after a problem.
func (r *row) owner() (address string, ok bool) {
	raw := strings.TrimSpace(r.raw(fieldOwner))
	if none(raw) {
		return "", true
	}
	if !strings.Contains(raw, "@") {
		r.problemAt(fieldOwner, quote(raw)+" is not an e-mail address.", "Write the e-mail address of the contact that owns the account, or remove the column if it names somebody of your own.")
		return "", false
	}
	return r.email(fieldOwner)
}

// website returns a URL; one without a scheme, as in "www.firm.example", gets https.
func (r *row) website() string {
	s := r.oneLine(fieldWebsite, domain.MaxWebsite)
	if none(s) {
		return ""
	}
	full, bare := s, !schemeLike.MatchString(s)
	if bare {
		full = "https://" + s
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || strings.Contains(s, " ") || bare && !strings.Contains(u.Hostname(), ".") ||
		domain.CheckWebsite("", full) != nil {
		r.problemAt(fieldWebsite, quote(s)+" is not the address of a website.", "Write it like https://www.firm.example, or leave the field empty.")
		return ""
	}
	return full
}

// schemeLike matches what starts with a scheme, as in "javascript:..." and "mailto:...". A host with a port has a dot first.
var schemeLike = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+-]*:`)

// phone returns the phone, or else the mobile phone. A number that a spreadsheet took for an amount has lost its digits.
func (r *row) phone() string {
	for _, f := range []field{fieldPhone, fieldMobile} {
		s := r.oneLine(f, domain.MaxPhone)
		if none(s) {
			continue
		}
		if rounded.MatchString(s) {
			r.problemAt(f, quote(s)+" is a phone number that a spreadsheet rounded.", "Format the column as text, enter the number again, and export anew.")
			return ""
		}
		if err, bad := errors.AsType[*domain.Error](domain.CheckPhone("", s)); bad {
			r.problemAt(f, quote(s)+" is not a phone number.", err.Message)
			return ""
		}
		return s
	}
	return ""
}

// rounded matches "4.92E+11" and "4,92E+11".
var rounded = regexp.MustCompile(`^[0-9]([.,][0-9]+)?[eE]\+[0-9]+$`)

// rights returns what the role and the permissions columns say. sure is false if a role was written but not understood.
func (r *row) rights() (role domain.StandardRole, granted domain.PermissionSet, sure bool) {
	sure = true
	if raw := strings.TrimSpace(r.raw(fieldRole)); !none(raw) {
		if role, sure = roles[fold(raw)]; !sure {
			r.unknown(fieldRole, raw, "role", rolesShown, roleSpellings)
		}
	}
	given := listed(r, fieldPermissions, "permission", permissionsShown, permissions, permissionSpellings)
	granted = domain.PermissionsOf(given...)
	switch {
	case role == "" || len(given) == 0:
		return role, granted | role.Permissions(), sure
	case role == domain.RoleAccountOwner:
		r.problemAt(fieldPermissions, fmt.Sprintf("The role %s and the permissions %s are both given; the owner has full authority without any.", role, granted), "Leave the permissions of an owner empty.")
	case granted != role.Permissions():
		r.problemAt(fieldPermissions, fmt.Sprintf("The role %s means the permissions %s, but %s are given.", role, role.Permissions(), granted), "Leave either the role or the permissions empty.")
	}
	return role, granted, sure
}

// types returns what the account types column says.
func (r *row) types() domain.AccountTypeSet {
	return domain.AccountTypesOf(listed(r, fieldTypes, "account type", typesShown, types, typeSpellings)...)
}

// maxUnknown is how many entries of one field are reported as unknown; a field that holds more is no such list.
const maxUnknown = 8

// items yields the entries of a list in one field, without empty ones and those that mean none.
func (r *row) items(f field) iter.Seq[string] {
	return func(yield func(string) bool) {
		for item := range strings.FieldsFuncSeq(r.raw(f), func(c rune) bool { return strings.ContainsRune(";,|+/&\r\n", c) }) {
			if item = strings.TrimSpace(item); !none(item) && !yield(item) {
				return
			}
		}
	}
}

// listed returns the entries of a list in one field that are known, and reports the others.
func listed[V any](r *row, f field, noun, accepted string, known map[string]V, spellings []string) []V {
	var out []V
	unknown := 0
	for item := range r.items(f) {
		v, ok := known[fold(item)]
		if ok {
			out = append(out, v)
			continue
		}
		r.unknown(f, item, noun, accepted, spellings)
		if unknown++; unknown == maxUnknown {
			break
		}
	}
	return out
}

// none tells what people write for "nothing" into a list.
func none(s string) bool {
	switch strings.ToLower(s) {
	case "", "-", "–", "—", "none", "n/a", "no role", "null":
		return true
	}
	return false
}

// unknown reports a value that is none of the accepted ones.
func (r *row) unknown(f field, value, noun, accepted string, spellings []string) {
	if r.p.problems.full() {
		r.problem("", "", "")
		return
	}
	mend := "Write one of " + accepted + "."
	if near := closest(fold(value), spellings); near != "" {
		mend += " The closest is " + spellingOf[noun][near] + "."
	}
	article := "a "
	if strings.HasPrefix(noun, "a") {
		article = "an "
	}
	r.problemAt(f, quote(value)+" is not "+article+noun+".", mend)
}

// closest returns the spelling with the smallest edit distance from s, or else the shortest that s is the start of, or "".
func closest(s string, spellings []string) string {
	if s == "" || len(s) > 64 {
		return ""
	}
	best, limit := "", max(2, len(s)/3)+1
	for _, one := range spellings {
		if d := distance(s, one); d < limit {
			best, limit = one, d
		}
	}
	if best != "" {
		return best
	}
	for _, one := range spellings {
		if strings.HasPrefix(one, s) && (best == "" || len(one) < len(best)) {
			best = one
		}
	}
	return best
}

// distance is the edit distance of a and b in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
