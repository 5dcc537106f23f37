package failures_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

type vars = map[string]any

// answer is what a replica said. Code is the first error's, noAnswer where there was no answer at all.
type answer struct {
	Data map[string]any
	Code string
	Body string
	Took time.Duration
}

// get returns what stands at a path of the data, nil when nothing does. A number is a place in a list.
func (a answer) get(path ...any) any {
	var at any = a.Data
	for _, step := range path {
		switch v := at.(type) {
		case map[string]any:
			name, _ := step.(string)
			at = v[name]
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

func (a answer) text(path ...any) string {
	s, _ := a.get(path...).(string)
	return s
}

const noAnswer = "NO_ANSWER"

// ask sends an operation with a bearer token, "" for none.
func (r *replica) ask(ctx context.Context, token, query string, v vars) answer {
	begin := time.Now()
	body, err := json.Marshal(vars{"query": query, "variables": v})
	if err == nil {
		body, err = r.post(ctx, token, body)
	}
	out := answer{Body: string(body), Took: time.Since(begin)}
	if err != nil {
		out.Code, out.Body = noAnswer, fmt.Sprintf("after %s: %v", out.Took, err)
		return out
	}
	var told struct {
		Data   map[string]any
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal(body, &told); err != nil {
		out.Code = noAnswer
		return out
	}
	out.Data = told.Data
	if len(told.Errors) > 0 {
		out.Code = told.Errors[0].Extensions.Code
	}
	return out
}

func (r *replica) post(ctx context.Context, token string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}

// do is ask for what must be answered without an error.
func (r *replica) do(t *testing.T, token, query string, v vars) answer {
	t.Helper()
	a := r.ask(t.Context(), token, query, v)
	if a.Code != "" {
		t.Fatalf("%s: %s", a.Code, a.Body)
	}
	return a
}

// verdict is the answer to a check: may this program read the owner's e-mail address?
type verdict string

const (
	allowed     verdict = "allowed"
	refused     verdict = "refused"
	unavailable verdict = "UNAVAILABLE"
)

const checkQuery = `query Check($id: ID!) { node(id: $id) { ... on Contact { firstName email } } }`

// check asks whether a person may see the details of their account's owner, which takes CONTACT_MANAGEMENT. Everything but a
// plain answer is the code of the error.
func (r *replica) check(ctx context.Context, p person) (verdict, time.Duration) {
	a := r.ask(ctx, p.token, checkQuery, vars{"id": p.account.owner})
	switch {
	case a.Code == "" && a.text("node", "email") != "":
		return allowed, a.Took
	case a.Code == "FORBIDDEN" && a.text("node", "firstName") != "" && a.get("node", "email") == nil:
		return refused, a.Took
	case a.Code == "":
		return verdict("neither allowed nor refused: " + a.Body), a.Took
	case a.Code == noAnswer:
		return verdict(a.Code + ": " + a.Body), a.Took
	}
	return verdict(a.Code), a.Took
}

// is holds that a check has this answer on all of the replicas.
func is(t *testing.T, p person, want verdict, replicas ...*replica) {
	t.Helper()
	for i, r := range replicas {
		if got, _ := r.check(t.Context(), p); got != want {
			t.Errorf("replica %d of %d: %s is %s, want %s", i+1, len(replicas), p.name, got, want)
		}
	}
}

// becomes waits until a check has this answer on all of the replicas.
func becomes(t *testing.T, within time.Duration, p person, want verdict, replicas ...*replica) {
	t.Helper()
	last := make([]verdict, len(replicas))
	defer func() {
		if t.Failed() {
			t.Logf("%s was %q at last", p.name, last)
		}
	}()
	until(t, within, p.name+" is "+string(want)+" everywhere", func() bool {
		for i, r := range replicas {
			last[i], _ = r.check(t.Context(), p)
		}
		return !slices.ContainsFunc(last, func(v verdict) bool { return v != want })
	})
}

// set grants or revokes CONTACT_MANAGEMENT. It returns "" or the code of the error, which begins with noAnswer where there was none.
func (r *replica) set(ctx context.Context, h *house, p person, on bool, key string) string {
	name := "revokePermission"
	if on {
		name = "grantPermission"
	}
	input := vars{"contactId": p.contact, "permission": "CONTACT_MANAGEMENT"}
	if key != "" {
		input["idempotencyKey"] = key
	}
	kind := strings.ToUpper(name[:1]) + name[1:] + "Input!"
	a := r.ask(ctx, h.owner, `mutation Set($input: `+kind+`) { `+name+`(input: $input) { userErrors { code } } }`, vars{"input": input})
	if a.Code == "" && a.text(name, "userErrors", 0, "code") != "" {
		return a.text(name, "userErrors", 0, "code")
	}
	if a.Code == noAnswer {
		return a.Code + ": " + a.Body
	}
	return a.Code
}

// grant and revoke must be answered with success.
func (r *replica) grant(t *testing.T, h *house, p person) {
	t.Helper()
	if code := r.set(t.Context(), h, p, true, ""); code != "" {
		t.Fatalf("grant to %s: %s", p.name, code)
	}
}

func (r *replica) revoke(t *testing.T, h *house, p person) {
	t.Helper()
	if code := r.set(t.Context(), h, p, false, ""); code != "" {
		t.Fatalf("revoke from %s: %s", p.name, code)
	}
}

// health is what /readyz says: which parts are missing, those without which it goes on too.
func (r *replica) missing(ctx context.Context) (parts []string, status int) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/readyz", nil)
	if err != nil {
		return []string{err.Error()}, 0
	}
	res, err := r.http.Do(req)
	if err != nil {
		return []string{err.Error()}, 0
	}
	defer res.Body.Close()
	var told struct{ Parts map[string]string }
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil {
		return []string{err.Error()}, res.StatusCode
	}
	for name, is := range told.Parts {
		if is != "ok" {
			parts = append(parts, name)
		}
	}
	slices.Sort(parts)
	return parts, res.StatusCode
}

// misses waits until /readyz names exactly these parts, with this status, on all of the replicas.
func misses(t *testing.T, status int, parts []string, replicas ...*replica) {
	t.Helper()
	for _, r := range replicas {
		until(t, patience, fmt.Sprintf("/readyz says %d and names %q", status, parts), func() bool {
			got, code := r.missing(t.Context())
			return code == status && slices.Equal(got, parts)
		})
	}
}
