package observe_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"steward/internal/app"
	"steward/internal/config"
	"steward/internal/testing/servers"
	"steward/internal/testing/world"
)

func metricsOf(r *world.Replica) string { return "http://" + r.App.MetricsAddr().String() + "/metrics" }

// eventually asks again until ok; what happens in the background has half a minute for it.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// What one replica has asked, the other finds in Redis; of both, one watches SpiceDB.
func TestMetrics_Many(t *testing.T) {
	t.Parallel()
	w := world.New(t, world.On(world.Many), world.WithConfig(func(c *config.Config) { c.MetricsListen = "127.0.0.1:0" }))
	a := w.Account(t)
	owner := a.As(t, world.Owner)
	one, two := w.Replica(0), w.Replica(1)
	one.Must(t, owner, page, world.Vars{"id": a.ID})
	eventually(t, "everything that was missed is stored", func() bool {
		f := scrape(t, metricsOf(one))
		return value(t, f, "steward_redis_stores_total") == value(t, f, "steward_redis_misses_total")
	})
	before := scrape(t, metricsOf(two))
	two.Must(t, owner, page, world.Vars{"id": a.ID})
	after := scrape(t, metricsOf(two))
	grown := func(name string, labels ...string) float64 {
		t.Helper()
		return value(t, after, name, labels...) - value(t, before, name, labels...)
	}
	asked := grown("steward_check_asked_total")
	if n := grown("steward_check_permissions_total", "layer=redis"); n == 0 || n != asked {
		t.Errorf("%v of %v permissions from Redis: %v", n, asked, after["steward_check_permissions_total"])
	}
	waves := grown("steward_check_waves_total")
	if n := grown("steward_check_wave_duration_seconds", "layer=redis"); n != waves || grown("steward_backend_call_duration_seconds", "call=redis") != waves {
		t.Errorf("%v of %v waves took the time of Redis", n, waves)
	}
	if grown("steward_redis_hits_total") == 0 || value(t, after, "steward_redis_breaker_open") != 0 {
		t.Errorf("Redis does not answer: %v", after["steward_redis_errors_total"])
	}
	documented(t, after)
	eventually(t, "one watches and hears of SpiceDB", func() bool {
		leaders, heard := 0.0, false
		for _, r := range []*world.Replica{one, two} {
			f := scrape(t, metricsOf(r))
			leaders += value(t, f, "steward_watch_leader")
			heard = heard || f["steward_watch_lag_seconds"] != nil && value(t, f, "steward_watch_lag_seconds") < 30
		}
		return leaders == 1 && heard
	})
}

// ready asks /readyz.
func ready(t testing.TB, w *world.World) (code int, status string, parts map[string]string, text string) {
	t.Helper()
	res, err := http.Get(w.URL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Status string
		Parts  map[string]string
	}
	if err := json.Unmarshal(b, &said); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return res.StatusCode, said.Status, said.Parts, string(b)
}

func TestReady_Embedded(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	if code, status, parts, text := ready(t, w); code != 200 || status != "ok" || !maps.Equal(parts, map[string]string{"database": "ok", "spicedb": "ok"}) {
		t.Errorf("%d %s", code, text)
	}
}

// Parts that stop, one after the other, show as missing and come back; the process lives meanwhile.
func TestReady_PartsStop(t *testing.T) {
	t.Parallel()
	cluster, redis := servers.OwnPostgres(t), servers.Redis(t)
	url, err := cluster.CreateDatabase(t.Context(), "ready", "")
	if err != nil {
		t.Fatal(err)
	}
	migrated := config.Config{DatabaseURL: url}
	migrated.SetDefaults()
	if err := app.Migrate(t.Context(), migrated, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var log lines
	w := world.New(t, world.On(world.Redis), world.WithLog(slog.NewJSONHandler(&log, nil)), world.WithConfig(func(c *config.Config) {
		c.DatabaseURL, c.RedisURL = url, redis.URL
	}))
	want := func(code int, status string, missing ...string) {
		t.Helper()
		wanted := map[string]string{"database": "ok", "redis": "ok", "spicedb": "ok"}
		for _, part := range missing {
			wanted[part] = "missing"
		}
		eventually(t, status+" "+strings.Join(missing, ","), func() bool {
			gotCode, gotStatus, parts, text := ready(t, w)
			if strings.Contains(text, "dial") || strings.Contains(text, "127.0.0.1") {
				t.Errorf("the answer has a driver's text: %s", text)
			}
			return gotCode == code && gotStatus == status && maps.Equal(parts, wanted)
		})
		res, err := http.Get(w.URL + "/healthz")
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("/healthz: %v %v", res, err)
		}
		res.Body.Close()
	}
	need := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want(200, "ok")
	need(redis.Stop())
	want(200, "degraded", "redis")
	need(cluster.Pause()) // takes connections and answers nothing
	want(503, "unavailable", "database", "redis", "spicedb")
	need(cluster.Resume())
	want(200, "degraded", "redis")
	need(redis.Start(t.Context()))
	want(200, "ok")
	if !slices.ContainsFunc(log.parse(t), func(line map[string]any) bool {
		return line["msg"] == "part not ready" && line["part"] == "redis" && line["needed"] == false
	}) {
		t.Error("the log does not say what was missing")
	}
}
