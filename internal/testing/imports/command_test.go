package imports

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The demo's pair by the program: first to look, then in earnest, then again.
func TestCommand(t *testing.T) {
	t.Parallel()
	data := install(t)
	args := write(t, demoFiles())
	begin := count(t, data)
	for _, c := range []struct {
		flags    []string
		out      string
		contacts int
		mails    int
	}{
		{[]string{"--dry-run", "--invite"}, "40 accounts and 400 contacts to import; 0 accounts and 0 contacts were there already\n", 0, 0},
		{[]string{"--reference", "T-1", "--reason", "The move."}, "40 accounts and 400 contacts imported; 0 accounts and 0 contacts were there already\n", 400, 40},
		{[]string{"--invite"}, "0 accounts and 0 contacts imported; 40 accounts and 400 contacts were there already\n", 400, 40},
	} {
		r := steward(t, data, append(args, c.flags...)...)
		if r.code != 0 || r.out != c.out || r.err != "importing with the rights of ana@example.org (subject 17 of https://login.example.org)\n" {
			t.Errorf("%v: %+v", c.flags, r)
		}
		if got := count(t, data); got.contacts != c.contacts || got.mails != c.mails || got.jobFiles != 0 {
			t.Errorf("%v: there is %+v, and was %+v", c.flags, got, begin)
		}
	}
	if out := must(t, data, "reconcile"); !strings.Contains(out, "exactly") {
		t.Error(out)
	}
}

// Each faulty line is named as editors name it, nothing is imported, and the exit code says so.
func TestCommand_faults(t *testing.T) {
	t.Parallel()
	data := install(t)
	for _, flags := range [][]string{nil, {"--dry-run"}} {
		args := write(t, faults)
		r := steward(t, data, append(args, flags...)...)
		out := strings.Split(strings.TrimSpace(r.out), "\n")
		if r.code != 1 || len(out) != 5 || !strings.Contains(r.err, "steward: 5 faults, nothing was imported\n") {
			t.Fatalf("%+v", r)
		}
		for i, place := range []string{args[2] + ":2 ", args[2] + ":3 ", args[3] + ":3 ", args[3] + ":4 ", args[3] + ":6 "} {
			if !strings.HasPrefix(out[i], place) || !strings.Contains(out[i], " — ") {
				t.Errorf("line %d is %q, want it to begin with %q", i, out[i], place)
			}
		}
	}
	if got := count(t, data); got.accounts != 0 || got.contacts != 0 {
		t.Errorf("there is %+v", got)
	}
}

// What cannot be done is refused in one sentence on standard error.
func TestCommand_refusals(t *testing.T) {
	t.Parallel()
	data, empty, dir := install(t), t.TempDir(), t.TempDir()
	pair := write(t, demoFiles())
	huge := filepath.Join(dir, "huge.csv")
	if err := os.WriteFile(huge, []byte(strings.Repeat("x\n", 9<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	staff := filepath.Join(dir, "staff.csv")
	if err := os.WriteFile(staff, []byte("Company,First name,Last name,E-mail\nNobody Knows Ltd,A,B,a@b.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data string
		args []string
		code int
		says string // on either output
	}{
		"nobody may":               {empty, pair, 1, "staff grant --role accounting"},
		"an unknown person":        {data, append(pair[:4:4], "--as", "who@example.org"), 1, "who@example.org"},
		"a reference alone":        {data, append(pair[:4:4], "--reference", "T-1"), 2, "go together"},
		"no such file":             {data, []string{"import", "accounts", "-", filepath.Join(dir, "none.csv")}, 1, "none.csv cannot be read"},
		"a folder":                 {data, []string{"import", "accounts", "-", dir}, 1, "cannot be read"},
		"one file":                 {data, []string{"import", "accounts", huge}, 2, "contacts.csv"},
		"18 MB":                    {data, []string{"import", "accounts", "-", huge}, 1, "16 MB"},
		"accounts that are no CSV": {data, []string{"import", "accounts", huge, staff}, 1, "16 MB"},
		"a file without an end":    {data, []string{"import", "accounts", "-", "/dev/zero"}, 1, "16 MB"},
		"an unknown account":       {data, []string{"import", "accounts", "-", staff}, 1, staff + ":2"},
	} {
		r := steward(t, c.data, c.args...)
		if r.code != c.code || !strings.Contains(r.out+r.err, c.says) || strings.Count(r.err, "steward: ") != 1 || strings.Contains(r.err, "goroutine") {
			t.Errorf("%s: %d %.500s %.500s, want %d and %q", name, r.code, r.out, r.err, c.code, c.says)
		}
	}
	if got := count(t, data); got.accounts != 0 || got.contacts != 0 {
		t.Errorf("there is %+v", got)
	}
}

// Who holds the accounting role and may create accounts need not be the only one: then it is said whose rights they are.
func TestCommand_as(t *testing.T) {
	t.Parallel()
	data := install(t)
	must(t, data, "staff", "grant", "--issuer", "https://login.example.org", "--subject", "18", "--role", "accounting", "--email", "bob@example.org")
	must(t, data, "staff", "grant", "--issuer", "https://login.example.org", "--subject", "19", "--role", "support", "--email", "sue@example.org")
	args := write(t, demoFiles())
	if r := steward(t, data, args...); r.code != 1 || !strings.Contains(r.err, "--as") {
		t.Errorf("with two accountants: %+v", r)
	}
	if r := steward(t, data, append(args, "--as", "sue@example.org")...); r.code != 1 || !strings.Contains(r.err, "create_account") {
		t.Errorf("by support: %+v", r)
	}
	if r := steward(t, data, append(args, "--as", "bob@example.org")...); r.code != 0 {
		t.Errorf("by bob: %+v", r)
	}
	if got := count(t, data); got.contacts != 400 {
		t.Errorf("there is %+v", got)
	}
}

// While a server runs the files go through it.
func TestCommand_serverRuns(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	serve(t, data)
	if r := steward(t, data, write(t, demoFiles())...); r.code != 1 || !strings.Contains(r.err, "mutation importAccounts") {
		t.Errorf("%+v", r)
	}
}
