package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/observe"
	"steward/internal/relation"
	"steward/internal/testing/world"
)

const digits = "0123456789abcdef"

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) parse(t testing.TB) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		out = append(out, m)
	}
	return out
}

// newPath returns a read path of the World's SpiceDB that has kept nothing yet.
func newPath(w *world.World, o check.Observer) *check.Path {
	return check.New(check.Options{
		Backend: w.SpiceDB, Generations: check.NewLocal(), Permissions: w.Engine.Policy().AllPermissions(), Schema: "test",
		MemoryBytes: 1 << 20, Timeout: time.Minute, Observer: o,
	})
}

// What nobody waits for any more is no error; what comes too late is one. Both are waves that failed.
func TestChecks_Failed(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o, err := observe.New(observe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := newPath(w, o)
	if err := o.Watch(observe.Sources{Checks: path.Stats}); err != nil {
		t.Fatal(err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	asks := []authz.Ask{{Ref: authz.Ref{Type: relation.TypePlatform, ID: relation.PlatformID}, Bits: 1}}
	for i, ctx := range []context.Context{left, late} {
		if _, err := path.Check(ctx, authz.Subject{Type: relation.TypeUser, ID: "nobody"}, asks); err == nil {
			t.Fatal("it was answered")
		}
		f := scrape(t, serveMetrics(t, o))
		if n := value(t, f, "steward_check_errors_total"); n != float64(i) {
			t.Errorf("%v errors after %d waves", n, i+1)
		}
		if n := value(t, f, "steward_check_wave_duration_seconds", "layer=failed"); n != float64(i+1) {
			t.Errorf("%v failed waves of %d", n, i+1)
		}
	}
}

// A wave that memory answers allocates as much with an Observer as without one.
func TestObserver_CostsNoAllocation(t *testing.T) {
	w := world.New(t)
	a := w.Account(t)
	owner := authz.SubjectOf(a.As(t, world.Owner).Is)
	asks := []authz.Ask{{Ref: authz.Ref{Type: relation.TypeAccount, ID: string(a.Key), Tenant: a.Key}, Bits: 0b1111}}
	allocations := func(o check.Observer) float64 {
		path := newPath(w, o)
		read := func() {
			if _, err := path.Check(context.Background(), owner, asks); err != nil {
				t.Fatal(err)
			}
		}
		read()
		n := testing.AllocsPerRun(500, read)
		if s := path.Stats(); s.BackendCalls != 1 || s.Memory < 500*4 {
			t.Fatalf("not answered from memory: %+v", s)
		}
		return n
	}
	none := allocations(nil)
	for name, o := range map[string]observe.Options{"without a tracer": {}, "with one that does nothing": {Tracer: noop.NewTracerProvider().Tracer("")}} {
		observer, err := observe.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if n := allocations(observer); n != none {
			t.Errorf("%s: %v allocations a wave, %v without an Observer", name, n, none)
		}
		// All steps, also those that a wave from memory does not take.
		n := testing.AllocsPerRun(500, func() {
			for s := check.StepWave; s <= check.StepBackend; s++ {
				observer.End(observer.Begin(context.Background(), s), s, check.Outcome{Took: time.Millisecond, Asked: 5, Layer: check.LayerBackend})
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations to observe", name, n)
		}
	}
}
