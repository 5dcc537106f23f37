package httpserver

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

var (
	wrongHostRefusal = &refusal{http.StatusMisdirectedRequest, codeBadUserInput,
		"this server is not known under that host name: use its public name, or add this one to the public hosts"}
	crossOriginRefusal = &refusal{http.StatusForbidden, codeForbidden,
		"a page of another origin may not do this: add its origin to the allowed origins"}
)

// guardOrigin refuses foreign host names (DNS rebinding) and unsafe requests that a page of another site makes a
// browser send, and lets the listed origins read answers (CORS). Credentials are never allowed across origins: callers
// carry a bearer token, not a cookie.
func guardOrigin(cfg Config, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range cfg.AllowedOrigins {
		_ = protection.AddTrustedOrigin(origin) // Validate has seen them all
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostAllowed(cfg.PublicHosts, r.Host) && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			refuse(w, r, wrongHostRefusal)
			return
		}
		origin := r.Header.Get("Origin")
		allowed := origin != "" && slices.Contains(cfg.AllowedOrigins, origin)
		h := w.Header()
		h.Add("Vary", "Origin")
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", requestIDHeader)
		}
		if r.Method == http.MethodOptions && origin != "" && r.Header.Get("Access-Control-Request-Method") != "" {
			if !allowed {
				refuse(w, r, crossOriginRefusal)
				return
			}
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, "+requestIDHeader)
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if protection.Check(r) != nil {
			refuse(w, r, crossOriginRefusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostAllowed(known []string, host string) bool {
	if len(known) == 0 {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	return slices.ContainsFunc(known, func(k string) bool {
		return strings.EqualFold(k, host) || strings.EqualFold(strings.Trim(k, "[]"), name)
	})
}
