package httpserver

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

const (
	requestIDHeader = "X-Request-ID"
	graphqlPath     = "/graphql"
)

type requestKey struct{}

// request is what one line of the access log says of a request. Only the request's own goroutine writes to it.
type request struct {
	id        string
	operation string   // query or mutation; empty when none was reached
	errors    int      // in the answer
	codes     []string // of these errors, each once
}

// RequestID returns the id of the request that ctx belongs to, and "" outside of one. It is also in the answer's
// X-Request-ID header and in each error's extensions.requestId.
func RequestID(ctx context.Context) string {
	if r := requestOf(ctx); r != nil {
		return r.id
	}
	return ""
}

// answers notes what the answer says of errors.
func (r *request) answers(errs gqlerror.List) {
	r.errors = len(errs)
	for _, e := range errs {
		code, _ := e.Extensions["code"].(string)
		r.code(code)
	}
}

func (r *request) code(code string) {
	if !slices.Contains(r.codes, code) {
		r.codes = append(r.codes, code)
	}
}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// Operation is told of a request to /graphql when it has come, and returns the context that everything of it runs in. The
// front door calls end once, when the answer is written: with query, mutation or subscription, "" when the document was not
// reached or could not be read; with the different codes of the errors in the answer; and with gone when the caller left
// before there was one.
type Operation func(ctx context.Context, h http.Header) (within context.Context, end func(kind string, codes []string, gone bool))

// observe gives each request its id, writes one line about it, and answers for a handler that panics.
func observe(log *slog.Logger, operation Operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		info := &request{id: r.Header.Get(requestIDHeader)}
		if !validRequestID(info.id) {
			info.id = rand.Text()
		}
		w.Header().Set(requestIDHeader, info.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		rec := &recorder{ResponseWriter: w}
		ctx, end := context.WithValue(r.Context(), requestKey{}, info), func(string, []string, bool) {}
		if operation != nil && r.URL.Path == graphqlPath {
			ctx, end = operation(ctx, r.Header)
		}
		r = r.WithContext(ctx)
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				log.ErrorContext(r.Context(), "handler panicked", "panic", p, "stack", string(debug.Stack()))
				info.code(codeInternal)
				if rec.status == 0 {
					refuse(rec, r, internalRefusal)
					p = nil
				}
			}
			logRequest(log, r, info, rec, start)
			end(info.operation, info.codes, rec.status == 0 && r.Context().Err() != nil)
			if p != nil { // an answer was begun: it must not look complete
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// logRequest names the route by its pattern, never by the path: a path can hold the secret of a download.
func logRequest(log *slog.Logger, r *http.Request, info *request, rec *recorder, start time.Time) {
	status := rec.status
	switch {
	case status != 0:
	case r.Context().Err() != nil:
		status = statusClientGone
	default:
		status = http.StatusOK
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	attrs := []slog.Attr{
		slog.String("method", knownMethod(r.Method)),
		slog.String("route", r.Pattern),
		slog.Int("status", status),
		slog.Int64("bytes", rec.bytes),
		slog.Float64("duration_ms", float64(time.Since(start).Microseconds())/1000),
		slog.String("remote_ip", remote),
	}
	if info.operation != "" {
		attrs = append(attrs, slog.String("operation", info.operation))
	}
	if info.errors > 0 {
		attrs = append(attrs, slog.Int("error_count", info.errors))
	}
	log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// statusClientGone is what the log says when the caller left before there was an answer. It is never sent.
const statusClientGone = 499

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return m
	}
	return "other"
}

// validRequestID reports whether a caller's own id can be taken over: 1 to 64 of [A-Za-z0-9._-].
func validRequestID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// recorder notes what was sent. Flush, Hijack and deadlines are reached through Unwrap by http.ResponseController.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
