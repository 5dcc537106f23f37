package rediscache

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestURL_Forms(t *testing.T) {
	for raw, want := range map[string]server{
		"redis://localhost":                           {addrs: []string{"localhost:6379"}},
		"redis://:p%2Fw%40d@127.0.0.1:7000/3":         {addrs: []string{"127.0.0.1:7000"}, password: "p/w@d", db: 3},
		"redis://[::1]:7000/":                         {addrs: []string{"[::1]:7000"}},
		"redis://cache.example?plaintext=yes":         {addrs: []string{"cache.example:6379"}, plaintext: true},
		"rediss://steward:pw@cache.example/1":         {tls: true, addrs: []string{"cache.example:6379"}, user: "steward", password: "pw", db: 1},
		"unix:///run/redis.sock":                      {kind: "unix", addrs: []string{"/run/redis.sock"}},
		"unix://steward:pw@/run/redis.sock?db=2":      {kind: "unix", addrs: []string{"/run/redis.sock"}, user: "steward", password: "pw", db: 2},
		"redis+cluster://localhost:1,[::1]:2":         {kind: "cluster", addrs: []string{"localhost:1", "[::1]:2"}},
		"rediss+cluster://u:pw@a:1,b":                 {kind: "cluster", tls: true, addrs: []string{"a:1", "b:6379"}, user: "u", password: "pw"},
		"redis+cluster://10.0.0.1?plaintext=yes":      {kind: "cluster", addrs: []string{"10.0.0.1:6379"}, plaintext: true},
		"redis+sentinel://localhost,127.0.0.2:1/main": {kind: "sentinel", addrs: []string{"localhost:26379", "127.0.0.2:1"}, master: "main"},
		"rediss+sentinel://u:pw@s1:1,s2:2/main/4?sentinel-user=su&sentinel-password=s%26p": {kind: "sentinel", tls: true, addrs: []string{"s1:1", "s2:2"},
			master: "main", db: 4, user: "u", password: "pw", sentinelUser: "su", sentinelPassword: "s&p"},
	} {
		if got, err := parseURL(raw); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s\n got %+v, %v\nwant %+v", raw, got, err, want)
		}
	}
}

func TestURL_Refused(t *testing.T) {
	const secret = "s3cr3t"
	for raw, mend := range map[string]string{
		"": "known forms", "localhost:6379": "known forms", "http://localhost": "known forms", "redis+": "known forms", "redis+://localhost": "known forms",
		"redis+ring://u:s3cr3t@localhost":               "known forms",
		"unix+cluster:///run/redis.sock":                "known forms",
		"redis://":                                      "a host is missing",
		"redis://u:s3cr3t@":                             "a host is missing",
		"redis+cluster://localhost,":                    "a host is missing",
		"redis://localhost:port":                        "a host is missing",
		"redis://u:s3cr3t%zz@localhost":                 "percent-encode",
		"redis://u:s3cr3t/x@localhost":                  "a host is missing",
		"redis://u:s3cr3t#x@localhost":                  "percent-encode",
		"redis://steward@localhost":                     "user:password@",
		"redis://localhost,127.0.0.1":                   "rediss+cluster",
		"redis://u:s3cr3t@localhost/one":                "the database",
		"redis://u:s3cr3t@localhost/-1":                 "the database",
		"redis+cluster://u:s3cr3t@localhost/1":          "remove what follows the hosts",
		"redis+sentinel://u:s3cr3t@localhost":           "the name of the master",
		"redis+sentinel://localhost/m/x":                "the database",
		"redis+sentinel://localhost/m?sentinel-user=u":  "sentinel-password",
		"redis://localhost?sentinel-password=s3cr3t":    "unknown parameter",
		"redis://localhost?s3cr3t=1":                    "unknown parameter",
		"rediss://localhost?skip_verify=true":           "unknown parameter",
		"redis://localhost?db=1":                        "unknown parameter",
		"redis://localhost?plaintext=true":              "plaintext is yes",
		"redis://localhost?plaintext=yes&plaintext=yes": "more than once",
		"rediss://u:s3cr3t@localhost?plaintext=yes":     "remove plaintext",
		"unix://localhost/run/redis.sock":               "three slashes",
		"unix://":                                       "the path of the socket",
		"redis://u:s3cr3t@cache.example":                "begin with rediss",
		"redis://10.0.0.1":                              "?plaintext=yes",
		"redis://localhost.example":                     "?plaintext=yes",
		"redis+cluster://localhost,10.0.0.1":            "begin with rediss",
		"redis+sentinel://127.0.0.1,cache.example/m":    "begin with rediss",
	} {
		_, err := Open(t.Context(), Options{URL: raw})
		if err == nil || !strings.HasPrefix(err.Error(), "redis-url: ") || !strings.Contains(err.Error(), mend) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v\nwant redis-url and %q, without the password", raw, err, mend)
		}
	}
}

func TestURL_CAFile(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{URL: "redis://localhost", CAFile: empty}, {URL: "rediss://localhost", CAFile: empty}, {URL: "rediss://localhost", CAFile: empty + "x"},
	} {
		if _, err := Open(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "redis-ca: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestURL_PlainNeverLeavesTheMachine(t *testing.T) {
	s, err := parseURL("redis+cluster://localhost:1")
	if err != nil {
		t.Fatal(err)
	}
	// As when a node of the cluster names another machine.
	if _, err := s.dialer(nil)(t.Context(), "tcp", "192.0.2.1:6379"); err == nil || !strings.Contains(err.Error(), "needs TLS") {
		t.Error(err)
	}
}
