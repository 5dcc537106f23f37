package spicedb

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// endpoint is where a SpiceDB listens.
type endpoint struct {
	address string // host:port
	plain   bool   // without TLS
}

// parseEndpoint reads "spicedb.example:50051", which means TLS, and "http://127.0.0.1:50051", which means plain text and
// may only be this machine.
func parseEndpoint(s string) (endpoint, error) {
	// The value may hold a secret that does not belong there: it is not repeated.
	refuse := func(why string) (endpoint, error) {
		return endpoint{}, fmt.Errorf("spicedb-endpoint %s: write host:port, for example spicedb.internal:50051, for TLS, or http://127.0.0.1:50051 for plain text on this machine", why)
	}
	address, plain := strings.CutPrefix(s, "http://")
	if plain {
		address = strings.TrimSuffix(address, "/")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || strings.ContainsAny(address, "/@?# ") {
		return refuse("is no address")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return refuse("has no port that could be")
	}
	ip := net.ParseIP(host)
	if plain && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return refuse("would send the key and all answers in plain text over the network")
	}
	return endpoint{address, plain}, nil
}
