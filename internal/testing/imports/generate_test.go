package imports

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
)

// generate makes a pair of files: accounts with an owner and further contacts, whose roles, permissions and types are
// mixed by the seed. The companies' names begin with the word.
func generate(word string, seed uint64, accounts, contacts int) files {
	random := rand.New(rand.NewPCG(seed, 0))
	var a, c strings.Builder
	companies, people := csv.NewWriter(&a), csv.NewWriter(&c)
	write := func(w *csv.Writer, fields ...string) {
		if err := w.Write(fields); err != nil {
			panic(err) // a strings.Builder takes everything
		}
	}
	write(companies, "Company", "Website", "Phone", "Address")
	write(people, "Company", "First name", "Last name", "E-mail", "Phone", "Role", "Permissions", "Account types")
	roles := []string{"Account administrator", "Billing only", "SUPPORT_ONLY", "BILLING_AND_SUPPORT", ""}
	permissions := []string{"Contact management", "Cases", "Support", "Billing", "Renew contracts", "UPGRADE_CONTRACTS", "Licences"}
	primaries := []string{"Primary business contact", "Primary billing contact", "Primary renewal contact", "Primary technical contact"}
	for i := range accounts {
		company := fmt.Sprintf("%s Company No. %d", word, i)
		write(companies, company, fmt.Sprintf("www.company%d.example", i), "+44 20 7946 0101", fmt.Sprintf("%d High Street\nLondon", i))
		for j := range contacts {
			role, granted, types := "Account owner", "", ""
			if j > 0 {
				role = roles[random.IntN(len(roles))]
			}
			if role == "" {
				for _, k := range random.Perm(len(permissions))[:random.IntN(4)] {
					granted += permissions[k] + "; "
				}
			}
			if j < len(primaries) {
				types = primaries[j]
			} else if random.IntN(2) == 0 {
				types = "Account contact; Support contact"
			}
			write(people, company, fmt.Sprintf("Zoë%d", j), fmt.Sprintf("Wren-Ó Sé %d", i), fmt.Sprintf("%s.c%d.a%d@example.com", strings.ToLower(word), j, i),
				"+44 20 7946 0102", role, strings.TrimSuffix(granted, "; "), types)
		}
	}
	companies.Flush()
	people.Flush()
	return files{a.String(), c.String()}
}
