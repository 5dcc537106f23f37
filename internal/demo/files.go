// Package demo holds the demo's data: a pair of import files, which gendata writes, and who can sign in.
package demo

import _ "embed"

var (
	//go:embed accounts.csv
	accounts []byte
	//go:embed contacts.csv
	contacts []byte
)

// Files returns accounts.csv and contacts.csv: 40 accounts with 400 contacts.
func Files() (accountsCSV, contactsCSV []byte) { return accounts, contacts }
