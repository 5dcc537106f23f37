package httpserver_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"steward/internal/httpserver"
	"steward/internal/httpserver/testdata/tiny"
)

func TestErrors_Masked(t *testing.T) {
	f := start(t, nil)
	for document, code := range map[string]string{
		`{ fail(how: "plain") }`:     "INTERNAL",
		`{ fail(how: "odd code") }`:  "INTERNAL",
		`{ fail(how: "forbidden") }`: "FORBIDDEN",
		`{ panics }`:                 "INTERNAL",
	} {
		r := f.query(t, document, "X-Request-ID: abc")
		if r.status != 200 || r.code() != code || string(r.answer.Data) == "" || len(r.answer.Errors) != 1 {
			t.Errorf("%s: got %d %s, want %s beside data", document, r.status, r.body, code)
			continue
		}
		if strings.Contains(r.body, "10.1.2.3") || strings.Contains(r.body, ".go") {
			t.Errorf("%s: the answer leaks: %s", document, r.body)
		}
		if e := r.answer.Errors[0]; e.Extensions["requestId"] != "abc" || len(e.Path) != 1 {
			t.Errorf("%s: request id or path is missing: %s", document, r.body)
		}
		f.alive(t)
	}
	masked, stack := 0, false
	for _, line := range f.drain(t) {
		if line["level"] == "ERROR" && line["request_id"] == "abc" {
			masked++
			text, _ := line["stack"].(string)
			stack = stack || strings.Contains(text, "queries.Panics") && strings.Contains(f.log.String(), tiny.Secret)
		}
	}
	if masked != 3 || !stack {
		t.Errorf("%d masked errors are in the log (stack: %t), want 3 with the panic's stack", masked, stack)
	}
}

func TestErrors_Presenter(t *testing.T) {
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.ErrorPresenter = func(_ context.Context, err error) *gqlerror.Error {
			if strings.Contains(err.Error(), tiny.Secret) {
				return &gqlerror.Error{Message: "try again", Extensions: map[string]any{"code": "CONFLICT", "field": "x"}}
			}
			return &gqlerror.Error{Message: "presented", Extensions: map[string]any{"code": "INTERNAL"}}
		}
	})
	r := f.query(t, `{ fail(how: "plain") }`)
	if r.code() != "CONFLICT" || r.message() != "try again" || r.answer.Errors[0].Extensions["field"] != "x" || len(r.answer.Errors[0].Path) == 0 {
		t.Errorf("what the presenter says is lost: %s", r.body)
	}
	if r := f.query(t, `{ nothing }`); r.code() != "BAD_USER_INPUT" || !strings.Contains(r.message(), "nothing") {
		t.Errorf("a validation error went through the presenter: %s", r.body)
	}
	if r := f.query(t, `{ panics }`); r.code() != "INTERNAL" || r.message() == "presented" {
		t.Errorf("a panic went through the presenter: %s", r.body)
	}
}

func TestErrors_BadArgument(t *testing.T) {
	f := start(t, nil)
	for _, r := range []*reply{
		f.query(t, `{ at(time: "yesterday") }`),
		f.send(t, "POST", "/graphql", `{"query":"query ($t: Time!) { at(time: $t) }","variables":{"t":[]}}`, asJSON),
	} {
		if r.code() != "BAD_USER_INPUT" || len(r.message()) < 10 {
			t.Errorf("got %s, want BAD_USER_INPUT with a reason", r.body)
		}
	}
	if r := f.query(t, `{ at(time: "2026-01-02T03:04:05Z") }`); r.body != `{"data":{"at":"2026-01-02"}}` {
		t.Errorf("got %s", r.body)
	}
	if n := f.tiny.Ran.Load(); n != 1 {
		t.Errorf("%d resolvers ran", n)
	}
}

// One error value that several fields return at once must be written by none of them; the race detector looks on.
func TestErrors_SharedValue(t *testing.T) {
	f := start(t, nil)
	r := f.query(t, `{ `+repeat(`a%d: fail(how: "forbidden") `, 20)+repeat(`b%d: fail(how: "plain") `, 15)+`}`)
	forbidden, internal := 0, 0
	for _, e := range r.answer.Errors {
		switch e.Extensions["code"] {
		case "FORBIDDEN":
			forbidden++
		case "INTERNAL":
			internal++
		}
	}
	if forbidden != 20 || internal != 10 || r.answer.Extensions["errorsLeftOff"] != 5.0 {
		t.Errorf("%d refusals and %d others are told, %v left off, want 20, 10 and 5", forbidden, internal, r.answer.Extensions["errorsLeftOff"])
	}
}

