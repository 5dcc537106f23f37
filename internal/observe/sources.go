package observe

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"steward/internal/authz/check"
)

// Sources are read whenever somebody asks for the metrics. A nil one is not there, and neither are its metrics.
type Sources struct {
	Checks  func() check.Stats
	Planner func() PlannerStats
	SpiceDB func() SpiceDBStats
	Redis   func() RedisStats
	// Outbox returns how many changes are pending and when the oldest was made.
	Outbox func(ctx context.Context) (pending int, oldest time.Time, err error)
	// Watch says whether this process watches SpiceDB, and when it last heard from it.
	Watch func() (leads bool, last time.Time)
}

// PlannerStats counts permissions that were asked ahead for a whole level, and those that no plan had foreseen.
type PlannerStats struct{ Planned, Unplanned int64 }

// SpiceDBStats has the fields of spicedb.Stats.
type SpiceDBStats struct{ Questions, Calls, Items, Writes, Fences, Lookups uint64 }

// RedisStats has the fields of rediscache.Stats.
type RedisStats struct {
	Loads, Hits, Misses, Errors uint64
	Stores, Dropped             uint64
	Opened                      uint64
	Open                        bool
}

// Watch registers the metrics of the sources. It is called once, when the parts are there.
func (w *Observer) Watch(s Sources) error {
	var all []prometheus.Collector
	if s.Checks != nil {
		all = append(all, checkRows(s.Checks))
	}
	if s.Planner != nil {
		all = append(all, plannerRows(s.Planner))
	}
	if s.SpiceDB != nil {
		all = append(all, spiceDBRows(s.SpiceDB))
	}
	if s.Redis != nil {
		all = append(all, redisRows(s.Redis))
	}
	if s.Outbox != nil {
		all = append(all, newOutbox(s.Outbox))
	}
	if s.Watch != nil {
		all = append(all, newWatch(s.Watch))
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, w.registry.Register(c))
	}
	return errors.Join(errs...)
}

// rows is a collector of what one snapshot holds.
type rows[S any] struct {
	read func() S
	rows []row[S]
}

type row[S any] struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	value  func(S) float64
	labels []string
}

// Describe implements prometheus.Collector.
func (r *rows[S]) Describe(out chan<- *prometheus.Desc) {
	for _, row := range r.rows {
		out <- row.desc
	}
}

// Collect implements prometheus.Collector.
func (r *rows[S]) Collect(out chan<- prometheus.Metric) {
	s := r.read()
	for _, row := range r.rows {
		out <- prometheus.MustNewConstMetric(row.desc, row.kind, row.value(s), row.labels...)
	}
}

func (r *rows[S]) counter(name, help string, value func(S) uint64) {
	r.counters(name, help, "", map[string]func(S) uint64{"": value})
}

// counters are those of one name, by the values of a label.
func (r *rows[S]) counters(name, help, label string, values map[string]func(S) uint64) {
	var names []string
	if label != "" {
		names = []string{label}
	}
	desc := prometheus.NewDesc(name, help, names, nil)
	for of, value := range values {
		var labels []string
		if label != "" {
			labels = []string{of}
		}
		r.rows = append(r.rows, row[S]{desc, prometheus.CounterValue, func(s S) float64 { return float64(value(s)) }, labels})
	}
}

func checkRows(read func() check.Stats) prometheus.Collector {
	type s = check.Stats
	r := &rows[s]{read: read}
	r.counter("steward_check_waves_total", "Waves: all that one level of a query asks of one caller.", func(s s) uint64 { return s.Waves })
	r.counter("steward_check_asked_total", "Permissions that waves asked.", func(s s) uint64 { return s.Asked })
	r.counters("steward_check_permissions_total", "Permissions that were answered, by the layer that answered.", "layer", map[string]func(s) uint64{
		layerNames[check.LayerMemory]: func(s s) uint64 { return s.Memory }, layerNames[check.LayerShared]: func(s s) uint64 { return s.Shared },
		layerNames[check.LayerJoined]: func(s s) uint64 { return s.Joined }, layerNames[check.LayerBackend]: func(s s) uint64 { return s.Backend },
	})
	r.counter("steward_check_generation_reads_total", "Reads of generations, one for each wave.", func(s s) uint64 { return s.GenerationReads })
	r.counter("steward_check_fences_total", "Fences that waves took: once after each change of rights, not once a wave.", func(s s) uint64 { return s.Fences })
	r.counter("steward_check_backend_calls_total", "Questions of waves to SpiceDB.", func(s s) uint64 { return s.BackendCalls })
	r.counter("steward_check_errors_total", "Waves that were refused because something did not answer.", func(s s) uint64 { return s.Errors })
	return r
}

