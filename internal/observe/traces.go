package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Traces sends spans to a collector. It is no global: who makes spans is handed its Tracer.
type Traces struct{ provider *sdk.TracerProvider }

const tracesPath = "/v1/traces"

// OpenTraces returns Traces that go to the collector at endpoint, such as http://127.0.0.1:4318, over OTLP. It neither waits
// for the collector nor fails without it: spans that cannot be sent are lost, and the log says so.
//
// Every operation is traced, unless OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG say otherwise. OTEL_RESOURCE_ATTRIBUTES
// and OTEL_EXPORTER_OTLP_HEADERS, for a collector that wants a key, are heeded too.
func OpenTraces(ctx context.Context, endpoint, version string, log *slog.Logger) (*Traces, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("otlp-endpoint must be an http or https address, such as http://127.0.0.1:4318")
	}
	if !strings.HasSuffix(u.Path, tracesPath) {
		u.Path = strings.TrimSuffix(u.Path, "/") + tracesPath
	}
	exporter, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(u.String()),
		otlptracehttp.WithTimeout(5*time.Second),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: 10 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("otlp-endpoint %s: %w", u.Redacted(), err)
	}
	return &Traces{sdk.NewTracerProvider(
		sdk.WithBatcher(&exporterThatLogs{SpanExporter: exporter, log: log}),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "steward"), attribute.String("service.version", version))),
	)}, nil
}

// Tracer makes spans.
func (t *Traces) Tracer() trace.Tracer { return t.provider.Tracer("steward") }

// closeTimeout is how long an end waits for the last spans to be sent.
const closeTimeout = 3 * time.Second

// Close sends what waits to be sent. A collector that does not take it is no error of ours.
func (t *Traces) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
	return nil
}

// exporterThatLogs says in our log, once a minute at most, that spans were lost. The library would print it elsewhere.
type exporterThatLogs struct {
	sdk.SpanExporter
	log  *slog.Logger
	lost atomic.Int64
	told atomic.Int64 // Unix seconds
}

// ExportSpans implements sdk.SpanExporter.
func (e *exporterThatLogs) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	e.lost.Add(int64(len(spans)))
	now, told := time.Now().Unix(), e.told.Load()
	if now-told >= 60 && e.told.CompareAndSwap(told, now) {
		e.log.WarnContext(ctx, "spans are lost: the collector at otlp-endpoint does not take them", "spans", e.lost.Swap(0), "error", err)
	}
	return nil
}
