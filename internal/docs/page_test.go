package docs

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of a Markdown page. Its info string may go on behind the language with words such as as=E, which
// readers do not see:
//
//	graphql as=E        an operation, sent as the person of the demo with that address; without it anonymously
//	graphql bearer=x    the same by a token that was kept under that name
//	graphql ... keep=x:a.0.b          keep what stands at that path below data, for operations that declare $x
//	graphql ... keep=x:a.0.b~PATTERN  keep the first group of the pattern in it
//	graphql ... until   ask again until the answer is the one expected, half a minute at most
//	sh as=E             a command, with a token of that person in $TOKEN; its output is the answer
//	csv file=x.csv      a file in the commands' directory
//	json                right behind an operation or a command: what the answer must hold, see matches
type block struct {
	line  int
	lang  string
	words map[string]string
	keep  []kept
	text  string
}

// kept says what of an answer is kept, and under which name.
type kept struct {
	name, path string
	pattern    *regexp.Regexp
}

// blocks returns the fenced blocks of a page, in order.
func blocks(t testing.TB, path string) []block {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	open := false
	for i, line := range strings.Split(string(page), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open:
			open = false
		case fence:
			open = true
			b := block{line: i + 1, words: map[string]string{}}
			for n, word := range strings.Fields(info) {
				key, value, _ := strings.Cut(word, "=")
				switch {
				case n == 0:
					b.lang = word
				case key == "keep":
					b.keep = append(b.keep, parseKeep(t, value))
				default:
					b.words[key] = value
				}
			}
			out = append(out, b)
		case open:
			out[len(out)-1].text += line + "\n"
		}
	}
	if open {
		t.Fatalf("%s: the last block is not closed", path)
	}
	return out
}

func parseKeep(t testing.TB, text string) kept {
	t.Helper()
	name, path, ok := strings.Cut(text, ":")
	path, pattern, _ := strings.Cut(path, "~")
	if !ok || path == "" {
		t.Fatalf("keep=%s: want NAME:PATH", text)
	}
	k := kept{name: name, path: path}
	if pattern != "" {
		k.pattern = regexp.MustCompile(pattern)
	}
	return k
}

// matches tells where an answer is not what is expected. An object may have members that are not expected; the text "…"
// stands for anything but null, and as the last element of a list for any further ones.
func matches(path string, want, have any) error {
	switch want := want.(type) {
	case map[string]any:
		got, ok := have.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, not an object", path, have)
		}
		for key, w := range want {
			h, there := got[key]
			if !there {
				return fmt.Errorf("%s has no %s: %v", path, key, got)
			}
			if err := matches(path+"."+key, w, h); err != nil {
				return err
			}
		}
		return nil
	case []any:
		got, ok := have.([]any)
		n := len(want)
		more := n > 0 && want[n-1] == "…"
		if more {
			n--
		}
		if !ok || len(got) < n || (len(got) > n && !more) {
			return fmt.Errorf("%s is %v, not a list of %d", path, have, n)
		}
		for i, w := range want[:n] {
			if err := matches(fmt.Sprintf("%s.%d", path, i), w, got[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if want == "…" && have != nil {
			return nil
		}
	}
	if want != have {
		return fmt.Errorf("%s is %v, not %v", path, have, want)
	}
	return nil
}

func TestMatches(t *testing.T) {
	obj := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		want, have any
		ok         bool
	}{
		{obj("a", 1.0), obj("a", 1.0, "b", 2.0), true},
		{obj("a", 1.0), obj("a", 2.0), false},
		{obj("a", nil), obj("a", nil), true},
		{obj("a", nil), obj(), false},
		{obj("a", "…"), obj("a", "x"), true},
		{obj("a", "…"), obj("a", nil), false},
		{[]any{1.0}, []any{1.0, 2.0}, false},
		{[]any{1.0, "…"}, []any{1.0, 2.0}, true},
		{[]any{1.0, "…"}, []any{2.0}, false},
		{[]any{}, []any{1.0}, false},
		{"x", "x", true},
		{"x", nil, false},
	} {
		if err := matches("data", c.want, c.have); (err == nil) != c.ok {
			t.Errorf("%v and %v: %v", c.want, c.have, err)
		}
	}
}
