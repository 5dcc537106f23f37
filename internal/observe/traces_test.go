package observe_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"steward/internal/config"
	"steward/internal/observe"
	"steward/internal/testing/world"
)

// receiver is a collector that takes spans over OTLP/HTTP.
type receiver struct {
	url  string
	came chan struct{}

	mu    sync.Mutex
	spans []*tracepb.Span
	raw   bytes.Buffer // as they came over the wire
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{came: make(chan struct{}, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			t.Errorf("%s: not what a collector takes (%v)", req.URL, err)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(body)
		for _, rs := range request.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				r.spans = append(r.spans, ss.GetSpans()...)
			}
		}
		select {
		case r.came <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// operations waits for so many operations with all of their spans, and returns these by trace.
func (r *receiver) operations(t testing.TB, n int) map[string][]*tracepb.Span {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		r.mu.Lock()
		traces, done := map[string][]*tracepb.Span{}, 0
		for _, s := range r.spans {
			traces[string(s.GetTraceId())] = append(traces[string(s.GetTraceId())], s)
			if s.GetName() == "operation" { // the last of its trace to end
				done++
			}
		}
		r.mu.Unlock()
		if done >= n {
			return traces
		}
		select {
		case <-r.came:
		case <-late:
			t.Fatalf("%d operations, want %d", done, n)
		}
	}
}

func attributes(s *tracepb.Span) map[string]string {
	out := map[string]string{}
	for _, a := range s.GetAttributes() {
		out[a.GetKey()] = a.GetValue().GetStringValue()
		if n := a.GetValue().GetIntValue(); n != 0 {
			out[a.GetKey()] = "N"
		}
	}
	return out
}

// tree prints the spans below a parent, sorted, as "wave(check fence generations)".
func tree(spans []*tracepb.Span, parent []byte) string {
	var out []string
	for _, s := range spans {
		if bytes.Equal(s.GetParentSpanId(), parent) {
			text := s.GetName()
			if below := tree(spans, s.GetSpanId()); below != "" {
				text += "(" + below + ")"
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

// ask sends an operation with a traceparent, for which the World's own way has no place.
func ask(t testing.TB, w *world.World, as world.Person, traceparent, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/graphql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+as.Token)
	req.Header.Set("X-Request-ID", "sesame-request")
	if traceparent != "" {
		req.Header.Set("traceparent", traceparent)
		req.Header.Set("tracestate", "sesame=open")
		req.Header.Set("baggage", "sesame=open")
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || bytes.Contains(b, []byte(`"errors"`)) {
		t.Fatalf("%d %s", res.StatusCode, b)
	}
}

func body(t testing.TB, query string, vars world.Vars) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"query": query, "variables": vars, "operationName": "Sesame"})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTraces(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // milliseconds until spans are sent
	r := newReceiver(t)
	var log lines
	w := world.New(t, world.WithConfig(func(c *config.Config) { c.OTLPEndpoint = r.url }), world.WithLog(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	a := w.Account(t)
	owner := a.As(t, world.Owner)
	// The caller says that the trace is not recorded, which is not the caller's to say.
	const theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
	query := body(t, page, world.Vars{"id": a.ID})
	ask(t, w, owner, "00-"+theirs+"-00f067aa0ba902b7-00", query)
	ask(t, w, owner, "", query)
	ask(t, w, owner, "", body(t, `mutation Sesame($id: ID!) { editAccount(input: {accountId: $id, phone: "+44 161 496 0999"}) { auditId } }`, world.Vars{"id": a.ID}))
	traces := r.operations(t, 3)
	var shapes []string
	for id, spans := range traces {
		var root []byte
		for _, s := range spans {
			if s.GetName() == "operation" {
				root = s.GetSpanId()
				shapes = append(shapes, attributes(s)["graphql.operation.type"]+" "+tree(spans, root))
			}
			if want := bytes.Equal([]byte(id), unhex(theirs)); s.GetName() == "operation" && want != (len(s.GetParentSpanId()) > 0) {
				t.Errorf("an operation of trace %x has parent %x", id, s.GetParentSpanId())
			}
		}
	}
	slices.Sort(shapes)
	// The mutation changes no right, and its answer selects no object, so that there is nothing to write.
	if want := []string{"mutation check_live", "query wave(check fence generations) wave(check generations)", "query wave(generations)"}; !slices.Equal(shapes, want) {
		t.Errorf("the spans are %q, want %q", shapes, want)
	}
	if traces[string(unhex(theirs))] == nil {
		t.Error("the caller's trace was not taken over")
	}
	nothingPersonal(t, r, a, owner)
	inLog(t, &log, traces)
}

func unhex(s string) []byte {
	out := make([]byte, 0, 16)
	for i := 0; i < len(s); i += 2 {
		out = append(out, byte(strings.IndexByte(digits, s[i])<<4|strings.IndexByte(digits, s[i+1])))
	}
	return out
}

// nothingPersonal holds that spans have the attributes that the documentation lists, with a few words as their values, and
// that nothing of what was asked, by whom and of what has left in any other way.
func nothingPersonal(t *testing.T, r *receiver, a *world.Account, who world.Person) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	allowed := map[string][]string{
		"graphql.operation.type": {"query", "mutation", "none"}, "steward.code": {"OK"}, "steward.permissions": {"N"},
		"steward.layer": {"memory", "redis", "joined", "spicedb"},
	}
	for _, s := range r.spans {
		for key, value := range attributes(s) {
			if !slices.Contains(allowed[key], value) {
				t.Errorf("span %s has %s=%q", s.GetName(), key, value)
			}
		}
		if len(s.GetEvents())+len(s.GetLinks()) > 0 || s.GetTraceState() != "" || s.GetStatus().GetMessage() != "" {
			t.Errorf("span %s has more: %v", s.GetName(), s)
		}
	}
	sent := strings.ToLower(r.raw.String())
	for _, secret := range []string{"sesame", who.Is.ID, who.Email, who.Name, string(a.Key), a.ID, a.Name, "contacts", "161 496"} {
		if strings.Contains(sent, strings.ToLower(secret)) {
			t.Errorf("the collector is told %q", secret)
		}
	}
}

// inLog holds that each line of these requests has their request id, once, and a trace that the collector knows.
func inLog(t *testing.T, log *lines, traces map[string][]*tracepb.Span) {
	t.Helper()
	requests := 0
	for _, line := range log.parse(t) {
		if line["request_id"] != "sesame-request" {
			continue
		}
		requests++
		id, _ := line["trace_id"].(string)
		if span, _ := line["span_id"].(string); len(span) != 16 || len(id) != 32 || traces[string(unhex(id))] == nil {
			t.Errorf("a line of trace %q, which the collector does not know: %v", id, line)
		}
	}
	if requests < 3 {
		t.Errorf("%d lines of 3 requests: %v", requests, slices.Sorted(maps.Keys(traces)))
	}
	for _, line := range strings.Split(log.String(), "\n") {
		if strings.Count(line, `"request_id"`) > 1 {
			t.Errorf("a line has two request ids: %s", line)
		}
	}
}

// A collector that is away costs its spans and one line of the log; neither the requests nor the end wait for it.
func TestTraces_CollectorAway(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	var log lines
	traces, err := observe.OpenTraces(t.Context(), gone.URL, "test", slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, span := traces.Tracer().Start(t.Context(), "x")
		span.End()
	}
	begin := time.Now()
	if err := traces.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the end took %s", took)
	}
	lines := log.parse(t)
	if len(lines) != 1 || lines[0]["level"] != "WARN" || lines[0]["spans"] != 3.0 {
		t.Errorf("the log says %v", lines)
	}
	for _, bad := range []string{"", "127.0.0.1:4318", "://x"} {
		if _, err := observe.OpenTraces(t.Context(), bad, "test", slog.Default()); err == nil || !strings.Contains(err.Error(), "otlp-endpoint") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
