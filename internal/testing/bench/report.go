package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// results are everything that was measured.
type results struct {
	warm, cold map[string]series
	revoke     revoked
	allocs     float64 // of a checked item
	checks     int     // permissions on the page
}

// number is something that was measured, with what it should be at most; 0: no goal.
type number struct {
	name  string
	value float64
	unit  string
	most  float64
}

// text is plain: programs read it, too.
func (n number) text() string { return strconv.FormatFloat(math.Round(n.value*1000)/1000, 'f', -1, 64) }

func (n number) verdict() string {
	if n.value <= n.most {
		return "met"
	}
	return "missed"
}

func (r results) numbers() []number {
	ratio := func(of map[string]series, a, b string) float64 {
		return float64(of[a].median()) / float64(of[b].median())
	}
	return []number{
		{"warm_page_x_floor", ratio(r.warm, oursEmbedded, floorEmbedded), "x", 1.15},
		{"warm_page_postgres_redis_x_floor", ratio(r.warm, oursServers, floorServers), "x", 1.30},
		{"warm_page_redis_alone_x_floor", ratio(r.warm, oursRedis, floorServers), "x", 0},
		{"cold_page_x_bulk", ratio(r.cold, coldEmbedded, bulkEmbedded), "x", 1.10},
		{"cold_page_postgres_x_bulk", ratio(r.cold, coldServers, bulkServers), "x", 0},
		{"allocs_per_checked_item", r.allocs, "allocs", 110},
		{"naive_warm_x_ours", ratio(r.warm, naiveEmbedded, oursEmbedded), "x", 0},
		{"revoke_to_refusal_ms", float64(r.revoke.median()) / float64(time.Millisecond), "ms", 0},
		{"revokes", float64(len(r.revoke.times)), "revokes", 0},
		{"stale_answers", float64(r.revoke.stale), "answers", 0},
	}
}

// report prints a table of the ways and one of the goals, for people, then a line for each number: name, value, unit.
func report(w io.Writer, r results) {
	fmt.Fprintf(w, "A page of %d contacts with %d permissions in all, through HTTP.\n\n", rows, r.checks)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "way\tmedian ms\tslowest twentieth ms\tpages\t")
	for _, of := range []map[string]series{r.warm, r.cold, {r.revoke.name: r.revoke.series}} {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			s := of[name]
			median := s.median() // sorts
			fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%d\t\n", s.name, ms(median), ms(s.times[len(s.times)*19/20]), len(s.times))
		}
	}
	_ = t.Flush()
	fmt.Fprintln(t, "\ngoal\tat most\tmeasured\t\t")
	for _, n := range r.numbers() {
		if n.most > 0 {
			fmt.Fprintf(t, "%s\t%g %s\t%s\t%s\t\n", n.name, n.most, n.unit, n.text(), n.verdict())
		}
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	for _, n := range r.numbers() {
		fmt.Fprintln(w, n.name, n.text(), n.unit)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
