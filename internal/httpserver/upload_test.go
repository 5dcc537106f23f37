package httpserver_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"strings"
	"testing"

	"steward/internal/httpserver"
)

const (
	toFile = `{"0":["variables.file"]}`
	one    = `{"query":"mutation ($file: Upload!) { upload(file: $file) }","variables":{"file":null}}`
	many   = `{"query":"mutation ($input: UploadInput!) { uploadAll(input: $input) }","variables":{"input":{"files":[null,null],"note":"x"}}}`
)

// form is the parts of a multipart body by name, in turn; a name in brackets is a file.
func form(t testing.TB, parts ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		name, content := parts[i], parts[i+1]
		create := w.CreateFormField
		if file := strings.Trim(name, "[]"); file != name {
			create = func(string) (io.Writer, error) { return w.CreateFormFile(file, "name of "+file) }
		}
		part, err := create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

func TestUpload(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	f := start(t, nil)
	big := strings.Repeat("x", 3<<20)
	tests := []struct {
		name  string
		parts []string
		data  string
	}{
		{"one", []string{"operations", one, "map", `{"0":["variables.file"]}`, "[0]", "abc"}, `{"upload":"name of 0 3 3"}`},
		{"empty", []string{"operations", one, "map", `{"0":["variables.file"]}`, "[0]", ""}, `{"upload":"name of 0 0 0"}`},
		{"large, by way of a file", []string{"operations", one, "map", `{"0":["variables.file"]}`, "[0]", big},
			fmt.Sprintf(`{"upload":"name of 0 %d %[1]d"}`, len(big))},
		{"two in a list", []string{"operations", many, "map", `{"a":["variables.input.files.0"],"b":["variables.input.files.1"]}`, "[b]", "bb", "[a]", "aa"},
			`{"uploadAll":["aa","bb"]}`},
		{"one in two places", []string{"operations", many, "map", `{"a":["variables.input.files.0","variables.input.files.1"]}`, "[a]", "aa"},
			`{"uploadAll":["aa","aa"]}`},
		{"none", []string{"operations", `{"query":"{ hello }"}`, "map", `{}`}, `{"hello":"hello"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, contentType := form(t, tt.parts...)
			if r := f.send(t, "POST", "/graphql", body, contentType); r.status != 200 || string(r.answer.Data) != tt.data {
				t.Errorf("got %d %.300s, want %s", r.status, r.body, tt.data)
			}
		})
	}
	f.drain(t)
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}

var uploadRefusals = []struct {
	name   string
	parts  []string
	status int
	why    string
}{
	{"too much in one file", []string{"operations", one, "map", toFile, "[0]", strings.Repeat("x", 1<<20)}, 413, "too large"},
	{"too much in several", []string{"operations", many, "map", `{"a":["variables.input.files.0"],"b":["variables.input.files.1"]}`,
		"[a]", strings.Repeat("x", 600<<10), "[b]", strings.Repeat("x", 600<<10)}, 413, "too large"},
	{"long operations", []string{"operations", `{"query":"{ hello }","x":"` + strings.Repeat("y", 1000) + `"}`, "map", toFile, "[0]", "x"}, 413, "too large"},
	{"long map", []string{"operations", one, "map", strings.Repeat(" ", 20<<10) + toFile, "[0]", "x"}, 413, "too large"},
	{"too many files", []string{"operations", one, "map", `{"0":["variables.a"],"1":["variables.b"],"2":["variables.c"],"3":["variables.d"]}`}, 400, "more than 3 files"},
	{"too many places", []string{"operations", one, "map", `{"0":["variables.a","variables.b","variables.c","variables.d"]}`}, 400, "more than 3 files"},
	{"no parts", nil, 400, "must begin with"},
	{"map first", []string{"map", toFile, "operations", one, "[0]", "x"}, 400, "must begin with"},
	{"file first", []string{"[0]", "x", "operations", one, "map", toFile}, 400, "must begin with"},
	{"no map", []string{"operations", one}, 400, "must begin with"},
	{"map that is text", []string{"operations", one, "map", "x", "[0]", "x"}, 400, "object of lists"},
	{"map of texts", []string{"operations", one, "map", `{"0":"variables.file"}`, "[0]", "x"}, 400, "object of lists"},
	{"text after the operations", []string{"operations", one + "x", "map", toFile, "[0]", "x"}, 400, "not one JSON"},
	{"list of operations", []string{"operations", "[" + one + "]", "map", `{"0":["0.variables.file"]}`, "[0]", "x"}, 400, "is a list"},
	{"file that is missing", []string{"operations", one, "map", toFile}, 400, "did not come"},
	{"file that is not in the map", []string{"operations", one, "map", toFile, "[0]", "x", "[1]", "x"}, 400, "not named"},
	{"file twice", []string{"operations", one, "map", toFile, "[0]", "x", "[0]", "x"}, 400, "named twice"},
	{"path that is not a variable", []string{"operations", one, "map", `{"0":["query"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path to all variables", []string{"operations", one, "map", `{"0":["variables"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path to nowhere", []string{"operations", one, "map", `{"0":["variables.other"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path through null", []string{"operations", one, "map", `{"0":["variables.file.x"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path to a value", []string{"operations", many, "map", `{"0":["variables.input.note"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path through a text", []string{"operations", many, "map", `{"0":["variables.input.note.0"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path past the list", []string{"operations", many, "map", `{"0":["variables.input.files.2"]}`, "[0]", "x"}, 400, "point at variables"},
	{"path before the list", []string{"operations", many, "map", `{"0":["variables.input.files.-1"]}`, "[0]", "x"}, 400, "point at variables"},
	{"name in a list", []string{"operations", many, "map", `{"0":["variables.input.files.x"]}`, "[0]", "x"}, 400, "point at variables"},
	{"no variables", []string{"operations", `{"query":"{ hello }"}`, "map", toFile, "[0]", "x"}, 400, "point at variables"},
}

func TestUpload_Refusals(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) {
		c.MaxUploadBytes, c.MaxUploadFiles, c.MaxBodyBytes = 1<<20, 3, 1000
	})
	for _, tt := range uploadRefusals {
		t.Run(tt.name, func(t *testing.T) {
			body, contentType := form(t, tt.parts...)
			r := f.send(t, "POST", "/graphql", body, contentType)
			wantRefusal(t, r, tt.status, "BAD_USER_INPUT")
			if !strings.Contains(r.message(), tt.why) {
				t.Errorf("the message is %q, want one with %q", r.message(), tt.why)
			}
		})
	}
	t.Run("broken off", func(t *testing.T) {
		body, contentType := form(t, "operations", one, "map", toFile, "[0]", strings.Repeat("x", 500<<10))
		wantRefusal(t, f.send(t, "POST", "/graphql", body[:len(body)-10], contentType), 400, "BAD_USER_INPUT")
	})
	t.Run("no boundary", func(t *testing.T) {
		wantRefusal(t, f.send(t, "POST", "/graphql", "x", "Content-Type: multipart/form-data"), 400, "BAD_USER_INPUT")
	})
	t.Run("from another page", func(t *testing.T) {
		body, contentType := form(t, "operations", one, "map", toFile, "[0]", "x")
		wantRefusal(t, f.send(t, "POST", "/graphql", body, contentType, "Origin: https://evil.example"), 403, "FORBIDDEN")
	})
	if n := f.tiny.Ran.Load(); n != 0 {
		t.Errorf("%d resolvers ran for refused uploads", n)
	}
	f.alive(t)
	f.drain(t)
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}
