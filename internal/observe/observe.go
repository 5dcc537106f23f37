// Package observe shows what Steward does: numbers for Prometheus, spans for OpenTelemetry, and a trace id in each line of
// the log. It decides nothing, and without it everything works as it does with it.
//
//	o, err := observe.New(observe.Options{Version: version, Tracer: traces.Tracer()})
//	check.New(check.Options{Observer: o, ...})          // waves and what they wait for
//	httpserver.Deps{Operation: o.Operation, ...}        // operations
//	o.Watch(observe.Sources{Checks: checks.Stats, ...}) // counters that the parts keep themselves, read when asked for
//	o.MetricsServer(log).Serve(listener)
//
// Nothing in a label or a span tells of a person: no ids, no text of a query, no variables, no names that callers choose.
// Every label has a fixed set of values. docs/observing.md lists all of it, and a test holds that it does.
package observe

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"steward/internal/authz/check"
)

// Options are what an Observer takes.
type Options struct {
	Version string
	Tracer  trace.Tracer // nil, or one of package noop: no spans, and nothing is spent on them
}

// Observer is told what happens and counts it. It is safe for concurrent use.
type Observer struct {
	registry *prometheus.Registry
	tracer   trace.Tracer // nil: no spans

	waves      [5]prometheus.Observer // by layer, and failed
	calls      [callCount]prometheus.Observer
	operations operationMetrics
}

var _ check.Observer = (*Observer)(nil)

// New returns an Observer with a registry of its own: others in this process use the default one.
func New(o Options) (*Observer, error) {
	w := &Observer{registry: prometheus.NewRegistry(), tracer: o.Tracer}
	if _, silent := o.Tracer.(noop.Tracer); silent {
		w.tracer = nil
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "steward_build_info", Help: "Always 1; the label says which version runs."}, []string{"version"})
	build.WithLabelValues(o.Version).Set(1)
	return w, errors.Join(
		w.registry.Register(collectors.NewGoCollector()),
		w.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		w.registry.Register(build),
		w.registerWaves(), w.registerCalls(), w.operations.register(w.registry),
	)
}

// call is something in another process, or in SpiceDB, that somebody waits for.
type call uint8

const (
	callGenerations call = iota
	callRedis
	callFence
	callCheck
	callLive
	callWrite
	callLookup
	callCount
)

var callNames = [callCount]string{"generations", "redis", "fence", "check", "check_live", "write", "lookup"}

var callOf = [...]call{check.StepGenerations: callGenerations, check.StepShared: callRedis, check.StepFence: callFence, check.StepBackend: callCheck}

var layerNames = [...]string{check.LayerMemory: "memory", check.LayerShared: "redis", check.LayerJoined: "joined", check.LayerBackend: "spicedb", failed: "failed"}

// failed is the label of waves that no layer answered.
const failed = 4

// buckets go from an answer out of memory to one that came too late.
var buckets = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func (w *Observer) registerWaves() error {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "steward_check_wave_duration_seconds", Help: "How long waves took, by the last layer that they needed; failed: those that were refused.", Buckets: buckets,
	}, []string{"layer"})
	for i, name := range layerNames {
		w.waves[i] = vec.WithLabelValues(name)
	}
	return w.registry.Register(vec)
}

func (w *Observer) registerCalls() error {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "steward_backend_call_duration_seconds", Help: "How long somebody waited for the database, Redis or SpiceDB, failures included.", Buckets: buckets,
	}, []string{"call"})
	for i, name := range callNames {
		w.calls[i] = vec.WithLabelValues(name)
	}
	return w.registry.Register(vec)
}

// Begin implements check.Observer.
func (w *Observer) Begin(ctx context.Context, s check.Step) context.Context {
	switch {
	case w.tracer == nil:
		return ctx
	case s == check.StepWave:
		return w.span(ctx, spanWave, trace.SpanKindInternal)
	}
	return w.span(ctx, callNames[callOf[s]], trace.SpanKindClient)
}

// End implements check.Observer.
func (w *Observer) End(ctx context.Context, s check.Step, o check.Outcome) {
	if s != check.StepWave {
		w.calls[callOf[s]].Observe(o.Took.Seconds())
		w.endSpan(ctx, o.Asked, "", o.Err)
		return
	}
	layer := o.Layer
	if o.Err != nil {
		layer = failed
	}
	w.waves[layer].Observe(o.Took.Seconds())
	w.endSpan(ctx, o.Asked, layerNames[layer], o.Err)
}

// during observes a call that is no step of a wave.
func (w *Observer) during(ctx context.Context, c call, asked int, fn func(context.Context) error) error {
	begin := time.Now()
	if w.tracer != nil {
		ctx = w.span(ctx, callNames[c], trace.SpanKindClient)
	}
	err := fn(ctx)
	w.calls[c].Observe(time.Since(begin).Seconds())
	w.endSpan(ctx, asked, "", err)
	return err
}

// The names of spans that are no calls, and the attributes of all.
const (
	spanOperation = "operation"
	spanWave      = "wave"

	keyKind        = attribute.Key("graphql.operation.type")
	keyCode        = attribute.Key("steward.code")
	keyLayer       = attribute.Key("steward.layer")
	keyPermissions = attribute.Key("steward.permissions")
)

func (w *Observer) span(ctx context.Context, name string, kind trace.SpanKind) context.Context {
	ctx, _ = w.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx
}

// endSpan ends the span that began with ctx. An error's text stays out of it: it may name an object or a person.
func (w *Observer) endSpan(ctx context.Context, asked int, layer string, err error) {
	if w.tracer == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	if asked > 0 {
		span.SetAttributes(keyPermissions.Int(asked))
	}
	if layer != "" {
		span.SetAttributes(keyLayer.String(layer))
	}
	if err != nil {
		span.SetStatus(codes.Error, reason(err))
	}
	span.End()
}

// reason says in one of a few words why something failed.
func reason(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	}
	return "failed"
}
