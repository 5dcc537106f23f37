package observe_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"steward/internal/authz/check"
	"steward/internal/config"
	"steward/internal/observe"
	"steward/internal/testing/world"
)

type families = map[string]*dto.MetricFamily

// scrape asks for metrics as Prometheus does.
func scrape(t testing.TB, url string) families {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s answers %d: %s", url, res.StatusCode, b)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	out, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// value returns a counter, a gauge or a histogram's count, by "label=value" pairs.
func value(t testing.TB, f families, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range f[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if slices.Equal(have, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("there is no %s %v: %v", name, labels, f[name])
	return 0
}

const page = `query Sesame($id: ID!) { node(id: $id) { ... on Account { name contacts(first: 20) { edges { node { id lastName email } } } } } }`

func TestMetrics_SecondReadIsFromMemory(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.WithConfig(func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" }))
	url := "http://" + w.App.MetricsAddr().String() + "/metrics"
	a := w.Account(t)
	owner := a.As(t, world.Owner)
	read := func() { w.Must(t, owner, page, world.Vars{"id": a.ID}) }
	before := scrape(t, url)
	read()
	first := scrape(t, url)
	read()
	second := scrape(t, url)
	grown := func(from, to families, name string, labels ...string) float64 {
		t.Helper()
		return value(t, to, name, labels...) - value(t, from, name, labels...)
	}
	const answered, calls = "steward_check_permissions_total", "steward_check_backend_calls_total"
	if grown(before, first, answered, "layer=spicedb") == 0 || grown(before, first, calls) == 0 {
		t.Error("the first read asked nothing of SpiceDB, so the second proves nothing")
	}
	if n := grown(first, second, answered, "layer=spicedb") + grown(first, second, answered, "layer=joined") + grown(first, second, calls); n != 0 {
		t.Errorf("the second read asked SpiceDB: %v", n)
	}
	asked := grown(first, second, "steward_check_asked_total")
	if n := grown(first, second, answered, "layer=memory"); n == 0 || n != asked {
		t.Errorf("the second read: %v of %v permissions from memory", n, asked)
	}
	waves := grown(first, second, "steward_check_waves_total")
	if n := grown(first, second, "steward_check_wave_duration_seconds", "layer=memory"); n == 0 || n != waves {
		t.Errorf("the second read: %v of %v waves took the time of memory", n, waves)
	}
	if n := grown(first, second, "steward_backend_call_duration_seconds", "call=generations"); n != waves {
		t.Errorf("%v reads of generations for %v waves", n, waves)
	}
	if n := grown(before, second, "steward_operations_total", "code=OK", "kind=query"); n != 2 {
		t.Errorf("%v queries, want 2", n)
	}
	if value(t, second, "steward_database_up") != 1 || value(t, second, "steward_outbox_pending") != 0 || value(t, second, "steward_outbox_oldest_age_seconds") != 0 {
		t.Error("the outbox is not empty")
	}
	w.Do(t, owner, `{ nothing }`, nil)
	w.Do(t, a.As(t, world.BillingOnly), `mutation($id: ID!) { editAccount(input: {accountId: $id, phone: "+44 161 496 0999"}) { auditId } }`, world.Vars{"id": a.ID})
	third := scrape(t, url)
	if grown(second, third, "steward_operations_total", "code=BAD_USER_INPUT", "kind=none") != 1 {
		t.Error("a document that cannot run is not counted")
	}
	if grown(second, third, "steward_operations_total", "code=FORBIDDEN", "kind=mutation") != 1 || grown(second, third, "steward_backend_call_duration_seconds", "call=check_live") == 0 {
		t.Error("a mutation that is refused is not counted")
	}
	documented(t, third)
	for _, path := range []string{w.URL + "/metrics", strings.TrimSuffix(url, "/metrics") + "/graphql"} {
		if res, err := http.Get(path); err != nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v %v", path, res, err)
		} else {
			res.Body.Close()
		}
	}
}

// row is a metric as the table in docs/observing.md has it.
type row struct{ kind, labels string }

func table(t testing.TB) map[string]row {
	t.Helper()
	text, err := os.ReadFile("../../docs/observing.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]row{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) == 6 && strings.HasPrefix(cells[1], " `steward_") {
			out[strings.Trim(cells[1], " `")] = row{strings.TrimSpace(cells[2]), strings.ReplaceAll(strings.TrimSpace(cells[3]), "`", "")}
		}
	}
	return out
}

// documented holds that each metric stands in the table as it is.
func documented(t testing.TB, f families) {
	t.Helper()
	rows := table(t)
	for name, family := range f {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_") {
			continue
		}
		var labels []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		want, ok := rows[name]
		documented := strings.FieldsFunc(want.labels, func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(documented)
		if !ok || want.kind != strings.ToLower(family.GetType().String()) || !slices.Equal(documented, labels) {
			t.Errorf("%s is a %s with labels %v; docs/observing.md says %+v", name, family.GetType(), labels, want)
		}
	}
}

// serveMetrics serves an Observer's metrics.
func serveMetrics(t testing.TB, o *observe.Observer) (url string) {
	t.Helper()
	s := httptest.NewServer(o.MetricsServer(slog.New(slog.DiscardHandler)).Handler)
	t.Cleanup(s.Close)
	return s.URL + "/metrics"
}

func TestMetrics_AreDocumented(t *testing.T) {
	t.Parallel()
	o, err := observe.New(observe.Options{Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	oldest := time.Now().Add(-time.Minute)
	var away error
	err = o.Watch(observe.Sources{
		Checks:  func() check.Stats { return check.Stats{Joined: 7} },
		Planner: func() observe.PlannerStats { return observe.PlannerStats{Unplanned: 3} },
		SpiceDB: func() observe.SpiceDBStats { return observe.SpiceDBStats{Lookups: 5} },
		Redis:   func() observe.RedisStats { return observe.RedisStats{Open: true, Dropped: 9} },
		Outbox:  func(context.Context) (int, time.Time, error) { return 2, oldest, away },
		Watch:   func() (bool, time.Time) { return true, oldest },
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveMetrics(t, o)
	f := scrape(t, url)
	documented(t, f)
	for name := range maps.Keys(table(t)) {
		if f[name] == nil {
			t.Errorf("docs/observing.md tells of %s, which is not there", name)
		}
	}
	for _, c := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{7, "steward_check_permissions_total", []string{"layer=joined"}}, {3, "steward_check_unplanned_total", nil},
		{5, "steward_spicedb_calls_total", []string{"call=lookup"}}, {9, "steward_redis_dropped_total", nil},
		{1, "steward_redis_breaker_open", nil}, {2, "steward_outbox_pending", nil}, {1, "steward_watch_leader", nil},
		{1, "steward_build_info", []string{"version=1.2.3"}}, {0, "steward_operations_total", []string{"code=INTERNAL", "kind=query"}},
	} {
		if got := value(t, f, c.name, c.labels...); got != c.want {
			t.Errorf("%s %v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	for _, name := range []string{"steward_outbox_oldest_age_seconds", "steward_watch_lag_seconds"} {
		if got := value(t, f, name); got < 60 || got > 120 {
			t.Errorf("%s is %v, want a minute", name, got)
		}
	}
	away = errors.New("the database is away")
	f = scrape(t, url)
	if value(t, f, "steward_database_up") != 0 || f["steward_outbox_pending"] != nil || f["steward_redis_loads_total"] == nil {
		t.Errorf("without the database: %v", slices.Sorted(maps.Keys(f)))
	}
}