func plannerRows(read func() PlannerStats) prometheus.Collector {
	type s = PlannerStats
	r := &rows[s]{read: read}
	r.counter("steward_check_planned_total", "Permissions that were asked ahead, for all objects of a level at once.", func(s s) uint64 { return uint64(s.Planned) })
	r.counter("steward_check_unplanned_total", "Permissions that no plan had foreseen and that were asked one by one.", func(s s) uint64 { return uint64(s.Unplanned) })
	return r
}

func spiceDBRows(read func() SpiceDBStats) prometheus.Collector {
	type s = SpiceDBStats
	r := &rows[s]{read: read}
	r.counters("steward_spicedb_calls_total", "Calls of SpiceDB, those of changes and background work included.", "call", map[string]func(s) uint64{
		"check": func(s s) uint64 { return s.Calls }, "write": func(s s) uint64 { return s.Writes },
		"fence": func(s s) uint64 { return s.Fences }, "lookup": func(s s) uint64 { return s.Lookups },
	})
	r.counter("steward_spicedb_checks_total", "Checks in the calls of SpiceDB, each once a call.", func(s s) uint64 { return s.Items })
	return r
}

func redisRows(read func() RedisStats) prometheus.Collector {
	type s = RedisStats
	r := &rows[s]{read: read}
	r.counter("steward_redis_loads_total", "Lookups of a wave in Redis.", func(s s) uint64 { return s.Loads })
	r.counter("steward_redis_hits_total", "Objects of which Redis knew something.", func(s s) uint64 { return s.Hits })
	r.counter("steward_redis_misses_total", "Objects of which Redis knew nothing, or was not asked.", func(s s) uint64 { return s.Misses })
	r.counter("steward_redis_errors_total", "Lookups and writes that failed or came too late.", func(s s) uint64 { return s.Errors })
	r.counter("steward_redis_stores_total", "Objects whose answers were written.", func(s s) uint64 { return s.Stores })
	r.counter("steward_redis_dropped_total", "Objects whose answers were not written: no room, Redis away, an error.", func(s s) uint64 { return s.Dropped })
	r.counter("steward_redis_breaker_opened_total", "How often Redis was given up for a while.", func(s s) uint64 { return s.Opened })
	r.rows = append(r.rows, row[s]{prometheus.NewDesc("steward_redis_breaker_open", "1 while Redis is not asked because it does not answer.", nil, nil),
		prometheus.GaugeValue, func(s s) float64 { return number(s.Open) }, nil})
	return r
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// scrapeTimeout bounds the one question that a scrape asks of the database.
const scrapeTimeout = 2 * time.Second

type outbox struct {
	read                 func(context.Context) (int, time.Time, error)
	up, pending, oldness *prometheus.Desc
}

func newOutbox(read func(context.Context) (int, time.Time, error)) prometheus.Collector {
	return &outbox{
		read,
		prometheus.NewDesc("steward_database_up", "1 when the database answered this scrape.", nil, nil),
		prometheus.NewDesc("steward_outbox_pending", "Changes of rights that are written and not yet effective. All replicas tell the same.", nil, nil),
		prometheus.NewDesc("steward_outbox_oldest_age_seconds", "Age of the oldest of them; 0 when there is none.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (o *outbox) Describe(out chan<- *prometheus.Desc) {
	out <- o.up
	out <- o.pending
	out <- o.oldness
}

// Collect implements prometheus.Collector.
func (o *outbox) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	pending, oldest, err := o.read(ctx)
	gauge(o.up, number(err == nil))
	if err != nil {
		return // a number that is not known is left out, rather than said to be 0
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, time.Since(oldest).Seconds())
	}
	gauge(o.pending, float64(pending))
	gauge(o.oldness, age)
}

type watch struct {
	read        func() (bool, time.Time)
	leader, lag *prometheus.Desc
}

func newWatch(read func() (bool, time.Time)) prometheus.Collector {
	return &watch{
		read,
		prometheus.NewDesc("steward_watch_leader", "1 for the replica that watches SpiceDB for changes made elsewhere.", nil, nil),
		prometheus.NewDesc("steward_watch_lag_seconds", "On the leader: how long ago SpiceDB was last heard of.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (w *watch) Describe(out chan<- *prometheus.Desc) {
	out <- w.leader
	out <- w.lag
}

// Collect implements prometheus.Collector.
func (w *watch) Collect(out chan<- prometheus.Metric) {
	leads, last := w.read()
	out <- prometheus.MustNewConstMetric(w.leader, prometheus.GaugeValue, number(leads))
	if leads && !last.IsZero() {
		out <- prometheus.MustNewConstMetric(w.lag, prometheus.GaugeValue, max(0, time.Since(last).Seconds()))
	}
}
