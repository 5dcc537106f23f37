package httpserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The two media types in which an answer can be written.
const (
	typeJSON    = "application/json"
	typeGraphQL = "application/graphql-response+json"
)

// The codes that an error of an answer may carry in extensions.code.
const (
	codeUnauthenticated = "UNAUTHENTICATED"
	codeForbidden       = "FORBIDDEN"
	codeNotFound        = "NOT_FOUND"
	codeBadUserInput    = "BAD_USER_INPUT"
	codeConflict        = "CONFLICT"
	codeAuthzPending    = "AUTHZ_PENDING"
	codeRateLimited     = "RATE_LIMITED"
	codeUnavailable     = "UNAVAILABLE"
	codeInternal        = "INTERNAL"
)

func knownCode(code string) bool {
	switch code {
	case codeUnauthenticated, codeForbidden, codeNotFound, codeBadUserInput, codeConflict, codeAuthzPending,
		codeRateLimited, codeUnavailable, codeInternal:
		return true
	}
	return false
}

// refusal is an answer to a request that is not executed: a status, a code, and a sentence that says how to mend it.
type refusal struct {
	status  int
	code    string
	message string
}

func badRequest(message string) *refusal {
	return &refusal{http.StatusBadRequest, codeBadUserInput, message}
}

var internalRefusal = &refusal{http.StatusInternalServerError, codeInternal, internalMessage}

// refuse writes a refusal, in the media type that the request asks for where it asks for one of ours.
func refuse(w http.ResponseWriter, r *http.Request, why *refusal) {
	mediaType := negotiate(r.Header.Values("Accept"))
	if mediaType == "" {
		mediaType = typeJSON
	}
	info := requestOf(r.Context())
	if info != nil {
		info.errors++
		info.code(why.code)
	}
	writeResult(w, mediaType, why.status, &result{errors: gqlerror.List{{
		Message:    why.message,
		Extensions: map[string]any{"code": why.code, "requestId": RequestID(r.Context())},
	}}})
}

// result is the body of an answer. Without executed it has no data key, as a request error must not have one.
type result struct {
	errors     gqlerror.List
	data       json.RawMessage
	executed   bool
	extensions map[string]any
}

func executed(resp *graphql.Response) *result {
	return &result{errors: resp.Errors, data: resp.Data, executed: true, extensions: resp.Extensions}
}

// writeResult writes errors first, so that a reader of a stream sees them early. The data is gqlgen's own JSON and is
// copied as it is: to marshal it again would cost as much as writing it did.
func writeResult(w http.ResponseWriter, mediaType string, status int, res *result) {
	var body bytes.Buffer
	body.Grow(len(res.data) + 512)
	body.WriteByte('{')
	ok := appendMember(&body, "errors", res.errors, len(res.errors) > 0)
	if res.executed {
		startMember(&body, "data")
		if len(res.data) == 0 {
			body.WriteString("null")
		} else {
			body.Write(res.data)
		}
	}
	ok = appendMember(&body, "extensions", res.extensions, len(res.extensions) > 0) && ok
	body.WriteByte('}')
	if !ok {
		status = http.StatusInternalServerError
		body.Reset()
		body.WriteString(`{"errors":[{"message":"` + internalMessage + `","extensions":{"code":"INTERNAL"}}]}`)
	}
	h := w.Header()
	h.Set("Content-Type", mediaType+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // an error means that the caller left
}

func startMember(body *bytes.Buffer, name string) {
	if body.Len() > 1 {
		body.WriteByte(',')
	}
	body.WriteString(`"` + name + `":`)
}

func appendMember(body *bytes.Buffer, name string, value any, present bool) bool {
	if !present {
		return true
	}
	b, err := json.Marshal(value)
	if err != nil {
		return false
	}
	startMember(body, name)
	body.Write(b)
	return true
}
