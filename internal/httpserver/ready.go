package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Part is something behind the front door, as /readyz tells of it.
type Part struct {
	Name string // is public
	// Optional is true of a part without which requests are served all the same, slower perhaps.
	Optional bool
	// Check returns what is wrong with the part. That is logged, never sent. It may be called by many at once.
	Check func(ctx context.Context) error
}

// partTimeout bounds one check, so that a part that hangs counts as missing.
const partTimeout = 2 * time.Second

// How a part is.
const (
	partOK      = "ok"
	partMissing = "missing"
)

var errPartHangs = errors.New("no answer in time")

// readiness says whether requests can be served now, and how each part is: 503 when one is missing that every request
// needs. While the parts are being asked, others who come wait for the same answer: to ask costs callers nothing, and the
// parts work.
//
//	{
//	  "status": "degraded",
//	  "missing": [],
//	  "parts": {
//	    "database": "ok",
//	    "redis": "missing"
//	  }
//	}
type readiness struct {
	parts []Part
	log   *slog.Logger

	mu      sync.Mutex
	running *inquiry
}

type inquiry struct {
	done  chan struct{}
	state readyState
}

// readyState is the answer. Its status is ok, degraded when an optional part is missing, or unavailable.
type readyState struct {
	Status  string            `json:"status"`
	Missing []string          `json:"missing"` // the parts that make it unavailable
	Parts   map[string]string `json:"parts"`
}

func (h *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	state := h.ask(r.Context())
	status := http.StatusOK
	if len(state.Missing) > 0 {
		status = http.StatusServiceUnavailable
	}
	b, _ := json.MarshalIndent(state, "", "  ") // of strings only
	writeBody(w, status, b)
}

func (h *readiness) ask(ctx context.Context) readyState {
	h.mu.Lock()
	mine := h.running
	if mine == nil {
		mine = &inquiry{done: make(chan struct{})}
		h.running = mine
		go func() {
			mine.state = h.inquire(context.WithoutCancel(ctx))
			h.mu.Lock()
			h.running = nil
			h.mu.Unlock()
			close(mine.done)
		}()
	}
	h.mu.Unlock()
	<-mine.done // no later than partTimeout
	return mine.state
}

// inquire asks all parts side by side.
func (h *readiness) inquire(ctx context.Context) readyState {
	problems := make([]error, len(h.parts))
	var all sync.WaitGroup
	for i, p := range h.parts {
		all.Go(func() { problems[i] = p.ask(ctx) })
	}
	all.Wait()
	state := readyState{Status: "ok", Missing: []string{}, Parts: map[string]string{}}
	for i, p := range h.parts {
		state.Parts[p.Name] = partOK
		if problems[i] == nil {
			continue
		}
		state.Parts[p.Name] = partMissing
		h.log.WarnContext(ctx, "part not ready", "part", p.Name, "needed", !p.Optional, "error", problems[i])
		switch {
		case !p.Optional:
			state.Missing, state.Status = append(state.Missing, p.Name), "unavailable"
		case len(state.Missing) == 0:
			state.Status = "degraded"
		}
	}
	return state
}

// ask returns no later than partTimeout, also where the check does not heed its context.
func (p Part) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- p.Check(ctx) }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return errPartHangs
	}
}
