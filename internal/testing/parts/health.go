package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookEvery   = 2 * time.Second
	lookTimeout = time.Second // a paused host takes connections, and never answers
)

// host is one behind the front, and how it was when it was last looked at.
type host struct {
	addr  string
	state atomic.Int32
}

const (
	isReady int32 = iota // until the first look, too: the front starts when all others are ready
	isLive               // answers, but lacks a part that every request needs
	isGone               // ended, or paused
)

func newHost(url string) *host { return &host{addr: strings.TrimPrefix(url, "http://")} }

func (h *host) is() int32 { return h.state.Load() }

// watch looks at the hosts until ctx ends.
func (t *inTurn) watch(ctx context.Context) {
	for tick := time.NewTicker(lookEvery); ; {
		t.look(ctx)
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

// look asks all hosts side by side how they are.
func (t *inTurn) look(ctx context.Context) {
	var all sync.WaitGroup
	for _, h := range t.hosts {
		all.Go(func() {
			switch {
			case h.says(ctx, "/readyz"):
				h.state.Store(isReady)
			case h.says(ctx, "/healthz"):
				h.state.Store(isLive)
			default:
				h.state.Store(isGone)
			}
		})
	}
	all.Wait()
}

// lookClient takes a new connection each time, as a new caller would.
var lookClient = &http.Client{Timeout: lookTimeout, Transport: &http.Transport{DisableKeepAlives: true}}

// says reports whether the host answers 200 in time.
func (h *host) says(ctx context.Context, path string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.addr+path, http.NoBody)
	if err != nil {
		return false
	}
	res, err := lookClient.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
