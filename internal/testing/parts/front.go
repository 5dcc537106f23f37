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
func (c *cluster) serveFront(ctx context.Context) error {
	turn := &inTurn{}
	for _, r := range c.replicas {
		turn.hosts = append(turn.hosts, newHost(r.url))
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxy(turn))
	mux.Handle("/demo/", proxy(&inTurn{hosts: []*host{newHost(c.issuer.url)}}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(c.listener) }() // it ends with Shutdown
	ctx, cancel := context.WithCancel(ctx)
	go turn.watch(ctx)
	c.closes(func() error {
		cancel()
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
	DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	ResponseHeaderTimeout: time.Minute, // of one that is paused while it has the request
	MaxIdleConnsPerHost:   64, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
}

// inTurn sends each request to the next host that is ready, or, when none is, to the next that lives: it answers what needs
// no part, and UNAVAILABLE. One that takes no connection is passed over; a request that was sent is never sent again.
type inTurn struct {
	hosts []*host
	turn  atomic.Uint64
}

// RoundTrip implements http.RoundTripper.
func (t *inTurn) RoundTrip(r *http.Request) (res *http.Response, err error) {
	if r.Body != nil {
		r.Body = io.NopCloser(r.Body) // the server closes it; a failed attempt must not
	}
	for _, h := range t.next() {
		r.URL.Host = h.addr
		res, err = transport.RoundTrip(r)
		if e, ok := errors.AsType[*net.OpError](err); err == nil || !ok || e.Op != "dial" {
			return res, err
		}
	}
	return nil, err
}

// next returns the hosts in the order in which to try them: those that are ready, then those that live. When there are
// none of either, what was found out may be old by now, and all are tried.
func (t *inTurn) next() []*host {
	first := t.turn.Add(1)
	var ready, live, all []*host
	for i := range t.hosts {
		h := t.hosts[(first+uint64(i))%uint64(len(t.hosts))]
		all = append(all, h)
		switch h.is() {
		case isReady:
			ready = append(ready, h)
		case isLive:
			live = append(live, h)
		}
	}
	if to := append(ready, live...); len(to) > 0 {
		return to
	}
	return all
}
