package httpserver

import (
	"net/http"
	"sync"
)

var (
	busyCallerRefusal = &refusal{http.StatusTooManyRequests, codeRateLimited,
		"too many of your operations are running at once: wait for one to end"}
	anonymousUploadRefusal = &refusal{http.StatusUnauthorized, codeUnauthenticated, "sign in before you send files"}
)

// callers counts the operations that run for each caller, so that one cannot take the machine from all others.
type callers struct {
	most    int
	mu      sync.Mutex
	running map[string]int
}

// enter takes a place for the caller and reports whether there was one. The caller must leave.
func (c *callers) enter(who string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[who] >= c.most {
		return false
	}
	c.running[who]++
	return true
}

func (c *callers) leave(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[who]--; c.running[who] == 0 {
		delete(c.running, who)
	}
}
