package httpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

var (
	unauthenticatedRefusal = &refusal{http.StatusUnauthorized, codeUnauthenticated,
		"the bearer token is not valid, or no longer: sign in again"}
	unavailableRefusal = &refusal{http.StatusServiceUnavailable, codeUnavailable,
		"sign-in cannot be checked at the moment: try again in a few seconds"}
	mediaTypeRefusal = &refusal{http.StatusUnsupportedMediaType, codeBadUserInput,
		"send application/json in UTF-8, or multipart/form-data for uploads, without a content encoding"}
	upgradeRefusal = &refusal{http.StatusBadRequest, codeBadUserInput, "this endpoint takes plain HTTP only: send no Upgrade header"}
)

// endpoint serves /graphql: the first transport that supports a request carries it.
type endpoint struct {
	exec         *executor.Executor
	transports   []graphql.Transport // in this order
	authenticate func(*http.Request) (context.Context, error)
	caller       func(context.Context) string
	callers      *callers
	maxBody      int64
	log          *slog.Logger
}

func newEndpoint(cfg Config, deps Deps) (*endpoint, error) {
	exec := executor.New(deps.Schema)
	present := &presenter{app: deps.ErrorPresenter, log: deps.Log}
	docs := newDocumentCache()
	exec.SetErrorPresenter(present.present)
	exec.SetRecoverFunc(present.recovered)
	exec.SetParserTokenLimit(cfg.MaxTokens + 1) // behind ours, which names the mend
	exec.SetDisableSuggestion(true)
	exec.SetDefaultRulesFn(quietRules)
	exec.SetQueryCache(docs)
	exec.Use(extension.Introspection{})
	exec.Use(answerGuard{})
	for _, e := range deps.Extensions {
		if err := e.Validate(deps.Schema); err != nil { // Use would panic
			return nil, err
		}
		exec.Use(e)
	}
	exec.Use(&shapeLimits{cfg: cfg, docs: docs})
	return &endpoint{
		exec: exec,
		transports: []graphql.Transport{
			&multipartTransport{cfg: cfg},
			&postTransport{cfg: cfg},
			&getTransport{cfg: cfg},
		},
		authenticate: deps.Authenticate,
		maxBody:      cfg.MaxBodyBytes,
		caller:       deps.Caller,
		callers:      &callers{most: cfg.MaxConcurrent, running: map[string]int{}},
		log:          deps.Log,
	}, nil
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	transport := e.transportFor(r)
	if transport == nil {
		e.refuseTransport(w, r)
		return
	}
	if _, ok := transport.(*postTransport); ok && r.ContentLength <= e.maxBody { // a longer one is refused unread
		buffer(r, e.maxBody) // else a slow body could be sent by a token that is revoked meanwhile
	}
	ctx, err := e.authenticate(r)
	if err != nil {
		e.refuseCaller(w, r, err)
		return
	}
	if e.caller != nil {
		who := e.caller(ctx)
		if _, upload := transport.(*multipartTransport); upload && who == "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, r, anonymousUploadRefusal)
			return
		}
		if who != "" {
			if !e.callers.enter(who) {
				w.Header().Set("Retry-After", "1")
				refuse(w, r, busyCallerRefusal)
				return
			}
			defer e.callers.leave(who)
		}
	}
	transport.Do(w, r.WithContext(graphql.StartOperationTrace(ctx)), e.exec)
}

// buffer reads the body, as far as it may be long. What is wrong with it is found when it is read again.
func buffer(r *http.Request, most int64) {
	var read bytes.Buffer
	_, _ = read.ReadFrom(io.LimitReader(r.Body, most+1))
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&read, r.Body), r.Body}
}

func (e *endpoint) transportFor(r *http.Request) graphql.Transport {
	for _, t := range e.transports {
		if t.Supports(r) {
			return t
		}
	}
	return nil
}

func (e *endpoint) refuseTransport(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		refuseMethod(w, r, "GET, POST")
	case r.Header.Get("Upgrade") != "":
		refuse(w, r, upgradeRefusal)
	default:
		w.Header().Set("Accept-Post", "application/json, multipart/form-data")
		refuse(w, r, mediaTypeRefusal)
	}
}

func (e *endpoint) refuseCaller(w http.ResponseWriter, r *http.Request, err error) {
	if down, ok := errors.AsType[interface {
		error
		Unavailable() bool
	}](err); ok && down.Unavailable() {
		e.log.ErrorContext(r.Context(), "sign-in unavailable", "error", err)
		w.Header().Set("Retry-After", "5")
		refuse(w, r, unavailableRefusal)
		return
	}
	e.log.InfoContext(r.Context(), "sign-in refused", "error", err)
	w.Header().Set("WWW-Authenticate", "Bearer")
	refuse(w, r, unauthenticatedRefusal)
}

// answerGuard stops the work of an operation that nobody waits for any more, and bounds the errors of an answer. It is
// the outermost extension with these hooks.
type answerGuard struct{}

func (answerGuard) ExtensionName() string                   { return "AnswerGuard" }
func (answerGuard) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptField does not enter a field once the caller has left or the deadline has passed.
func (answerGuard) InterceptField(ctx context.Context, next graphql.Resolver) (any, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return next(ctx)
}

// InterceptResponse says in the answer's extensions.errorsLeftOff how many errors are not told.
func (answerGuard) InterceptResponse(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	resp := next(ctx)
	if resp == nil {
		return nil
	}
	var left int
	if resp.Errors, left = trimErrors(resp.Errors); left > 0 {
		extensions := map[string]any{"errorsLeftOff": left}
		for k, v := range resp.Extensions {
			extensions[k] = v
		}
		resp.Extensions = extensions
	}
	return resp
}

// quietRules are the validation rules of the specification without the suggestions, which tell names that the caller
// did not ask for and cost a comparison with every name in the schema.
func quietRules() *rules.Rules {
	all := rules.NewDefaultRules()
	for loud, quiet := range map[string]core.Rule{
		"FieldsOnCorrectType": rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
		"KnownArgumentNames":  rules.KnownArgumentNamesRuleWithoutSuggestions,
		"KnownTypeNames":      rules.KnownTypeNamesRuleWithoutSuggestions,
		"ScalarLeafs":         rules.ScalarLeafsRuleWithoutSuggestions,
		"ValuesOfCorrectType": rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		all.RemoveRule(loud)
		all.AddRule(quiet.Name, quiet.RuleFunc)
	}
	return all
}

// documentCache keeps parsed and validated documents by their text. Long ones are left out: they are seldom sent twice,
// and a thousand of them would fill the memory.
type documentCache struct{ lru *lru.LRU[*ast.QueryDocument] }

const (
	cachedDocuments   = 500
	maxCachedDocument = 8 << 10 // bytes
)

func newDocumentCache() *documentCache {
	return &documentCache{lru: lru.New[*ast.QueryDocument](cachedDocuments)}
}

func (c *documentCache) Get(ctx context.Context, query string) (*ast.QueryDocument, bool) {
	return c.lru.Get(ctx, query)
}

func (c *documentCache) Add(ctx context.Context, query string, doc *ast.QueryDocument) {
	if len(query) <= maxCachedDocument {
		c.lru.Add(ctx, query, doc)
	}
}
