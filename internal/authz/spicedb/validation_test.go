package spicedb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/authzed/spicedb/pkg/development"
	developer "github.com/authzed/spicedb/pkg/proto/developer/v1"

	"steward"
	"steward/internal/relation"
)

// load reads a validation file against a schema; refused says why SpiceDB does not take the two together.
func load(t *testing.T, file, schema string) (y *development.YAMLDevContext, refused []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	y, faults, err := development.NewDevContextForYAML(t.Context(), text,
		development.WithSourceFS(fstest.MapFS{"schema.zed": {Data: []byte(schema)}}))
	if err != nil {
		t.Fatal(err)
	}
	if faults != nil {
		return nil, lines(faults.InputErrors)
	}
	t.Cleanup(y.DevContext.Dispose)
	return y, nil
}

// unlisted returns where the validation block differs from who really has a permission.
func unlisted(t *testing.T, y *development.YAMLDevContext) []string {
	t.Helper()
	_, faults, err := development.RunValidation(y.DevContext, &y.ExpectedRelations)
	if err != nil {
		t.Fatal(err)
	}
	return lines(faults)
}

func lines(faults []*developer.DeveloperError) []string {
	var out []string
	for _, e := range faults {
		out = append(out, fmt.Sprintf("line %d: %s", e.Line, e.Message))
	}
	return out
}

func validationFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("validation/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no validation files: %v", err)
	}
	return files
}

// Each definition has a file of its own that lists, for every permission of it, all who have it, and asserts who has not.
func TestValidation(t *testing.T) {
	for _, d := range relation.Definitions() {
		if len(d.Permissions) == 0 {
			continue
		}
		t.Run(d.Type, func(t *testing.T) {
			y, faults := load(t, "validation/"+d.Type+".yaml", steward.SchemaZed)
			if faults != nil {
				t.Fatal(strings.Join(faults, "\n"))
			}
			asserted, err := development.RunAllAssertions(y.DevContext, &y.Assertions)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range slices.Concat(lines(asserted), unlisted(t, y)) {
				t.Error(f)
			}
			if len(y.Assertions.AssertTrue) == 0 || len(y.Assertions.AssertFalse) == 0 {
				t.Error("it must assert what is true and what is false")
			}
			covered := map[string]bool{}
			for on := range y.ExpectedRelations.ValidationMap {
				if on.ObjectAndRelation.ObjectType == d.Type {
					covered[on.ObjectAndRelation.Relation] = true
				}
			}
			for _, p := range d.Permissions {
				if !covered[p] {
					t.Errorf("the validation block does not list %s", p)
				}
			}
		})
	}
	for _, f := range validationFiles(t) {
		name := strings.TrimSuffix(filepath.Base(f), ".yaml")
		if !slices.ContainsFunc(relation.Definitions(), func(d relation.Definition) bool { return d.Type == name }) {
			t.Errorf("%s: schema.zed does not define %s", f, name)
		}
	}
}

// Every way to loosen or tighten schema.zed below must be noticed, or the files hold less than they seem to.
func TestValidation_notices_a_wrong_schema(t *testing.T) {
	for _, c := range []struct{ is, becomes string }{
		{"permission administer = owner + admin\n", "permission administer = owner\n"},
		{"permission manage_contacts = administer + contact_management", "permission manage_contacts = administer + contact_management + support"},
		{"permission delegate_admin = administer", "permission delegate_admin = administer + contact_management"},
		{"administer + (contact_management & billing)", "administer + contact_management"},
		{"administer + (contact_management & renew_contracts)", "administer + renew_contracts"},
		{"permission view_account = contact + platform->staff", "permission view_account = contact"},
		{"permission add_contact_freely = manage_contacts", "permission add_contact_freely = add_contact"},
		{"permission transfer_ownership = owner", "permission transfer_ownership = administer"},
		{"permission reassign_ownership = platform->accounting", "permission reassign_ownership = platform->staff"},
		{"permission create_account = accounting", "permission create_account = accounting + support"},
		{"permission view_audit_log = administer", "permission view_audit_log = administer + platform->staff"},
		{"permission outrank = without_admin->contact_management & ", "permission outrank = "},
		{"& covers_billing &", "&"},
		{"account->billing + without_billing->contact_management", "account->billing + without_billing->billing"},
		{"permission manage_fully = administer + outrank", "permission manage_fully = manage"},
		{"permission remove_contact = permission_set->manage_fully - person", "permission remove_contact = permission_set->manage_fully"},
		{"permission remove_contact = permission_set->manage_fully - person", "permission remove_contact = account->manage_contacts - person"},
		{"permission leave_account = person & permission_set->belong", "permission leave_account = person"},
		{"permission edit_contact_email = person + permission_set->manage_fully", "permission edit_contact_email = edit_contact"},
		{"permission edit_message_choices = person", "permission edit_message_choices = edit_contact"},
		{"permission grant_permission = permission_set->manage - person", "permission grant_permission = permission_set->manage"},
		{"(permission_set->manage & account->delegate_billing) - person", "permission_set->manage & account->delegate_billing"},
		{"(permission_set->manage & account->delegate_support) - person", "account->delegate_support - person"},
		{"(permission_set->manage & account->delegate_support) - person", "permission_set->manage - person"},
		{"permission manage_admin_permission = permission_set->administer - person", "permission manage_admin_permission = permission_set->administer"},
		{"permission set_account_type = permission_set->manage + (person & account->owner)", "permission set_account_type = permission_set->manage + person"},
		{"permission revoke_api_token = holder + contact->manage_service_accounts", "permission revoke_api_token = holder + contact->edit_contact"},
		{"permission view_job = creator", "permission view_job = creator\n\tpermission of_nobody = view_job - creator"},
	} {
		changed := strings.Replace(steward.SchemaZed, c.is, c.becomes, 1)
		if changed == steward.SchemaZed {
			t.Errorf("schema.zed no longer says %q", c.is)
			continue
		}
		noticed := false
		for _, f := range validationFiles(t) {
			y, refused := load(t, f, changed)
			if refused != nil {
				t.Fatalf("%q does not compile: %v", c.becomes, refused)
			}
			if len(unlisted(t, y)) > 0 {
				noticed = true
				break
			}
		}
		if harmless := strings.Contains(c.becomes, "of_nobody"); noticed == harmless {
			t.Errorf("%q instead of %q: noticed %v", c.becomes, c.is, noticed)
		}
	}
}