func TestErrors_Validation(t *testing.T) {
	f := start(t, nil)
	r := f.query(t, "{"+repeat("x%d ", 50)+"}")
	if len(r.answer.Errors) != 10 || r.answer.Extensions["errorsLeftOff"] != 40.0 {
		t.Errorf("%d errors are told, %v left off, want 10 and 40", len(r.answer.Errors), r.answer.Extensions["errorsLeftOff"])
	}
	for _, document := range []string{
		"{ hell }", "{ hello(nam: 1) }", "{ items }", "{ item(id: 1) { nam } }", "fragment A on Ite { id } { hello }",
		`query ($x: Strin) { hello(name: $x) }`, `mutation { uploadAll(input: {file: []}) }`,
		`{ __type(name: "x") { kin } }`, `{ hello @skp(if: true) }`,
	} {
		r := f.query(t, document)
		wantRefusal(t, r, 200, "BAD_USER_INPUT")
		if strings.Contains(r.body, "Did you mean") {
			t.Errorf("%s: the answer suggests names: %s", document, r.body)
		}
	}
	long := f.query(t, `{ hello(name: `+strings.Repeat("x", 20000)+`) }`)
	wantRefusal(t, long, 200, "BAD_USER_INPUT")
	if len(long.body) > 1000 {
		t.Errorf("the answer to a long literal has %d bytes", len(long.body))
	}
}

func TestIntrospection(t *testing.T) {
	f := start(t, nil)
	if r := f.query(t, `{ __schema { types { name } } a: __type(name: "Item") { name } }`); len(r.answer.Errors) != 0 || !strings.Contains(r.body, `"Item"`) {
		t.Errorf("got %.200s", r.body)
	}
}

func TestDeadline(t *testing.T) {
	f := start(t, func(c *httpserver.Config, _ *httpserver.Deps) { c.OperationTimeout = 30 * time.Millisecond })
	for document, data := range map[string]string{
		"{ waits(fails: true) { id } }":                        `{"waits":null}`,
		"{ waits { self { self { id } } b: self { id } id } }": `{"waits":null}`,
	} {
		before := f.tiny.Ran.Load()
		r := f.query(t, document)
		if r.status != 200 || len(r.answer.Errors) != 1 || r.code() != "UNAVAILABLE" || !strings.Contains(r.message(), "30ms") {
			t.Errorf("%s: got %d %s, want one UNAVAILABLE that names the deadline", document, r.status, r.body)
		}
		if string(r.answer.Data) != data {
			t.Errorf("%s: the data is %s", document, r.answer.Data)
		}
		if ran := f.tiny.Ran.Load() - before; ran != 1 {
			t.Errorf("%s: %d resolvers ran, want none after the deadline", document, ran)
		}
		<-f.tiny.Waiting
	}
	f.alive(t)
}

