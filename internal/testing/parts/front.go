package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// serveFront answers where people come to: what is below /demo/ goes to the issuer, everything else to the replicas in turn.
func (c *cluster) serveFront(context.Context) error {
	turn := &inTurn{}
	for _, r := range c.replicas {
		turn.hosts = append(turn.hosts, strings.TrimPrefix(r.url, "http://"))
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxy(turn))
	mux.Handle("/demo/", proxy(&inTurn{hosts: []string{strings.TrimPrefix(c.issuer.url, "http://")}}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(c.listener) }() // it ends with Shutdown
	c.closes(func() error {
		end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			return server.Close()
		}
		return nil
	})
	return nil
}

// proxy passes requests on as they came, under the host name that was asked for: the replicas and the issuer check it.
func proxy(to http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: to, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "in-turn"})
			r.Out.Host = r.In.Host
			for name, values := range r.In.Header { // what another proxy says is not for this one to hide: the issuer refuses it
				if name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded-") {
					r.Out.Header[name] = values
				}
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "nobody behind the front answers: "+err.Error(), http.StatusBadGateway)
		},
	}
}

var transport = &http.Transport{
	DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
}

// inTurn sends each request to the next host. One that takes no connection is passed over; a request that was sent is never
// sent again.
type inTurn struct {
	hosts []string
	turn  atomic.Uint64
}

// RoundTrip implements http.RoundTripper.
func (t *inTurn) RoundTrip(r *http.Request) (res *http.Response, err error) {
	if r.Body != nil {
		r.Body = io.NopCloser(r.Body) // the server closes it; a failed attempt must not
	}
	first := t.turn.Add(1)
	for i := range t.hosts {
		r.URL.Host = t.hosts[(first+uint64(i))%uint64(len(t.hosts))]
		res, err = transport.RoundTrip(r)
		if e, ok := errors.AsType[*net.OpError](err); err == nil || !ok || e.Op != "dial" {
			return res, err
		}
	}
	return nil, err
}
