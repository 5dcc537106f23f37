package observe

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"steward/internal/domain"
)

// What the label code says beside the codes of errors.
const (
	codeOK   = "OK"
	codeGone = "GONE" // the caller left before there was an answer
)

// gravest are the codes of errors, the one that an operator should hear of first before the others. Of several errors in
// one answer, the label has the first of these.
var gravest = []string{
	string(domain.CodeInternal), string(domain.CodeAuthzPending), string(domain.CodeUnavailable), string(domain.CodeRateLimited),
	string(domain.CodeConflict), string(domain.CodeBadUserInput), string(domain.CodeUnauthenticated), string(domain.CodeForbidden),
	string(domain.CodeNotFound),
}

// kinds are the kinds of operations; none is a request that did not get as far.
var kinds = []string{"query", "mutation", "none"}

type operationMetrics struct {
	total   *prometheus.CounterVec
	took    *prometheus.HistogramVec
	pending prometheus.Counter
}

func (m *operationMetrics) register(r *prometheus.Registry) error {
	m.total = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "steward_operations_total", Help: "Requests to /graphql, by the kind of operation and the gravest code in the answer.",
	}, []string{"kind", "code"})
	m.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "steward_operation_duration_seconds", Help: "How long requests to /graphql took, until the answer was written.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"kind"})
	m.pending = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "steward_authz_pending_answers_total", Help: "Answers that told a caller AUTHZ_PENDING: the change was written and not yet effective.",
	})
	for _, kind := range kinds { // a series that appears with its first error has no increase to alert on
		for _, code := range append([]string{codeOK, codeGone}, gravest...) {
			m.total.WithLabelValues(kind, code)
		}
		m.took.WithLabelValues(kind)
	}
	for _, c := range []prometheus.Collector{m.total, m.took, m.pending} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// Operation is told of a request to /graphql with its headers, and returns the context that everything of the request runs
// in. The caller calls end once, with the kind of the operation ("" when it was not found out) and the different codes of
// the errors in the answer; gone says that the caller left before there was one.
func (w *Observer) Operation(ctx context.Context, h http.Header) (within context.Context, end func(kind string, errorCodes []string, gone bool)) {
	begin := time.Now()
	if w.tracer != nil {
		ctx = w.span(callersTrace(ctx, h), spanOperation, trace.SpanKindServer)
	}
	return ctx, func(kind string, errorCodes []string, gone bool) {
		if !slices.Contains(kinds, kind) {
			kind = "none"
		}
		code := codeOf(errorCodes, gone)
		w.operations.total.WithLabelValues(kind, code).Inc()
		w.operations.took.WithLabelValues(kind).Observe(time.Since(begin).Seconds())
		if slices.Contains(errorCodes, string(domain.CodeAuthzPending)) {
			w.operations.pending.Inc()
		}
		if w.tracer != nil {
			endOperation(trace.SpanFromContext(ctx), kind, code)
		}
	}
}

func endOperation(span trace.Span, kind, code string) {
	span.SetAttributes(keyKind.String(kind), keyCode.String(code))
	switch domain.Code(code) {
	case domain.CodeInternal, domain.CodeUnavailable, domain.CodeAuthzPending:
		span.SetStatus(codes.Error, code)
	}
	span.End()
}

func codeOf(errorCodes []string, gone bool) string {
	if gone {
		return codeGone
	}
	for _, code := range gravest {
		if slices.Contains(errorCodes, code) {
			return code
		}
	}
	if len(errorCodes) > 0 {
		return string(domain.CodeInternal)
	}
	return codeOK
}

// callersTrace takes over the trace that the caller's request belongs to, and no more: its state and baggage are text of
// the caller's choice. Whether it is recorded is not for the caller to say either.
func callersTrace(ctx context.Context, h http.Header) context.Context {
	theirs := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(h)))
	if !theirs.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: theirs.TraceID(), SpanID: theirs.SpanID(), TraceFlags: trace.FlagsSampled,
	}))
}
