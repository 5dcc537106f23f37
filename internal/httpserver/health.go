package httpserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// readyTimeout bounds one readiness check, so that a part that hangs counts as missing.
const readyTimeout = 3 * time.Second

// readOnly lets GET and HEAD through.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuseMethod(w, r, "GET, HEAD")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuseMethod(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	refuse(w, r, &refusal{http.StatusMethodNotAllowed, codeBadUserInput, "method not allowed here: use " + allow})
}

// serveHealth says that the process lives; it asks no other part.
func serveHealth(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusOK, map[string]any{"status": "ok"})
}

// readiness says whether requests can be served now, and names the parts that are missing. Why they are is for the
// log: the answer is public.
type readiness struct {
	check func(context.Context) map[string]error
	log   *slog.Logger
}

func (h *readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	missing := []string{}
	if h.check != nil {
		problems := h.check(ctx)
		for _, part := range slices.Sorted(maps.Keys(problems)) {
			if problems[part] == nil {
				continue
			}
			missing = append(missing, part)
			h.log.WarnContext(ctx, "part not ready", "request_id", RequestID(ctx), "part", part, "error", problems[part])
		}
	}
	if len(missing) > 0 {
		writeStatus(w, http.StatusServiceUnavailable, map[string]any{"status": "unavailable", "missing": missing})
		return
	}
	writeStatus(w, http.StatusOK, map[string]any{"status": "ok"})
}

func writeStatus(w http.ResponseWriter, status int, body map[string]any) {
	b, _ := json.Marshal(body) // of strings only
	w.Header().Set("Content-Type", typeJSON+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// newSDLHandler serves the schema's text, as text so that a browser shows it.
func newSDLHandler(sdl string) http.Handler {
	sum := sha256.Sum256([]byte(sdl))
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(sdl))
	})
}
