package imports

import (
	"reflect"
	"testing"

	"steward/internal/testing/world"
)

// faults are files with a fault on five lines, and what is said of each.
var faults = files{
	accounts: lines(
		"Company,Website,Owner",
		"Juniper Lane Books,not a website,ada@juniper.example", // the address
		"No Owner Ltd,,nobody@juniper.example",                 // nobody has it
		"Fine Ltd,,fine@fine.example",
	),
	contacts: lines(
		"Company;First name;Last name;Mail address;Role;Permissions",
		"Juniper Lane Books;Ada;Wren;ada@juniper.example;Account owner;",
		"Juniper Lane Books;Tom;Field;tom(at)juniper.example;Billing only;",
		"Juniper Lane Books;Zoë;Marsh;zoe@juniper.example;;Suport",
		"",
		"Juniper Lane Books;Ada;Wren;ADA@juniper.example;;Billing",
		"Fine Ltd;Fay;Fine;fine@fine.example;;",
	),
}

// One faulty line is enough: nothing is imported, and each faulty line is listed, in a dry run and in earnest.
func TestFaults(t *testing.T) { onSets(t, tryFaults) }

func tryFaults(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	type place struct {
		file, column string
		line         int
	}
	want := []place{
		{"accounts", "Website", 2}, {"accounts", "Owner", 3},
		{"contacts", "Mail address", 3}, {"contacts", "Permissions", 4}, {"contacts", "Mail address", 6},
	}
	for _, dryRun := range []bool{true, false} {
		got := imported(t, w, who, faults, world.Vars{"dryRun": dryRun})
		var places []place
		for _, p := range got.Problems {
			places = append(places, place{p.File, p.Column, p.Line})
			if p.Message == "" || p.Mend == "" {
				t.Errorf("a problem without message or mend: %+v", p)
			}
		}
		if got.State != "FAILED" || got.Summary != (summary{}) || !reflect.DeepEqual(places, want) {
			t.Errorf("dry run %t: the job ended as %+v, want problems at %v", dryRun, got, want)
		}
	}
	one := demoFiles()
	one.contacts += "Alder & Finch Bakery,One,Fault,not-an-address,,,,\n"
	if got := imported(t, w, who, one); got.State != "FAILED" || len(got.Problems) != 1 || got.Problems[0].Line != 402 {
		t.Errorf("400 good lines and a faulty one ended as %+v", got)
	}
	if n := countOf(t, w); n.accounts != 0 || n.contacts != 0 || n.mails != 0 || n.jobFiles != 0 {
		t.Errorf("faulty files have left %+v", n)
	}
}

// What is wrong only beside the rows that are there is found as well, on every line at once.
func TestFaults_besideWhatIsThere(t *testing.T) { onSets(t, tryFaultsBesideWhatIsThere) }

func tryFaultsBesideWhatIsThere(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	imported(t, w, who, demoFiles())
	before := countOf(t, w)
	got := imported(t, w, who, files{contacts: lines("Company,First name,Last name,E-mail,Role,Permissions,Account types",
		company+",Fine,Row,fine@new.example,Billing only,,",
		company+",Second,Owner,second@new.example,Account owner,,",
		company+",No,Address,nowhere,Billing only,,",
		company+",Second,Primary,primary@new.example,Billing only,,Primary business contact",
		company+",Single,Permission,single@new.example,,Billing,",
		"Nobody Knows Ltd,No,Company,none@new.example,Billing only,,",
	)})
	var at []int
	for _, p := range got.Problems {
		at = append(at, p.Line)
	}
	if want := []int{3, 4, 5, 6, 7}; got.State != "FAILED" || !reflect.DeepEqual(at, want) {
		t.Errorf("the job ended as %+v, want problems on the lines %v", got, want)
	}
	before.jobs, before.audits = before.jobs+1, before.audits+2 // staff have seen one account
	if n := countOf(t, w); n != before {
		t.Errorf("there is %+v, want %+v", n, before)
	}
}
