package spicedb_test

import (
	"fmt"
	"testing"

	"steward/internal/authz"
	"steward/internal/relation"
)

// contactPage are the permissions that a page of contacts asks for.
var contactPage = []string{
	relation.ViewContacts, relation.ViewContactDetails, relation.EditContact, relation.EditContactName, relation.EditContactPhone,
	relation.EditContactEmail, relation.EditMessageChoices, relation.ResendInvitation, relation.RemoveContact, relation.LeaveAccount,
	relation.GrantPermission, relation.GrantBilling, relation.GrantSupport, relation.GrantCaseManagement, relation.GrantContactManagement,
	relation.ManageAdminPermission, relation.SetAccountType, relation.ManageServiceAccounts,
}

// BenchmarkClient_Check_page asks 18 permissions on 100 contacts, as a contact manager: cold is the first time after a
// write, warm is again at the same revision, which SpiceDB's own cache answers.
func BenchmarkClient_Check_page(b *testing.B) {
	for _, accounts := range []int{1, 40} {
		c := start(b)
		rows := fill(b, c, accounts, 100)
		var qs []authz.Question
		for _, row := range rows[2:102] {
			for _, p := range contactPage {
				qs = append(qs, ask(relation.TypeContact, string(row.ID), p))
			}
		}
		n := must(c.Count(b.Context()))
		check := func(b *testing.B) {
			b.Helper()
			if _, err := c.Check(b.Context(), user("a0-m"), qs); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("cold/relationships=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				write(b, c, relation.Update{Relationship: "platform:steward#support@user:someone"})
				b.StartTimer()
				check(b)
			}
		})
		b.Run(fmt.Sprintf("warm/relationships=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check(b)
			}
		})
	}
}
