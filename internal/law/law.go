// Package law carries the project's own copy of who may do what, for its tests. Nothing at run time reads it: what is
// enforced is schema.zed, and the tests hold the two together.
package law

import (
	_ "embed"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

//go:embed account-rights.yaml
var accountRights []byte

// Account is the law of accounts and their contacts.
type Account struct {
	Permissions   map[string]string    `yaml:"permissions"`
	Owner         string               `yaml:"owner"`
	StandardRoles map[string]yaml.Node `yaml:"standard_roles"`
	AccountTypes  map[string]Type      `yaml:"account_types"`
	Messages      map[string]yaml.Node `yaml:"messages"`
	Operations    map[string][]Holder  `yaml:"operations"`
	Derived       map[string]Derived   `yaml:"derived"`
	Mutations     map[string]string    `yaml:"mutations"`
	SignedIn      map[string]string    `yaml:"signed_in"`
	Invariants    []string             `yaml:"invariants"`
	Decisions     []string             `yaml:"decisions"`
}

// Holder is a kind of caller that an operation is open to: a permission's name, OWNER, CONTACT, SELF, STAFF_SUPPORT or STAFF_ACCOUNTING.
type Holder string

// Type is what the law says of an account type.
type Type struct {
	AtMostOne bool   `yaml:"at_most_one"`
	Is        string `yaml:"is"`
}

// Derived is what a part of an operation needs.
type Derived struct {
	Of      string   `yaml:"of"`
	Holders []Holder `yaml:"holders"`
	Limit   string   `yaml:"limit"`
}

// ReadAccount returns the law of accounts.
func ReadAccount() (Account, error) {
	var a Account
	if err := yaml.Unmarshal(accountRights, &a); err != nil {
		return a, fmt.Errorf("account-rights.yaml: %w", err)
	}
	return a, nil
}

// Open reports whether the law opens an operation, or a derived part of one, to a holder.
func (a Account) Open(operation string, h Holder) bool {
	if d, ok := a.Derived[operation]; ok {
		return slices.Contains(d.Holders, h)
	}
	return slices.Contains(a.Operations[operation], h)
}
