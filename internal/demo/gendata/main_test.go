package main

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"steward/internal/domain"
	"steward/internal/importer"
)

func plan(t *testing.T) importer.Plan {
	t.Helper()
	accounts, contacts := generate(defaultSeed)
	p, problems, err := importer.Parse(bytes.NewReader(encode(accounts)), bytes.NewReader(encode(contacts)), importer.Limits{})
	if err != nil || len(problems) > 0 || len(p.IgnoredColumns) > 0 {
		t.Fatalf("parse: %v %+v %v", err, problems, p.IgnoredColumns)
	}
	return p
}

func TestGenerate_CommittedFilesAreCurrent(t *testing.T) {
	accounts, contacts := generate(defaultSeed)
	for name, rows := range map[string][][]string{"accounts.csv": accounts, "contacts.csv": contacts} {
		committed, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, encode(rows)) {
			t.Errorf("%s is out of date: go run ./internal/demo/gendata -out internal/demo", name)
		}
	}
}

func TestGenerate_Counts(t *testing.T) {
	p := plan(t)
	if len(p.Accounts) != 40 || len(p.Contacts) != 400 {
		t.Fatalf("%d accounts, %d contacts", len(p.Accounts), len(p.Contacts))
	}
	perAccount, addresses := map[string]int{}, map[string]int{}
	for _, c := range p.Contacts {
		perAccount[c.Account]++
		addresses[c.Email]++
	}
	for _, a := range p.Accounts {
		if a.OwnerEmail == "" || perAccount[a.Name] < 3 || perAccount[a.Name] > 30 {
			t.Errorf("%s: owner %q, %d contacts", a.Name, a.OwnerEmail, perAccount[a.Name])
		}
	}
	if addresses["petra@two-hats-advisers.example"] != 2 || len(addresses) != 399 {
		t.Errorf("%d addresses, Petra has %d places", len(addresses), addresses["petra@two-hats-advisers.example"])
	}
}

// Every standing that a contact can have is there.
func TestGenerate_EveryStanding(t *testing.T) {
	roles, alone, types := map[domain.StandardRole]bool{}, map[domain.PermissionSet]bool{}, map[domain.AccountType]bool{}
	severals, nones := 0, 0
	for _, c := range plan(t).Contacts {
		roles[c.Role] = true
		if c.Role == "" {
			alone[c.Permissions] = true
		}
		for _, at := range c.Types.List() {
			types[at] = true
		}
		switch n := len(c.Permissions.List()); {
		case n > 1 && c.Role == "":
			severals++
		case n == 0 && !c.Owner:
			nones++
		}
	}
	for _, r := range domain.StandardRoles {
		if !roles[r] {
			t.Errorf("nobody has the role %s", r)
		}
	}
	for _, p := range domain.AllPermissions.List() {
		if !alone[domain.PermissionsOf(p)] {
			t.Errorf("nobody has the permission %s alone", p)
		}
	}
	if len(types) != 6 || severals < 20 || nones < 20 {
		t.Errorf("%d account types, %d with several permissions, %d with none", len(types), severals, nones)
	}
}

func TestGenerate_WrittenPeople(t *testing.T) {
	p := plan(t)
	if p.Accounts[0].Name != "Alder & Finch Bakery" || p.Accounts[0].OwnerEmail != "olivia.owner@alderfinch.example" ||
		p.Accounts[1].Name != "Harbour Light Shipping" || p.Accounts[1].OwnerEmail != "owen.owner@harbourlight.example" {
		t.Fatalf("got %+v", p.Accounts[:2])
	}
	got := map[string]domain.PermissionSet{}
	for _, c := range p.Contacts {
		if c.Account == "Alder & Finch Bakery" {
			got[strings.TrimSuffix(c.Email, "@alderfinch.example")] = c.Permissions
		}
	}
	for who, want := range map[string]domain.PermissionSet{
		"olivia.owner": 0, "connor.contact": 0,
		"adam.admin":     domain.PermissionsOf(domain.Admin),
		"carla.contacts": domain.PermissionsOf(domain.ContactManagement),
		"bill.billing":   domain.PermissionsOf(domain.Billing),
		"sam.support":    domain.PermissionsOf(domain.Support, domain.CaseManagement),
		"sue.support":    domain.PermissionsOf(domain.Support),
		"casey.cases":    domain.PermissionsOf(domain.CaseManagement),
		"rita.renewals":  domain.PermissionsOf(domain.RenewContracts),
		"uma.upgrades":   domain.PermissionsOf(domain.UpgradeContracts),
		"liam.licenses":  domain.PermissionsOf(domain.LicenseManagement),
		"bea.both":       domain.PermissionsOf(domain.Billing, domain.Support, domain.CaseManagement),
		"nora.nologin":   domain.PermissionsOf(domain.Billing, domain.Support), "dave.deactivated": domain.PermissionsOf(domain.Billing, domain.CaseManagement),
	} {
		if have, ok := got[who]; !ok || have != want {
			t.Errorf("%s: %s, want %s", who, have, want)
		}
	}
}

// Nothing in the demo can reach anybody.
func TestGenerate_ReachesNobody(t *testing.T) {
	p := plan(t)
	address := regexp.MustCompile(`^[a-z.-]+@[a-z-]+\.example$`)
	number := regexp.MustCompile(`^(\+44 (20 7946 0|(161|117|113|131) 496 0|7700 900)\d{3}|\+1 \d{3} 555 01\d\d|\+49 (30 23125|69 90009|40 66969|221 4710|89 99998) \d{3}` +
		`|\+33 (1 99 00|2 61 91|3 53 01|4 65 71|5 36 49|6 39 98) \d\d \d\d|\+46 (8 465 004|31 390 06|40 628 04) \d\d|\+61 ([2378] 5550 \d{4}|491 570 15[67]))$`)
	phones := []string{}
	for _, c := range p.Contacts {
		if !address.MatchString(c.Email) {
			t.Errorf("address %q", c.Email)
		}
		phones = append(phones, c.Phone)
	}
	for _, a := range p.Accounts {
		u, err := url.Parse(a.Website)
		if err != nil || !strings.HasSuffix(u.Hostname(), ".example") {
			t.Errorf("website %q", a.Website)
		}
		phones = append(phones, a.Phone)
	}
	for _, n := range phones {
		if n != "" && !number.MatchString(n) {
			t.Errorf("phone %q", n)
		}
	}
}
