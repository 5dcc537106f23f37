package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	defaultSeed   = 20
	accountCount  = 40
	contactCount  = 400
	alderOthers   = 14 // drawn contacts of the first account beside the written ones
	harbourOthers = 9
)

var (
	accountHeader = []string{"Company", "Website", "Phone", "Address"}
	contactHeader = []string{"Company", "First Name", "Last Name", "E-Mail", "Phone", "Role", "Permissions", "Account Types"}
)

// person is one row of contacts.csv.
type person struct{ first, last, email, phone, role, permissions, types string }

// generator draws from a source whose numbers are the same for ever.
type generator struct {
	source   *rand.PCG
	taken    map[string]bool // e-mail addresses
	contacts [][]string
}

// intn returns a number from 0 to n-1. The small bias of the remainder does not matter here; that no version of a library
// draws differently does.
func (g *generator) intn(n int) int { return int(g.source.Uint64() % uint64(n)) }

func pick[T any](g *generator, of []T) T { return of[g.intn(len(of))] }

// generate returns both files with their headers.
func generate(seed uint64) (accounts, contacts [][]string) {
	g := &generator{source: rand.NewPCG(seed, seed), taken: map[string]bool{}}
	accounts, g.contacts = [][]string{accountHeader}, [][]string{contactHeader}
	for _, c := range companies {
		accounts = append(accounts, []string{c.name, "https://" + c.domain, g.phone(c.country), g.address(c)})
	}
	g.written(companies[0], alder, alderOthers)
	g.written(companies[1], harbour, harbourOthers)
	left := contactCount - len(g.contacts) + 1
	for i, c := range companies[2:] {
		after := accountCount - 2 - i - 1
		n := left
		if after > 0 {
			average := left / (after + 1)
			n = average - 5 + g.intn(11)
		}
		left -= n
		g.company(c, n)
	}
	return accounts, g.contacts
}

// written adds an account whose people are told by name, and others.
func (g *generator) written(c company, people []person, others int) {
	for _, p := range people {
		if !strings.Contains(p.email, "@") {
			p.email += "@" + c.domain
		}
		g.add(c, p)
	}
	for range others {
		g.add(c, g.person(c))
	}
}

// company adds an account with n people: an owner, an administrator if there are more than two, and others. The primary
// account types go to whoever comes first.
func (g *generator) company(c company, n int) {
	primaries := []string{"Primary business contact", "Primary technical contact", "Primary billing contact", "Primary renewal contact"}
	for i := range n {
		p := g.person(c)
		switch i {
		case 0:
			p.role, p.permissions = "Account owner", ""
		case 1:
			p.role, p.permissions = "Account administrator", ""
		}
		if i < len(primaries) && g.intn(5) > 0 {
			p.types = primaries[i]
			if i == 2 && g.intn(2) == 0 { // one for bills and renewals
				p.types += "; " + primaries[3]
				primaries = primaries[:3]
			}
		}
		g.add(c, p)
	}
}

func (g *generator) add(c company, p person) {
	g.taken[p.email] = true
	if p.phone == "" && g.intn(4) > 0 {
		p.phone = g.phone(c.country)
	}
	g.contacts = append(g.contacts, []string{c.name, p.first, p.last, p.email, p.phone, p.role, p.permissions, p.types})
}

// person draws somebody with rights that fit an ordinary contact.
func (g *generator) person(c company) person {
	for {
		p := person{first: pick(g, firstNames), last: pick(g, lastNames)}
		p.email = ascii(p.first) + "." + ascii(p.last) + "@" + c.domain
		if g.taken[p.email] {
			continue
		}
		switch n := g.intn(10); {
		case n < 3:
			p.role = pick(g, []string{"Billing only", "Support only", "Support only", "Billing and support"})
		case n < 6:
			p.permissions = pick(g, singles)
		case n < 8:
			p.permissions = pick(g, several)
		}
		p.types = pick(g, []string{"", "Account contact", "Account contact", "Support contact", "Account contact; Support contact"})
		return p
	}
}

// address draws a street and a number in the company's city, written as its country does.
func (g *generator) address(c company) string {
	number := 1 + g.intn(98)
	street := pick(g, streets[c.country])
	switch c.country {
	case "de", "se":
		return fmt.Sprintf("%s %d, %s", street, number, c.city)
	case "fr", "ca":
		return fmt.Sprintf("%d, %s, %s", number, street, c.city)
	}
	return fmt.Sprintf("%d %s, %s", number, street, c.city)
}

// phone draws a number from the country's ranges for fiction; each "#" stands for a digit.
func (g *generator) phone(country string) string {
	var b strings.Builder
	for _, c := range pick(g, phones[country]) {
		if c == '#' {
			c = rune('0' + g.intn(10))
		}
		b.WriteRune(c)
	}
	return b.String()
}

// ascii writes a name as it stands in an address, for example "Jörg-Änne O'Neill" as "joerg-aenne.oneill".
func ascii(name string) string { return asciiLetters.Replace(strings.ToLower(name)) }

var asciiLetters = strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "å", "a", "ø", "o", "æ", "ae", "á", "a", "à", "a", "â", "a", "ã", "a",
	"ç", "c", "č", "c", "ć", "c", "é", "e", "è", "e", "ê", "e", "ë", "e", "ě", "e", "ę", "e", "ğ", "g", "í", "i", "î", "i", "ï", "i", "ı", "i", "ł", "l",
	"ñ", "n", "ń", "n", "ó", "o", "ô", "o", "õ", "o", "ř", "r", "š", "s", "ś", "s", "ş", "s", "ú", "u", "û", "u", "ů", "u", "ý", "y", "ž", "z", "ż", "z",
	"'", "", "’", "", " ", ".")
