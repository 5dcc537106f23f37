package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"steward/internal/domain"
)

// problems collects up to max problems and counts the others.
type problems struct {
	max   int
	found []domain.ImportProblem
	more  int
	next  domain.ImportProblem // the first that was only counted
}

// full reports whether further problems are only counted, so that nothing need be spent on their texts.
func (p *problems) full() bool { return len(p.found) >= p.max }

func (p *problems) add(file string, line int, column, message, mend string) {
	one := domain.ImportProblem{File: file, Line: line, Column: clip(column, maxShown), Message: message, Mend: mend}
	if !p.full() {
		p.found = append(p.found, one)
		return
	}
	if p.more == 0 {
		p.next = one
	}
	p.more++
}

// list returns the problems by file and line, then the one that tells how many more there are.
func (p *problems) list() []domain.ImportProblem {
	slices.SortStableFunc(p.found, func(a, b domain.ImportProblem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) // "accounts" sorts before "contacts"
	})
	if p.more == 0 {
		return p.found
	}
	return append(p.found, domain.ImportProblem{
		File: p.next.File, Line: p.next.Line,
		Message: fmt.Sprintf("There are %d more problems from here on.", p.more),
		Mend:    "Mend those above and try again.",
	})
}

// maxShown is how many characters of a value or a header a problem repeats.
const maxShown = 60

// quote returns a value of the file for use in a message: shortened, and with control characters made visible.
func quote(s string) string { return strconv.Quote(clip(s, maxShown)) }

// clip returns a copy of at most n characters, so that a problem does not keep the file's text alive.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s[:min(len(s), 4*n+4)], "\uFFFD")
	if utf8.RuneCountInString(s) <= n {
		return strings.Clone(s)
	}
	return string([]rune(s)[:n]) + "…"
}
