package imports

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"steward/internal/testing/world"
)

// hostile is a contacts file that nobody can import, and a word of why.
type hostile struct{ name, contacts, because string }

// quickly bounds a refusal, also with the race detector on a busy machine.
const quickly = 30 * time.Second

const people = "Company,First name,Last name,E-mail\n"

func utf16LE(s string) string {
	b := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// noise is bytes of all values.
func noise(seed uint64, n int) string {
	random := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

func hostileFiles(t *testing.T) []hostile {
	seed := rand.Uint64()
	t.Logf("seed of the noise: %d", seed)
	long := 12 << 20
	if raceDetector {
		long = 2 << 20 // what takes half a second takes the whole of an operation's time there
	}
	good := company + ",Ada,Wren,ada@new.example\n"
	kept := func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "..", "importer", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return []hostile{
		{"nothing", "", "empty"},
		{"a byte order mark alone", "\uFEFF", "empty"},
		{"blank lines", strings.Repeat("\n", 1000), "empty"},
		{"HTML", "<!doctype html>\n<html><body><h1>Please sign in</h1>\n<table><tr><td>Company</td></tr></table></body></html>\n", "Company"},
		{"JSON", `[{"Company": "x", "First name": "y"}]`, "quote"},
		{"a workbook", "PK\x03\x04\x14\x00\x06\x00\x08\x00" + noise(seed, 4000), "CSV"},
		{"noise", noise(seed, 100_000), "UTF-8"},
		{"NULs", people + company + ",Ada\x00,Wren,ada@new.example\n", "NUL"},
		{"a million NULs", strings.Repeat("\x00", 1_000_000), "long"},
		{"UTF-16 of a spreadsheet", kept("utf16le_contacts.csv"), "UTF-8"},
		{"UTF-16 without a mark", kept("utf16be_nobom_contacts.csv"), "UTF-8"},
		{"much UTF-16", utf16LE(people + strings.Repeat(good, 10_000)), "UTF-8"},
		{"Latin-1", kept("latin1_contacts.csv"), "UTF-8"},
		{"a quote that is never closed", people + good + company + `,"Ada,Wren,ada@new.example` + "\n" + strings.Repeat(good, 20_000), "quot"},
		{"a quote at the start that is never closed", `"` + people + strings.Repeat(good, 1000), "quot"},
		{"quotes only", strings.Repeat(`"`, 1_000_001), "quot"},
		{"one line of 12 MB", people + strings.Repeat("a", long), "long"},
		{"a header of 12 MB", strings.Repeat("Company,", long/8), ""},
		{"a field of 9 kB", people + company + "," + strings.Repeat("é", 4600) + ",Wren,ada@new.example\n", "long"},
		{"a row of 100,000 fields", people + company + strings.Repeat(",x", 100_000) + "\n", "field"},
		{"200,000 lines", people + strings.Repeat(good, 200_000), "50000"},
		{"a million short lines", people + strings.Repeat("x\n", 1_000_000), ""},
		{"the same column twice", "Company,First name,Last name,E-mail,E-mail\n" + good, "mean the same"},
		{"no such columns", "a,b,c\n1,2,3\n", "Company"},
	}
}

// Broken, hostile and huge files are refused in words, soon, and the server goes on.
func TestHostile(t *testing.T) { onSets(t, tryHostile) }

func tryHostile(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	imported(t, w, who, demoFiles())
	before := countOf(t, w)
	for _, h := range hostileFiles(t) {
		t.Run(strings.ReplaceAll(h.name, " ", "_"), func(t *testing.T) {
			begin := time.Now()
			for kind, f := range map[string]files{"contacts": {contacts: h.contacts}, "accounts": {accounts: h.contacts, contacts: demoFiles().contacts}} {
				if kind == "accounts" && f.accounts == "" {
					continue // is none
				}
				words := refusal(t, w, who, f)
				if kind == "contacts" && !strings.Contains(words, h.because) {
					t.Errorf("the %s file is refused by %.300q, without %q", kind, words, h.because)
				}
				if words == "" || !utf8.ValidString(words) || strings.ContainsAny(words, "\x00") {
					t.Errorf("the %s file is refused by %.300q", kind, words)
				}
			}
			if took := time.Since(begin); took > quickly {
				t.Errorf("the refusals took %s", took)
			}
		})
	}
	after := countOf(t, w)
	if after.contacts != before.contacts || after.accounts != before.accounts || after.mails != before.mails || after.jobFiles != 0 {
		t.Errorf("there was %+v and is %+v", before, after)
	}
	if got := imported(t, w, who, demoFiles()); got.State != "DONE" {
		t.Errorf("after all that an import ended as %+v", got)
	}
}

// refusal returns in which words an import was refused: at once, or by its job.
func refusal(t *testing.T, w *world.World, who world.Person, f files) string {
	t.Helper()
	res := upload(t, w, who, f)
	if len(res.Errors) > 0 {
		t.Fatalf("the upload was answered %d: %.300s", res.Status, res.Body)
	}
	if words := res.Text("importAccounts.userErrors.0.message"); words != "" {
		return words
	}
	got := finished(t, w, who, res.Text("importAccounts.job.id"))
	if got.State != "FAILED" || len(got.Problems) == 0 || len(got.Problems) > 1001 {
		t.Errorf("the job ended as %s with %d problems", got.State, len(got.Problems))
		return ""
	}
	var words strings.Builder
	for _, p := range got.Problems {
		if p.Line < 1 || p.Message == "" || p.Mend == "" || len(p.Message)+len(p.Mend)+len(p.Column) > 4000 {
			t.Errorf("a problem: %.500s", fmt.Sprintf("%+v", p))
		}
		words.WriteString(p.Message + " " + p.Mend + "\n")
	}
	return words.String()
}

// What is too long for the front door is refused there, and so is a body that is no upload as it is specified.
func TestHostile_uploads(t *testing.T) { onSets(t, tryHostileUploads) }

func tryHostileUploads(t *testing.T, w *world.World) {
	who := w.As(t, world.Accounting)
	if res := upload(t, w, who, files{contacts: people + strings.Repeat("x", 20<<20)}); res.Status != 413 || len(res.Errors) != 1 || res.Errors[0].Message == "" {
		t.Errorf("20 MB are answered %d: %s", res.Status, res.Body)
	}
	res := w.Do(t, who, importAccounts, world.Vars{"input": world.Vars{"staffRequest": request, "contacts": nil}})
	if res.Code() != "BAD_USER_INPUT" {
		t.Errorf("an import without a file is answered %s", res.Body)
	}
	res = w.Do(t, who, importAccounts, world.Vars{"input": world.Vars{"staffRequest": request, "contacts": people}})
	if res.Code() != "BAD_USER_INPUT" {
		t.Errorf("an import with a text for the file is answered %s", res.Body)
	}
	if n := countOf(t, w); n.jobs != 0 {
		t.Errorf("%d jobs were started", n.jobs)
	}
}

// Formulas are data, and what a spreadsheet makes of them is not for here: they come back as they are.
func TestHostile_formulas(t *testing.T) { onSets(t, tryHostileFormulas) }

func tryHostileFormulas(t *testing.T, w *world.World) {
	a := w.Account(t)
	got := imported(t, w, a.As(t, world.Admin), files{contacts: lines("Company,First name,Last name,E-mail,Phone",
		a.Name+`,"=HYPERLINK(""http://x.example"")","@SUM(1+1)",f@new.example,+49 30 1234`,
		a.Name+`,'; DROP TABLE contacts; --,<script>alert(1)</script>,s@new.example,`)})
	if got.State != "DONE" || got.Summary.ContactsCreated != 2 {
		t.Fatalf("the job ended as %+v", got)
	}
	res := w.Must(t, a.As(t, world.Owner), `query($id: ID!) { node(id: $id) { ... on Account { contacts(first: 100) { edges { node { firstName lastName email phone } } } } } }`, world.Vars{"id": a.ID})
	for _, want := range []string{`=HYPERLINK(\"http://x.example\")`, `@SUM(1+1)`, `'; DROP TABLE contacts; --`, `\u003cscript\u003ealert(1)\u003c/script\u003e`, `+49 30 1234`} {
		if !bytes.Contains(res.Body, []byte(want)) && !bytes.Contains(res.Body, []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(want))) {
			t.Errorf("%s is not in %s", want, res.Body)
		}
	}
}
