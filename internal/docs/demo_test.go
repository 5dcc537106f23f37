package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"steward/internal/app"
	"steward/internal/config"
)

// server is a demo that serves, with what was kept of its answers.
type server struct {
	t       testing.TB
	url     string
	dir     string // where commands run
	kept    map[string]string
	without []string // what was not kept, because a command could not be run
}

// serveDemo starts a demo on data of its own, until the test ends.
func serveDemo(t testing.TB) *server {
	t.Helper()
	cfg := config.Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Demo: true}
	cfg.SetDefaults()
	a, err := app.New(t.Context(), cfg, app.Options{Out: io.Discard, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return &server{t: t, url: "http://" + a.Addr().String(), dir: t.TempDir(), kept: map[string]string{}}
}

// schema is the API's, as callers read it.
func schema(t testing.TB) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: app.SDL()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// operation parses and validates a document of one operation.
func operation(s *ast.Schema, text string) (*ast.OperationDefinition, error) {
	doc, errs := gqlparser.LoadQuery(s, text)
	if len(errs) > 0 {
		return nil, errs
	}
	if len(doc.Operations) != 1 {
		return nil, fmt.Errorf("%d operations, want one", len(doc.Operations))
	}
	return doc.Operations[0], nil
}

// token signs a person of the demo in; nobody is "".
func (s *server) token(email string) string {
	s.t.Helper()
	if email == "" {
		return ""
	}
	answer := s.post("/demo/token", "", map[string]any{"email": email})
	token, ok := answer["token"].(string)
	if !ok {
		s.t.Fatalf("no token for %s: %v", email, answer)
	}
	return token
}

// ask sends an operation with those of the kept values that it declares as variables.
func (s *server) ask(token string, op *ast.OperationDefinition, text string, more map[string]any) map[string]any {
	s.t.Helper()
	variables := map[string]any{}
	for _, v := range op.VariableDefinitions {
		if value, ok := s.kept[v.Variable]; ok {
			variables[v.Variable] = value
		}
		if value, ok := more[v.Variable]; ok {
			variables[v.Variable] = value
		}
	}
	return s.post("/graphql", token, map[string]any{"query": text, "variables": variables})
}

func (s *server) post(path, token string, body any) map[string]any {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		s.t.Fatalf("%s answers %s: %v", path, res.Status, err)
	}
	return answer
}

// at returns what stands at a path such as viewer.accounts.edges.0.node.id.
func at(v any, path string) (any, error) {
	for step := range strings.SplitSeq(path, ".") {
		switch parent := v.(type) {
		case map[string]any:
			v = parent[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(parent) {
				return nil, fmt.Errorf("%s: there is no element %s of %d", path, step, len(parent))
			}
			v = parent[i]
		default:
			return nil, fmt.Errorf("%s: nothing at %s", path, step)
		}
	}
	return v, nil
}

// mailed returns what the pattern's first group finds in the newest mail to a person.
func (s *server) mailed(email, pattern string) string {
	s.t.Helper()
	answer := s.post("/graphql", s.token(email), map[string]any{"query": "{ viewer { mailbox { text } } }"})
	text, err := at(answer, "data.viewer.mailbox.0.text")
	if err != nil {
		s.t.Fatalf("%v: %v", err, answer)
	}
	mail, _ := text.(string)
	m := regexp.MustCompile(pattern).FindStringSubmatch(mail)
	if m == nil {
		s.t.Fatalf("no %s in %q", pattern, mail)
	}
	return m[1]
}