func TestClientLeft(t *testing.T) {
	f := start(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+f.addr+"/graphql",
		strings.NewReader(`{"query":"{ waits { self { self { id } } b: self { id } } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	go func() {
		<-f.tiny.Waiting
		leave()
	}()
	if _, err := http.DefaultTransport.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Fatalf("the request ended with %v", err)
	}
	log := f.drain(t)
	if n := f.tiny.Ran.Load(); n != 1 {
		t.Errorf("%d resolvers ran, want none after the client left", n)
	}
	if last := log[len(log)-1]; last["status"] != 499.0 || len(log) != 1 {
		t.Errorf("the log says %s", f.log)
	}
}

type downError struct{}

func (downError) Error() string     { return "issuer unreachable" }
func (downError) Unavailable() bool { return true }

type callerKey struct{}

func TestAuthenticate(t *testing.T) {
	f := start(t, func(_ *httpserver.Config, d *httpserver.Deps) {
		d.Authenticate = func(r *http.Request) (context.Context, error) {
			switch r.Header.Get("Authorization") {
			case "Bearer good":
				return context.WithValue(r.Context(), callerKey{}, "ann"), nil
			case "Bearer down":
				return nil, errors.Join(errors.New("sign-in"), downError{})
			}
			return nil, errors.New(tiny.Secret)
		}
		d.Extensions = []graphql.HandlerExtension{callerInAnswer{}}
	})
	r := f.query(t, "{ hello }")
	wantRefusal(t, r, 401, "UNAUTHENTICATED")
	if r.header.Get("WWW-Authenticate") != "Bearer" || strings.Contains(r.body, "10.1.2.3") {
		t.Errorf("got %v %s", r.header, r.body)
	}
	r = f.send(t, "GET", asURL("{ hello }"), "", "Authorization: Bearer down")
	wantRefusal(t, r, 503, "UNAVAILABLE")
	if r.header.Get("Retry-After") == "" || strings.Contains(r.body, "issuer") {
		t.Errorf("got %v %s", r.header, r.body)
	}
	if n := f.tiny.Ran.Load(); n != 0 {
		t.Errorf("%d resolvers ran for refused callers", n)
	}
	if r := f.query(t, "{ hello }", "Authorization: Bearer good"); r.answer.Extensions["caller"] != "ann" {
		t.Errorf("the caller does not reach an extension: %s", r.body)
	}
	r = f.query(t, "{"+repeat(`a%d: fail(how: "plain") `, 12)+"}", "Authorization: Bearer good")
	if r.answer.Extensions["caller"] != "ann" || r.answer.Extensions["errorsLeftOff"] != 2.0 {
		t.Errorf("the extensions of an answer are lost beside our own: %s", r.body)
	}
}

type callerInAnswer struct{}

func (callerInAnswer) ExtensionName() string                   { return "CallerInAnswer" }
func (callerInAnswer) Validate(graphql.ExecutableSchema) error { return nil }
func (callerInAnswer) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	if caller := ctx.Value(callerKey{}); caller != nil {
		graphql.RegisterExtension(ctx, "caller", caller)
	}
	return next(ctx)
}

type refusingExtension struct{ callerInAnswer }

func (refusingExtension) Validate(graphql.ExecutableSchema) error { return errors.New("no policy") }

func TestNew_Faults(t *testing.T) {
	schema := tiny.NewExecutableSchema(tiny.Config{Resolvers: &tiny.Resolvers{}})
	authenticate := func(r *http.Request) (context.Context, error) { return r.Context(), nil }
	tests := []struct {
		name string
		cfg  httpserver.Config
		deps httpserver.Deps
		want string
	}{
		{"no schema", httpserver.Config{}, httpserver.Deps{Authenticate: authenticate}, httpserver.ErrNoSchema.Error()},
		{"no sign-in", httpserver.Config{}, httpserver.Deps{Schema: schema}, httpserver.ErrNoAuthentication.Error()},
		{"extension that refuses", httpserver.Config{}, httpserver.Deps{Schema: schema, Authenticate: authenticate,
			Extensions: []graphql.HandlerExtension{refusingExtension{}}}, "no policy"},
		{"mount in the way", httpserver.Config{}, httpserver.Deps{Schema: schema, Authenticate: authenticate,
			Mounts: map[string]http.Handler{"/graphql": http.NotFoundHandler()}}, `mount "/graphql"`},
		{"bad setting", httpserver.Config{MaxDepth: -1}, httpserver.Deps{Schema: schema, Authenticate: authenticate}, "max depth"},
	}
	for _, tt := range tests {
		if _, err := httpserver.NewServer(tt.cfg, tt.deps); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestConfig_Validate(t *testing.T) {
	var c httpserver.Config
	c.SetDefaults()
	if err := c.Validate(); err != nil {
		t.Fatalf("the defaults are refused: %v", err)
	}
	c.WriteTimeout = c.OperationTimeout
	c.MaxBodyBytes = -1
	c.AllowedOrigins = []string{"*", "app.example.com", "https://app.example.com/"}
	c.PublicHosts = []string{"https://x", ""}
	err := c.Validate()
	for _, want := range []string{"write timeout", "max body", `"*"`, `"app.example.com"`, `"https://app.example.com/"`, `"https://x"`, `""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not complained about: %v", want, err)
		}
	}
	if !slices.Equal(c.PublicHosts, []string{"https://x", ""}) {
		t.Error("validate changed a list")
	}
}
