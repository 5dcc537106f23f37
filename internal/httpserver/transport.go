package httpserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

var (
	notAcceptableRefusal = &refusal{http.StatusNotAcceptable, codeBadUserInput,
		"the answer can only be application/json or application/graphql-response+json: accept one of them"}
	tooLargeRefusal = &refusal{http.StatusRequestEntityTooLarge, codeBadUserInput,
		"the request body is too large: send less in one request"}
	tooSlowRefusal = &refusal{http.StatusRequestTimeout, codeBadUserInput,
		"the request body did not come in time: send it again"}
	brokenBodyRefusal = badRequest("the request body broke off: send it again")
	notJSONRefusal    = badRequest("the request body is not one JSON object in UTF-8")
	noQueryRefusal    = badRequest("the request has no query: send the document as the string \"query\"")
	readOnlyRefusal   = &refusal{http.StatusMethodNotAllowed, codeBadUserInput, "GET can only run a query: use POST"}
	streamRefusal     = badRequest("subscriptions cannot be answered here: only queries and mutations can")
)

// postTransport carries an operation as a JSON object.
type postTransport struct{ cfg Config }

func (*postTransport) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" && plainBody(r) && bodyType(r) == typeJSON
}

func (t *postTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	mediaType := negotiate(r.Header.Values("Accept"))
	if mediaType == "" {
		refuse(w, r, notAcceptableRefusal)
		return
	}
	if r.ContentLength > t.cfg.MaxBodyBytes {
		refuse(w, r, tooLargeRefusal)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, t.cfg.MaxBodyBytes))
	if err != nil {
		refuse(w, r, bodyRefusal(err))
		return
	}
	params, why := decodeParams(body)
	if why != nil {
		refuse(w, r, why)
		return
	}
	run(w, r, t.cfg, exec, mediaType, params)
}

// getTransport carries a query in the URL.
type getTransport struct{ cfg Config }

func (*getTransport) Supports(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Upgrade") == ""
}

func (t *getTransport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	mediaType := negotiate(r.Header.Values("Accept"))
	if mediaType == "" {
		refuse(w, r, notAcceptableRefusal)
		return
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !utf8.ValidString(values.Get("query")) {
		refuse(w, r, badRequest("the query string of the URL is not well encoded"))
		return
	}
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName")}
	var why *refusal
	if params.Variables, why = decodeObject("variables", []byte(values.Get("variables"))); why == nil {
		params.Extensions, why = decodeObject("extensions", []byte(values.Get("extensions")))
	}
	if why == nil && params.Query == "" {
		why = noQueryRefusal
	}
	if why != nil {
		refuse(w, r, why)
		return
	}
	run(w, r, t.cfg, exec, mediaType, params)
}

// plainBody reports whether the body is UTF-8 as it is. Compressed bodies are refused: their size is not known.
func plainBody(r *http.Request) bool {
	encoding := r.Header.Get("Content-Encoding")
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	return err == nil && (charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8"))
}

func bodyType(r *http.Request) string {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return mediaType
}

func bodyRefusal(err error) *refusal {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLargeRefusal
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return tooSlowRefusal
	}
	return brokenBodyRefusal
}

// decodeParams reads the four members of a request, spelled exactly; others are left alone, as the specification of
// GraphQL over HTTP asks. Nothing may follow the object.
func decodeParams(body []byte) (*graphql.RawParams, *refusal) {
	if b := bytes.TrimLeft(body, " \t\r\n"); len(b) > 0 && b[0] == '[' {
		return nil, badRequest("the request body is a list: send one operation per request")
	}
	var members map[string]json.RawMessage
	if !utf8.Valid(body) || json.Unmarshal(body, &members) != nil || members == nil {
		return nil, notJSONRefusal
	}
	params := &graphql.RawParams{}
	if why := decodeString("query", members["query"], &params.Query); why != nil {
		return nil, why
	}
	if params.Query == "" {
		return nil, noQueryRefusal
	}
	if why := decodeString("operationName", members["operationName"], &params.OperationName); why != nil {
		return nil, why
	}
	var why *refusal
	if params.Variables, why = decodeObject("variables", members["variables"]); why != nil {
		return nil, why
	}
	if params.Extensions, why = decodeObject("extensions", members["extensions"]); why != nil {
		return nil, why
	}
	return params, nil
}

func decodeString(name string, raw json.RawMessage, into *string) *refusal {
	if len(raw) == 0 {
		return nil
	}
	if json.Unmarshal(raw, into) != nil {
		return badRequest(name + " must be a string")
	}
	return nil
}

// decodeObject keeps numbers as they were written, so that large ids lose no digits.
func decodeObject(name string, raw []byte) (map[string]any, *refusal) {
	if len(raw) == 0 {
		return nil, nil
	}
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err := dec.Decode(&object)
	if err == nil {
		if _, end := dec.Token(); end == io.EOF {
			return object, nil
		}
	}
	return nil, badRequest(name + " must be a JSON object")
}

// run executes one operation and writes its answer. A document that cannot run is a request error: without a data key,
// with status 200 as application/json (as clients of that type expect) and 400 as application/graphql-response+json.
func run(w http.ResponseWriter, r *http.Request, cfg Config, exec graphql.GraphExecutor, mediaType string, params *graphql.RawParams) {
	late := &deadlineError{after: cfg.OperationTimeout}
	ctx, cancel := context.WithTimeoutCause(r.Context(), cfg.OperationTimeout, late)
	defer cancel()
	info := requestOf(ctx)
	now := graphql.Now()
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: graphql.GetStartTime(ctx), End: now}
	oc, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		writeRequestErrors(w, info, mediaType, exec.DispatchError(graphql.WithOperationContext(ctx, oc), errs))
		return
	}
	info.operation = string(oc.Operation.Operation)
	switch {
	case r.Method == http.MethodGet && oc.Operation.Operation != ast.Query:
		w.Header().Set("Allow", "POST")
		refuse(w, r, readOnlyRefusal)
		return
	case oc.Operation.Operation == ast.Subscription:
		refuse(w, r, streamRefusal)
		return
	}
	respond, ctx := exec.DispatchOperation(ctx, oc)
	resp := respond(ctx)
	if r.Context().Err() != nil {
		return // the caller has left
	}
	if resp == nil {
		refuse(w, r, &refusal{http.StatusServiceUnavailable, codeUnavailable, late.Error()})
		return
	}
	info.answers(resp.Errors)
	signErrors(resp.Errors, info.id)
	writeResult(w, mediaType, http.StatusOK, executed(resp))
}

// signErrors puts the request id into the errors that an extension added to the answer after the presenter had its turn.
func signErrors(errs gqlerror.List, id string) {
	for _, e := range errs {
		if _, signed := e.Extensions["requestId"]; !signed {
			ext := maps.Clone(e.Extensions)
			if ext == nil {
				ext = map[string]any{}
			}
			ext["requestId"] = id
			e.Extensions = ext
		}
	}
}

func writeRequestErrors(w http.ResponseWriter, info *request, mediaType string, resp *graphql.Response) {
	status := http.StatusOK
	if mediaType == typeGraphQL {
		status = http.StatusBadRequest
	}
	res := &result{errors: resp.Errors, extensions: resp.Extensions}
	if len(res.errors) == 0 { // an answer without errors and data would not be one
		res.errors = gqlerror.List{{Message: internalMessage, Extensions: map[string]any{"code": codeInternal, "requestId": info.id}}}
	}
	info.answers(res.errors)
	writeResult(w, mediaType, status, res)
}
