package main

import (
	"os"
	"strings"
	"testing"

	"steward"
)

const page = "../../../docs/model.md"

func TestModelPage_isCurrent(t *testing.T) {
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want, err := redraw(string(have), steward.SchemaZed)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/model.md does not show schema.zed as it is: run `go generate ./internal/docs`")
	}
}

func TestRedraw_noticesEveryPermission(t *testing.T) {
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	defs, err := parse(steward.SchemaZed)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range defs {
		for _, p := range d.permissions {
			changed := strings.Replace(steward.SchemaZed, "permission "+p.name+" = ", "permission "+p.name+" = somebody + ", 1)
			if strings.Contains(steward.SchemaZed, "permission "+p.name+" = (") {
				continue // one operator between the same parentheses
			}
			fresh, err := redraw(string(have), changed)
			if err == nil && fresh == string(have) {
				t.Errorf("the pictures do not show what %s#%s is made of", d.name, p.name)
			}
		}
	}
}

func TestDraw(t *testing.T) {
	defs, err := parse("/** door is one. */\ndefinition door {\n\trelation key: user | contact#person // who\n\trelation lock: house\n\n" +
		"\tpermission open = (key & lock->enter) - guest\n\tpermission see = open + (key - guest) + (key & (open + lock->see))\n\tpermission guest = key\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	got := draw(defs)
	for _, line := range []string{
		"n_door -->|\"key\"| n_user", "n_door -->|\"key<br>(its person)\"| n_contact", "### door\n\ndoor is one.",
		"r_key[key]:::relation", `n_lock_enter["enter of its lock"]:::elsewhere`,
		"op1{{all of}}", "op1 --> n_open", "r_key --> op1", "n_lock_enter --> op1", "n_guest -. but not .-> n_open",
		"op2{{what is left}}", "op2 --> n_see", "n_guest -. but not .-> op2", "op4{{any of}}", "op4 --> op3", "n_lock_see --> op4",
		"| `open` | (`key` and `enter` of its lock), but not `guest` |",
		"| `see` | `open` or (`key`, but not `guest`) or (`key` and (`open` or `see` of its lock)) |",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	for _, text := range []string{
		"caveat x(a int) { a > 1 }",
		"definition a {\n\trelation b user\n}",
		"definition a {\n\tpermission b = c + d & e\n}",
		"definition a {\n\tpermission b = c - d - e\n}",
		"definition a {\n\tpermission b = (c + d\n}",
		"definition a {\n\tpermission b = c + \n}",
		"definition a {\n\tpermission b = c)\n}",
		"definition a {\n\tpermission b = c.any(d)\n}",
		"definition a {\n\tpermission b =\n\t\tc + d\n}",
	} {
		if defs, err := parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, defs)
		}
	}
}
