package law

import "testing"

func TestReadAccount(t *testing.T) {
	a, err := ReadAccount()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		operation string
		holder    Holder
		open      bool
	}{
		{"order_service", "OWNER", true},
		{"order_service", "ADMIN", false},
		{"view_invoices", "SUPPORT", false},
		{"edit_message_choices", "ADMIN", false},
	} {
		if got := a.Open(c.operation, c.holder); got != c.open {
			t.Errorf("%s open to %s: %v, want %v", c.operation, c.holder, got, c.open)
		}
	}
	for mutation, operation := range a.Mutations {
		if a.Operations[operation] == nil && a.Derived[operation].Holders == nil {
			t.Errorf("mutation %s: the law has no operation %q", mutation, operation)
		}
	}
	for name, d := range a.Derived {
		if a.Operations[d.Of] == nil {
			t.Errorf("derived %s: the law has no operation %q", name, d.Of)
		}
	}
}
