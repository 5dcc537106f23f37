package spicedb

import (
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	for s, want := range map[string]endpoint{
		"spicedb.example:50051":   {"spicedb.example:50051", false},
		"127.0.0.1:1":             {"127.0.0.1:1", false},
		"[::1]:65535":             {"[::1]:65535", false},
		"http://127.0.0.1:50051":  {"127.0.0.1:50051", true},
		"http://127.8.9.1:50051/": {"127.8.9.1:50051", true},
		"http://[::1]:50051":      {"[::1]:50051", true},
		"http://localhost:50051":  {"localhost:50051", true},
	} {
		if got, err := parseEndpoint(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "spicedb", "spicedb:", ":50051", "spicedb:0", "spicedb:65536", "spicedb:x", "http://spicedb:50051", "http://10.0.0.1:50051",
		"http://127.0.0.1", "https://spicedb:50051", "dns:///spicedb:50051", "unix:///tmp/x", "user@spicedb:50051", "spicedb:50051/path", "http://localhost.evil.example:50051",
		"http://http://127.0.0.1:50051", "::1:50051"} {
		got, err := parseEndpoint(s)
		if err == nil {
			t.Errorf("%q: got %v", s, got)
		} else if !strings.Contains(err.Error(), "spicedb-endpoint") || !strings.Contains(err.Error(), "http://127.0.0.1:50051") {
			t.Errorf("%q: %v: names neither the setting nor what to write", s, err)
		}
	}
}
