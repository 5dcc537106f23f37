package world

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Response is what the server answered to one operation.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Data   map[string]any `json:"data"`
	Errors []Error        `json:"errors"`
}

// Error is one error of a Response.
type Error struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// Code is extensions.code, for example "NOT_FOUND".
func (e Error) Code() string { return e.Text("code") }

// Text is an extension that is a text, or "".
func (e Error) Text(name string) string {
	s, _ := e.Extensions[name].(string)
	return s
}

// Code is the code of the first error, or "" when there is none.
func (r Response) Code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Code()
}

// Get returns what stands at a path of the data, for example "viewer.accounts.edges.0.node.name"; nil when nothing does.
func (r Response) Get(path string) any {
	var at any = r.Data
	for part := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// Text is Get for a text, "" when there is none.
func (r Response) Text(path string) string {
	s, _ := r.Get(path).(string)
	return s
}

// List is Get for a list, nil when there is none.
func (r Response) List(path string) []any {
	l, _ := r.Get(path).([]any)
	return l
}

// Refused returns the error of a field of a type that was refused, such as ("Contact", "email").
func (r Response) Refused(typ, field string) (Error, bool) {
	i := slices.IndexFunc(r.Errors, func(e Error) bool { return e.Text("type") == typ && e.Text("field") == field })
	if i < 0 {
		return Error{}, false
	}
	return r.Errors[i], true
}

// Do sends one operation as the person, over HTTP, to one of the replicas, and returns the answer, whatever it is.
func (w *World) Do(t testing.TB, as Person, query string, vars Vars) Response {
	t.Helper()
	return w.any().Do(t, as, query, vars)
}

// Must is Do for what must be answered without an error.
func (w *World) Must(t testing.TB, as Person, query string, vars Vars) Response {
	t.Helper()
	return w.any().Must(t, as, query, vars)
}

// Upload is Do for an operation with files: files are the contents by the variable that each stands for, for example
// "input.contacts".
func (w *World) Upload(t testing.TB, as Person, query string, vars Vars, files map[string]string) Response {
	t.Helper()
	return w.any().Upload(t, as, query, vars, files)
}

// Do sends one operation as the person, over HTTP, and returns the answer, whatever it is.
func (r *Replica) Do(t testing.TB, as Person, query string, vars Vars) Response {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		t.Fatal(err)
	}
	return r.send(t, as, "application/json", body)
}

// Must is Do for what must be answered without an error.
func (r *Replica) Must(t testing.TB, as Person, query string, vars Vars) Response {
	t.Helper()
	res := r.Do(t, as, query, vars)
	if len(res.Errors) > 0 {
		t.Fatalf("%s: %s", as.Email, res.Body)
	}
	return res
}

// Upload is Do for an operation with files, as that of the World.
func (r *Replica) Upload(t testing.TB, as Person, query string, vars Vars, files map[string]string) Response {
	t.Helper()
	names := slices.Sorted(maps.Keys(files))
	places := map[string][]string{}
	for i, name := range names {
		places[strconv.Itoa(i)] = []string{"variables." + name}
		inner, last := vars, name
		for {
			head, rest, more := strings.Cut(last, ".")
			if !more {
				break
			}
			inner, last = inner[head].(Vars), rest
		}
		inner[last] = nil
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	field := func(name string, v any) {
		text, err := json.Marshal(v)
		if err == nil {
			err = form.WriteField(name, string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	field("operations", map[string]any{"query": query, "variables": vars})
	field("map", places)
	for i, name := range names {
		part, err := form.CreateFormFile(strconv.Itoa(i), name+".csv")
		if err == nil {
			_, err = io.WriteString(part, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return r.send(t, as, form.FormDataContentType(), body.Bytes())
}

func (r *Replica) send(t testing.TB, as Person, contentType string, body []byte) Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/graphql-response+json")
	if as.Token != "" {
		req.Header.Set("Authorization", "Bearer "+as.Token)
	}
	res, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	out := Response{Status: res.StatusCode, Header: res.Header}
	if out.Body, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Body, &out); err != nil {
		t.Fatalf("%d: %v: %s", out.Status, err, out.Body)
	}
	return out
}
