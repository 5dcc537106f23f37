package httpserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"steward/internal/httpserver"
)

// doubling is a document in which each of n fragments spreads the next one twice.
func doubling(n int, bottom string) string {
	var b strings.Builder
	b.WriteString("{ item(id: 1) { ...F0 } }")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Item { a: self { ...F%d } b: self { ...F%d } }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Item { %s }", n, bottom)
	return b.String()
}

func spreading(n int, bottom string) string {
	var b strings.Builder
	b.WriteString("{ item(id: 1) { ...F0 } }")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Item { ...F%d ...F%d }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Item { %s }", n, bottom)
	return b.String()
}

// TestAttacks sends documents that cost a server more than their text: each must be refused by the limit that is named,
// in no time, and leave a server that answers.
func TestAttacks(t *testing.T) {
	f := start(t, nil)
	nested := func(open, closing string, n int) string { return strings.Repeat(open, n) + strings.Repeat(closing, n) }
	const selfReferring = "{item(id: 1){...Cycle}}  fragment Cycle on Item {self {id self {...Cycle name id} name}}"
	tests := []struct{ name, document, message string }{
		{"self-referring fragment", selfReferring, "spreads itself"},
		{"self-referring fragment, unused", "{hello} fragment A on Item { self { ...A } }", "spreads itself"},
		{"two fragments in a circle", "{item(id:1){...A}} fragment A on Item {...B} fragment B on Item {self {...A}}", "spreads itself"},
		{"circle behind a doubled name", "{hello} fragment A on Item {id} fragment A on Item {...B} fragment B on Item {...B}", "spreads itself"},
		{"circle through an inline fragment", "{...Q} fragment Q on Query { ... { ... on Query { ...Q } } }", "spreads itself"},
		{"doubling fields", doubling(30, "id"), "deep"},
		{"doubling fields within the depth", doubling(17, "id"), "fields"},
		{"doubling spreads", spreading(30, "id"), "fields"},
		{"doubling spreads, many", spreading(190, "id"), "fields"},
		{"doubling spreads of nothing", spreading(100, "...Nowhere"), "fields"},
		{"doubling aliases", doubling(6, "id"), "aliases"},
		{"deep", "{item(id:1)" + nested("{self", "}", 25) + "}", "deep"},
		{"very deep", "{item(id:1)" + nested("{self", "}", 900) + "}", "brackets"},
		{"deep beyond the parser", "{" + nested("{a", "}", 30000) + "}", "brackets"},
		{"deep list", "{hello(name:" + nested("[", "]", 60000) + ")}", "brackets"},
		{"deep object", "{hello(name:" + nested("{a:", "}", 30000) + ")}", "brackets"},
		{"deep type", "query($a:" + nested("[", "]", 60000) + "){hello}", "brackets"},
		{"aliases", "{" + repeat("a%d: hello ", 101) + "}", "aliases"},
		{"equal fields", "{" + strings.Repeat("hello ", 60000/6) + "}", "tokens"},
		{"comments", "{hello}" + strings.Repeat("#\n", 30000), "tokens"},
		{"directives", "{hello " + strings.Repeat("@skip(if:false)", 101) + "}", "directives"},
		{"directives on a variable", "query ($a: Int " + strings.Repeat("@x", 101) + ") {hello}", "directives"},
		{"directives on a fragment", "{hello} fragment A on Item " + strings.Repeat("@x", 101) + "{id}", "directives"},
		{"directives behind spreads", "{hello} " + strings.Replace(spreading(8, "id @skip(if: true)"), "{ item(id: 1) { ...F0 } }", "", 1), "directives"},
		{"operations", repeat("query Q%d {hello} ", 51), "operations"},
		{"schema by aliases", "{" + repeat("a%d: __schema { types { name } } ", 6) + "}", "aliases"},
		{"schema by aliases in a fragment", "{ a: __schema { ...S } } fragment S on __Schema {" + repeat("a%d: types { name } ", 6) + "}", "aliases"},
		{"deferred", "{ hello ... @defer { items { id } } }", "@defer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, took := f.timed(t, tt.document)
			wantRefusal(t, r, 200, "BAD_USER_INPUT")
			if !strings.Contains(r.message(), tt.message) || len(r.answer.Errors) != 1 {
				t.Errorf("the answer is %s, want one error that names %q", r.body, tt.message)
			}
			if took > 50*time.Millisecond {
				t.Errorf("%d bytes cost %s", len(tt.document), took)
			}
			f.alive(t)
		})
	}
}

// timed sends a document three times and returns the shortest time: other work on the machine is not the document's cost.
func (f *front) timed(t testing.TB, document string) (r *reply, best time.Duration) {
	t.Helper()
	for range 3 {
		begin := time.Now()
		r = f.query(t, document)
		if took := time.Since(begin); best == 0 || took < best {
			best = took
		}
	}
	return r, best
}

func repeat(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestWithinLimits sends what lies just within the limits: it is executed, or refused by validation, as quickly.
func TestWithinLimits(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name, document string
		errors         bool
	}{
		{"as deep as it goes", "{item(id:1)" + strings.Repeat("{self", 18) + "{id}" + strings.Repeat("}", 18) + "}", false},
		{"as many fields as go", "{" + strings.Repeat("hello ", 1000) + "}", false},
		{"as many aliases as go", "{" + repeat("a%d: hello ", 100) + "}", false},
		{"brackets in a text", `{hello(name: "` + strings.Repeat("{[(", 100) + `") b: hello(name: """` + strings.Repeat("{[(", 100) + `""")} # ` + strings.Repeat("{", 100), false},
		{"equal fields with selections", "{" + strings.Repeat("items{id}", 450) + "}", false},
		{"equal fields within each other", "{" + strings.Repeat("items{"+strings.Repeat("items{"+strings.Repeat("items{id}", 6)+"}", 6)+"}", 6) + "}", false},
		{"a chain of fragments", chain(35), true},
		{"fragments side by side", "{" + repeat("...F%d ", 100) + "}" + repeat(" fragment F%d on Query { items { id name } items { id name } }", 100), false},
		{"fragments side by side in fragments", "{items{" + repeat("...F%d ", 90) + "}}" + repeat(" fragment F%d on Item { items { ...G } self { ...G } id name }", 90) + " fragment G on Item { id name }", false},
		{"many unknown fields", "{" + repeat("x%d ", 900) + "}", true},
		{"conflicting fields", "{" + strings.Repeat("hello hello(name: \"x\") ", 240) + "}", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, took := f.timed(t, tt.document)
			if took > time.Second { // the slowest takes 50 ms, and 300 ms under the race detector
				t.Errorf("%d bytes cost %s", len(tt.document), took)
			}
			if (len(r.answer.Errors) > 0) != tt.errors || len(r.answer.Errors) > 10 {
				t.Errorf("the answer is %.600s", r.body)
			}
			if tt.errors && r.code() != "BAD_USER_INPUT" {
				t.Errorf("the code is %q", r.code())
			}
		})
	}
}

// chain is a document of n unused fragments, each of which spreads the next one, once beside a field and once below it.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("{ hello }")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Item { id ...F%d }", i, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Item { id }", n)
	return b.String()
}

func TestAttacks_LimitsAreSettings(t *testing.T) {
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.MaxDepth = 1 })
	wantRefusal(t, f.query(t, "{ items { id } }"), 200, "BAD_USER_INPUT")
	f.alive(t)
}
