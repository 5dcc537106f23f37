package matrix

import (
	"maps"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/app"
	"steward/internal/law"
	"steward/internal/testing/world"
)

func allOperations() []operation {
	return slices.Concat(contactOperations, permissionOperations, accountOperations, tokenOperations, invitationOperations)
}

// notInThisVersion are the operations of the law whose nouns the API does not have yet.
var notInThisVersion = []string{
	"decide_access_request", "open_case", "view_own_case", "view_any_case", "comment_case", "close_case",
	"view_invoices", "issue_invoice", "view_payment_method", "update_payment_method",
	"view_services", "view_login_details", "order_service", "cancel_service",
	"view_contracts", "renew_contract", "upgrade_contract", "decide_upgrade", "view_licenses", "update_license",
	"create_site", "appoint_promaster",
}

// signedInMutations need no permission of the law, and say themselves whom they are open to.
var signedInMutations = []string{"acceptInvitation", "confirmEmail", "createApiToken", "importAccounts"}

// holders is who stands for each holder of the law.
var holders = map[law.Holder]Kind{
	"OWNER": world.Owner, "ADMIN": world.Admin, "CONTACT_MANAGEMENT": world.ContactManagement, "CASE_MANAGEMENT": world.CaseManagement,
	"SUPPORT": world.Support, "BILLING": world.Billing, "RENEW_CONTRACTS": world.RenewContracts, "UPGRADE_CONTRACTS": world.UpgradeContracts,
	"LICENSE_MANAGEMENT": world.LicenseManagement, "CONTACT": world.Contact, "STAFF_SUPPORT": world.StaffSupport, "STAFF_ACCOUNTING": world.Accounting,
}

func readLaw(t *testing.T) law.Account {
	t.Helper()
	l, err := law.ReadAccount()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// opens says for whom the tables have an operation done at all: of anything but the own contact, and of that.
func opens(operation string) (others, own []Kind) {
	for _, op := range allOperations() {
		if op.law != operation {
			continue
		}
		for _, r := range op.rows {
			switch {
			case r.on == self || op.part == "of one's own":
				own = append(own, r.may...)
			case r.on != elsewhere && r.on != there:
				others = append(others, r.may...)
			}
		}
	}
	for _, v := range views {
		if v.law == operation {
			others, own = append(others, v.may...), append(own, v.self...)
		}
	}
	return others, own
}

// parts are the derived parts of an operation, which together are what the tables have of it.
func parts(l law.Account, operation string) []string {
	out := []string{operation}
	for name, d := range l.Derived {
		if d.Of == operation {
			out = append(out, name)
		}
	}
	return out
}

// What the tables open to somebody is what the law opens to them, and the other way round. Where the law draws a limit (not on the
// owner's contact, only what the granter holds) the rows of the table are the limit.
func TestLaw_tablesAgree(t *testing.T) {
	l := readLaw(t)
	names := slices.Concat(slices.Collect(maps.Keys(l.Operations)), slices.Collect(maps.Keys(l.Derived)))
	for _, operation := range names {
		if slices.Contains(notInThisVersion, operation) {
			continue
		}
		list := []string{operation}
		if operation == "edit_contact" { // there is no edit that is not one of its parts
			list = parts(l, operation)
		}
		var others, own []Kind
		for _, part := range list {
			o, s := opens(part)
			others, own = append(others, o...), append(own, s...)
		}
		if len(others)+len(own) == 0 {
			t.Errorf("%s is an operation of the law, and no table has it", operation)
		}
		// On the own contact everybody is SELF, and the operations that the law closes to SELF follow from what else they hold.
		if law := l.Open(operation, "SELF"); law != slices.Contains(own, world.Contact) {
			t.Errorf("%s: the law opens it to SELF: %t, the table: %t", operation, law, !law)
		}
		for holder, kind := range holders {
			opened := l.Open(operation, holder)
			if kind != world.Contact && l.Open(operation, "CONTACT") && !slices.Contains(staff, kind) {
				opened = true // every contact is a CONTACT
			}
			if got := slices.Contains(others, kind); got != opened {
				t.Errorf("%s: the law opens it to %s: %t, the table: %t", operation, holder, opened, got)
			}
		}
	}
}

// Every mutation of the API has its line in the law and its rows in the tables; every operation of the law is one or the other, or
// is named as one that is not there yet.
func TestLaw_nothingIsLeftOut(t *testing.T) {
	l := readLaw(t)
	schema := sdl(t)
	tried := map[string]bool{"importAccounts": true} // import_test.go
	for _, op := range allOperations() {
		tried[op.name] = true
		want := l.Mutations[op.name]
		derived := l.Derived[op.law].Of
		if op.law != "" && op.law != want && derived != want {
			t.Errorf("%s: the table says %s, the law %s", op.title(), op.law, want)
		}
		if op.law == "" && !slices.Contains(signedInMutations, op.name) {
			t.Errorf("%s has no line of the law", op.title())
		}
		if len(op.rows) == 0 {
			t.Errorf("%s has no rows", op.title())
		}
	}
	var mutations []string
	for _, f := range schema.Mutation.Fields {
		mutations = append(mutations, f.Name)
		_, signedIn := l.SignedIn[f.Name]
		if _, ok := l.Mutations[f.Name]; ok == signedIn {
			t.Errorf("%s has no line in the law, or two", f.Name)
		}
		if signedIn != slices.Contains(signedInMutations, f.Name) {
			t.Errorf("%s is open to who is signed in: %t", f.Name, signedIn)
		}
		if !tried[f.Name] {
			t.Errorf("%s is tried by nobody", f.Name)
		}
	}
	for name := range l.Mutations {
		if !slices.Contains(mutations, name) {
			t.Errorf("the law has the mutation %s, and the API has not", name)
		}
	}
	for _, name := range notInThisVersion {
		if _, ok := l.Operations[name]; !ok {
			t.Errorf("%s is no operation of the law", name)
		}
	}
}

// Every field that needs a permission, and every type that does, is read by every kind of caller in some test here.
func TestLaw_everyGuardedFieldIsRead(t *testing.T) {
	guarded := map[string]string{}
	for _, v := range views {
		for _, f := range v.fields {
			guarded[f] = v.law
		}
	}
	seen := map[string]bool{}
	schema := sdl(t)
	for _, typ := range schema.Types {
		if typ.Kind != ast.Object || typ == schema.Mutation {
			continue
		}
		check := func(name string, directives ast.DirectiveList) {
			can := directives.ForName("can")
			if can == nil {
				return
			}
			seen[name] = true
			if want := can.Arguments.ForName("permission").Value.Raw; guarded[name] != want {
				t.Errorf("%s needs %s, and the table of views says %q", name, want, guarded[name])
			}
		}
		check(typ.Name, typ.Directives)
		for _, f := range typ.Fields {
			check(typ.Name+"."+f.Name, f.Directives)
		}
	}
	for name := range guarded {
		if !seen[name] {
			t.Errorf("the table of views has %s, and the API has no such guard", name)
		}
	}
}

func sdl(t *testing.T) *ast.Schema {
	t.Helper()
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "sdl", Input: app.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
