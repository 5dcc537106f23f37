package service

import (
	"context"
	"errors"
	"fmt"

	"steward/internal/authz"
	"steward/internal/change"
	"steward/internal/domain"
	"steward/internal/importer"
	"steward/internal/relation"
	"steward/internal/store"
)

// read finds out, for all accounts that exist, who is there and what the importing person may do: one query and one
// question for all of them.
func (r *importRun) read(ctx context.Context, tx *change.Tx) error {
	asked := []string{relation.ViewAccount, relation.AddContact, relation.AddContactFreely}
	for _, p := range domain.AllPermissions.List() {
		asked = append(asked, delegate[p])
	}
	var ids []domain.AccountID
	var qs []authz.Question
	var names []string
	for _, a := range r.accounts {
		names = append(names, a.Name)
		if !a.isNew {
			ids = append(ids, a.ID)
			for _, p := range asked {
				qs = append(qs, ask(accountRef(a.ID), p))
			}
		}
	}
	got, err := tx.Can(ctx, qs...)
	if err != nil {
		return err
	}
	now, err := tx.AccountsByName(ctx, names)
	if err != nil {
		return err
	}
	contacts, err := tx.ContactsOfAccounts(ctx, ids)
	if err != nil {
		return err
	}
	byID := map[domain.AccountID]*importAccount{}
	for key, a := range r.accounts {
		a.byEmail, a.can, a.holders = map[string]bool{}, map[string]bool{}, map[domain.AccountType]string{}
		byID[a.ID] = a
		if n, exists := now[key]; exists != !a.isNew || (exists && n.ID != a.ID) {
			r.problem(fileAccounts, max(a.line, 1), "", "The account "+a.Name+" was created or renamed by somebody else meanwhile.", "Import again.")
		}
		for _, c := range contacts[a.ID] {
			a.byEmail[store.EmailKey(c.Email)] = true
			a.hasOwner = a.hasOwner || c.Owner
			for _, t := range c.Types.List() {
				a.holders[t] = c.Name()
			}
		}
	}
	for i, q := range qs {
		a := byID[domain.AccountID(q.Ref.ID)]
		a.can[q.Permission] = got[i] && a.visible // else its lock is not held
	}
	return nil
}

// check looks at one contact's row: is it there already, may it be added, and does it fit what is there.
func (r *importRun) check(tx *change.Tx, row importer.Contact) {
	a := r.accounts[store.NameKey(row.Account)]
	if a == nil && r.misread {
		return // it may be the one whose own line has a fault
	}
	if a == nil || (!a.isNew && !a.can[relation.ViewAccount]) {
		r.problem(fileContacts, row.Line, "", "There is no account "+row.Account+", or you may not see it.", "Correct the company's name, or add the account to the accounts file.")
		return
	}
	// Before anything is said of the contacts that are there: whose address is among them is told to who may add some.
	if !a.isNew && !a.can[relation.AddContact] {
		r.problem(fileContacts, row.Line, "", "You may not add contacts to "+a.Name+".", "Have it done by the account's owner, an Admin or a contact manager.")
		return
	}
	if a.byEmail[store.EmailKey(row.Email)] {
		r.job.Summary.ContactsUnchanged++
		return
	}
	if !a.isNew && !r.mayAdd(a, row) {
		return
	}
	if row.Owner && a.hasOwner {
		r.problem(fileContacts, row.Line, "", "The account "+a.Name+" has another owner.", "Give this contact another role; ownership is handed on by transferOwnership.")
		return
	}
	for _, t := range row.Types.List() {
		if who := a.holders[t]; t.Primary() && who != "" {
			r.problem(fileContacts, row.Line, "", who+" is the "+t.String()+" of "+a.Name+".", "Leave the type out here, and move it by setAccountType.")
			return
		}
		a.holders[t] = row.FirstName + " " + row.LastName
	}
	c := domain.Contact{
		ID: domain.NewID[domain.ContactID](), AccountID: a.ID, FirstName: tidy(row.FirstName), LastName: tidy(row.LastName), Email: row.Email, Phone: row.Phone,
		Owner: row.Owner, Permissions: row.Permissions, Types: row.Types, State: domain.ContactActive, CreatedAt: tx.Now(), UpdatedAt: tx.Now(),
	}
	if err := checkContact("", c); err != nil {
		e, _ := errors.AsType[*domain.Error](err)
		r.problem(fileContacts, row.Line, e.Field, e.Message, "Correct the value.")
		return
	}
	a.byEmail[store.EmailKey(c.Email)] = true
	a.hasOwner = a.hasOwner || c.Owner
	a.created++
	r.job.Summary.ContactsCreated++
	r.contacts = append(r.contacts, c)
	if r.job.Invite || c.Owner {
		l, m := r.s.linkMail(tx, c, invitationLetter(c, a.Account))
		r.links, r.mails = append(r.links, l), append(r.mails, m)
	}
}

// mayAdd holds the same rule as AddContact for who has add_contact on an account that existed before the import.
func (r *importRun) mayAdd(a *importAccount, row importer.Contact) bool {
	switch {
	case a.can[relation.AddContactFreely]:
		for _, p := range row.Permissions.List() {
			if !a.can[delegate[p]] {
				r.problem(fileContacts, row.Line, "", "You may not give "+p.String()+" on "+a.Name+": it is not yours to give.", "Leave it out, or have the row imported by somebody who holds it.")
				return false
			}
		}
		return true
	case row.Role == "" || row.Role == domain.RoleAccountOwner:
		r.problem(fileContacts, row.Line, "", "Staff give a contact of an account that exists a standard role only.", "Fill the role column with one of the standard roles.")
		return false
	case row.Types != 0:
		r.problem(fileContacts, row.Line, "", "Staff do not set account types on an account that exists.", "Leave them out: the account's own people set them.")
		return false
	}
	return true
}

func (r *importRun) write(ctx context.Context, tx *change.Tx) error {
	var accounts []domain.Account
	for _, a := range r.order {
		if !a.isNew {
			continue
		}
		a.CreatedAt, a.UpdatedAt = tx.Now(), tx.Now()
		accounts = append(accounts, a.Account)
		tx.Gains(relation.OfAccount(a.ID)...)
	}
	if err := tx.InsertAccounts(ctx, accounts); err != nil {
		return err
	}
	if err := tx.InsertContacts(ctx, r.contacts); err != nil {
		return err
	}
	if err := tx.InsertLinks(ctx, r.links); err != nil {
		return err
	}
	if err := tx.InsertMails(ctx, r.mails); err != nil {
		return err
	}
	sets := map[string]bool{}
	for i, c := range r.contacts {
		tx.Gains(relation.OfContact(c)...)
		if id := relation.PermissionSetID(c.AccountID, c.Permissions); !c.Owner && !sets[id] {
			sets[id] = true
			tx.Gains(relation.OfPermissionSet(c.AccountID, c.Permissions)...)
		}
		tx.Audit(requestOf(*r.job).record(added(c)))
		if i%500 == 0 {
			r.tell(len(accounts) + i)
		}
	}
	for _, a := range r.order {
		if a.isNew {
			tx.Audit(requestOf(*r.job).record(domain.AuditEntry{
				AccountID: a.ID, Action: relation.CreateAccount, TargetKind: "account", TargetID: string(a.ID), TargetName: a.Name,
				After: map[string]string{"name": a.Name, "contacts": fmt.Sprint(a.created)},
			}))
		}
	}
	return nil
}
