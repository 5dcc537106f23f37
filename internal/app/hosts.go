package app

import (
	"net"
	"net/url"

	"steward/internal/config"
)

// reachable is an address as a program on this machine can reach it: a server that listens on every address is asked under
// localhost.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

// publicHosts are the names under which requests may ask for the server: that of the public URL, and on a loopback address
// this machine's. A server on another address without a public URL cannot know its names and takes any.
func publicHosts(cfg config.Config, addr net.Addr) []string {
	var hosts []string
	if u, err := url.Parse(cfg.PublicURL); err == nil && u.Host != "" {
		hosts = append(hosts, u.Host)
	}
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsLoopback() {
		hosts = append(hosts, "127.0.0.1", "localhost", "::1", tcp.IP.String())
	}
	return hosts
}
