package domain

import (
	"strings"
	"testing"
)

func TestCheckText(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"plain":                {"Ada Lovelace", true},
		"other scripts":        {"نگهداری \u200c\u200d Ŝ 東京", true}, // joiners are letters there
		"lines":                {"Main Street 1\nTown", true},
		"empty":                {" ", false},
		"too long":             {strings.Repeat("x", 21), false},
		"not UTF-8":            {"a\xff", false},
		"NUL":                  {"a\x00", false},
		"zero width":           {"\u200b\u200b", false},
		"turned around":        {"Alder\u202e & Finch", false},
		"isolated":             {"a\u2066b", false},
		"a line of its own":    {"a\u2028b", false},
		"a byte order mark in": {"a\ufeffb", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckText("field", c.text, 1, 20)
			if (err == nil) != c.ok {
				t.Errorf("%q: %v", c.text, err)
			}
			if err != nil && (CodeOf(err) != CodeBadUserInput || err.(*Error).Field != "field") {
				t.Errorf("%q: %v does not name the field", c.text, err)
			}
		})
	}
}

func TestParseGlobalID(t *testing.T) {
	id := NewID[AccountID]()
	if typ, got, ok := ParseGlobalID(GlobalID("Account", id)); !ok || typ != "Account" || got != string(id) {
		t.Errorf("%s does not come back: %s %s %v", id, typ, got, ok)
	}
	for _, s := range []string{"", "Account", GlobalID("Account", "global"), GlobalID("Account", AccountID(strings.Repeat("A", 26))), strings.Repeat("x", 200)} {
		if _, _, ok := ParseGlobalID(s); ok {
			t.Errorf("%q is taken for an id", s)
		}
	}
}
