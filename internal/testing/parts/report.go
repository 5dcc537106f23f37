package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
)

// Report says where everything is. It is what -json writes.
type report struct {
	Front    where   `json:"front"`
	Replicas []where `json:"replicas"`
	Issuer   where   `json:"issuer"`
	Postgres where   `json:"postgres"`
	Redis    where   `json:"redis"`
	SpiceDB  where   `json:"spicedb"`
}

// where says where one process is. What it has none of is left out.
type where struct {
	Name     string   `json:"name"`
	PID      int      `json:"pid"`   // 0: it does not run
	State    string   `json:"state"` // running, paused or stopped
	URL      string   `json:"url,omitempty"`
	AdminURL string   `json:"adminUrl,omitempty"` // for PostgreSQL's superuser
	Endpoint string   `json:"endpoint,omitempty"`
	Key      string   `json:"key,omitempty"`
	CA       string   `json:"ca,omitempty"`
	Metrics  string   `json:"metrics,omitempty"`
	Log      string   `json:"log,omitempty"`
	Command  []string `json:"command,omitempty"` // starts it again
}

func (c *cluster) report() report {
	of := func(p *program) where {
		return where{Name: p.name, PID: p.pid(), URL: p.url, Metrics: p.metrics, Log: p.log, Command: append([]string{p.binary}, p.arguments()...)}
	}
	r := report{
		Front:    where{Name: "front", PID: os.Getpid(), URL: c.frontURL},
		Issuer:   of(c.issuer),
		Postgres: where{Name: "postgres", PID: pidOf(c.postgres.Dir), URL: c.database, AdminURL: c.postgres.AdminURL("steward")},
		Redis:    where{Name: "redis", PID: pidOf(c.redis.Dir), URL: c.redis.URL},
		SpiceDB:  where{Name: "spicedb", PID: pidOf(c.spicedb.Dir), Endpoint: c.spicedb.Endpoint, Key: c.spicedb.Key, CA: c.spicedb.CAFile},
	}
	for _, p := range c.replicas {
		r.Replicas = append(r.Replicas, of(p))
	}
	for _, x := range r.all() {
		x.State = c.state(*x)
	}
	return r
}

func (r *report) all() []*where {
	all := []*where{&r.Front}
	for i := range r.Replicas {
		all = append(all, &r.Replicas[i])
	}
	return append(all, &r.Issuer, &r.Postgres, &r.Redis, &r.SpiceDB)
}

func (c *cluster) state(x where) string {
	switch {
	case x.PID == 0:
		return "stopped"
	case c.paused[x.Name]:
		return "paused"
	}
	return "running"
}

// tell prints where everything is, and writes it for programs.
func (c *cluster) tell() error {
	r := c.report()
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nSteward on all parts: %s/\n\n", r.Front.URL)
	fmt.Fprintf(w, "  part\tstate\tpid\twhere\n")
	line := func(x where, at string) {
		pid := ""
		if x.PID != 0 {
			pid = strconv.Itoa(x.PID)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", x.Name, x.State, pid, at)
	}
	line(r.Front, r.Front.URL)
	for _, x := range r.Replicas {
		line(x, x.URL+"   metrics "+x.Metrics)
	}
	line(r.Issuer, r.Issuer.URL)
	line(r.Postgres, r.Postgres.URL)
	line(r.Redis, r.Redis.URL)
	line(r.SpiceDB, r.SpiceDB.Endpoint+"   key "+r.SpiceDB.Key+"   CA "+r.SpiceDB.CA)
	fmt.Fprintf(w, "\n  a token:   %s token --data %s --email olivia.owner@alderfinch.example\n", c.steward, filepath.Join(c.dir, "issuer"))
	fmt.Fprintf(w, "  commands:  %s reconcile --config %s\n", c.steward, r.Replicas[0].Command[3])
	fmt.Fprintf(w, "  logs:      %s\n", filepath.Join(c.dir, "logs"))
	fmt.Fprintf(w, "\nType %s:\nsuch as \"stop redis\" or \"pause postgres\". Ctrl-C ends everything.\n", c.usage())
	if err := w.Flush(); err != nil || c.json == "" {
		return err
	}
	return writeJSON(c.json, r)
}

// writeJSON replaces a file, so that no reader sees half of it. It holds passwords.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
