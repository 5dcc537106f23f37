package main

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The page is warm at 1.1 times the floor, and cold at twice a bulk check.
func TestReport(t *testing.T) {
	t.Parallel()
	takes := func(d time.Duration, names ...string) map[string]series {
		out := map[string]series{}
		for _, name := range names {
			out[name] = series{name: name, times: []time.Duration{d}}
		}
		return out
	}
	r := results{
		warm: takes(1000*time.Microsecond, floorEmbedded, naiveEmbedded, floorServers, oursServers, oursRedis),
		cold: takes(time.Millisecond, bulkEmbedded, coldServers, bulkServers), allocs: 123.45678, checks: 1400,
		revoke: revoked{series: series{name: "revoke", times: make([]time.Duration, 12345)}},
	}
	r.warm[oursEmbedded] = series{oursEmbedded, []time.Duration{1100 * time.Microsecond}}
	r.cold[coldEmbedded] = series{coldEmbedded, []time.Duration{2 * time.Millisecond}}
	var out strings.Builder
	report(&out, r)
	parts := strings.Split(out.String(), "\n\n")
	tables, lines := strings.Join(parts[:len(parts)-1], "\n"), strings.Split(strings.TrimSpace(parts[len(parts)-1]), "\n")
	for _, want := range []string{`warm_page_x_floor +1\.15 x +1\.1 +met`, `cold_page_x_bulk +1\.1 x +2 +missed`, `allocs_per_checked_item +110 allocs +123\.457 +missed`} {
		if !regexp.MustCompile(want).MatchString(tables) {
			t.Errorf("the tables lack %q:\n%s", want, out.String())
		}
	}
	plain := regexp.MustCompile(`^[a-z_]+ \d+(\.\d+)? [a-z]+$`)
	for _, line := range lines {
		if !plain.MatchString(line) {
			t.Errorf("%q is not a name, a value and a unit", line)
		}
	}
	if len(lines) != len(r.numbers()) {
		t.Errorf("%d lines for %d numbers:\n%s", len(lines), len(r.numbers()), out.String())
	}
	if got := (number{value: math.NaN(), most: 1}).verdict(); got != "missed" {
		t.Errorf("what could not be measured has %s its goal", got)
	}
}
