package demoissuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	discoveryPath = DiscoveryPath + "/.well-known/openid-configuration"
	keysPath      = DiscoveryPath + "/jwks"
	// inProcessURL is where Client finds the discovery document.
	inProcessURL = "http://localhost" + DiscoveryPath

	maxBodyBytes = 4 << 10
)

// Handler serves the issuer's documents, the list of people and their tokens; it is mounted at /demo/.
//
//	GET  /demo/oidc/.well-known/openid-configuration
//	GET  /demo/oidc/jwks
//	GET  /demo/people   [{"email": "...", "is": "..."}]
//	POST /demo/token    {"email": "..."} -> {"token": "...", "expiresAt": "2026-01-02T15:04:05Z"}, 404 if unknown
//
// It answers 403 to everything that did not come straight from this machine by one of its own names: another Host (a
// name that an attacker's DNS points to 127.0.0.1), a proxy's headers, a remote address that is not loopback, and to a
// POST from a page of another site or port.
func (i *Issuer) Handler() http.Handler { return i.guarded(checkDirect) }

// OpenHandler is Handler for an issuer in a process of its own, which a browser reaches through a front and servers reach
// over a network. It signs in anyone who can reach it, from wherever: who may is the network's matter. What stays is the
// check of the name: people and tokens are given under a name of this machine or under publicHost ("HOST" or "HOST:PORT")
// alone, and to no page of another site. The documents, which are public, are given under every name.
func (i *Issuer) OpenHandler(publicHost string) http.Handler {
	return i.guarded(func(r *http.Request) error {
		switch {
		case r.URL.Path == discoveryPath || r.URL.Path == keysPath:
			return nil
		case publicHost != "" && strings.EqualFold(r.Host, publicHost) || isOwnHostHeader(r.Host):
			return nil
		}
		return errors.New("the demo answers under its public URL only")
	})
}

// guarded serves the four routes to requests that admit has nothing against, and that no page of another site made.
func (i *Issuer) guarded(admit func(*http.Request) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+discoveryPath, i.serveDiscovery)
	mux.HandleFunc("GET "+keysPath, i.serveKeys)
	mux.HandleFunc("GET /demo/people", i.servePeople)
	mux.HandleFunc("POST /demo/token", i.serveToken)
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := admit(r)
		if err == nil {
			err = crossOrigin.Check(r)
		}
		if err != nil {
			answerError(w, http.StatusForbidden, err.Error())
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// CheckListen returns an error, in one sentence for who starts the server, if addr ("HOST:PORT") is not one of the
// addresses the demo may listen on: 127.0.0.1, [::1] and localhost. As localhost is what the machine's configuration
// makes of it, check the listener's own Addr().String() too.
func CheckListen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err == nil && isOwnHost(host) {
		return nil
	}
	return fmt.Errorf("the demo signs in anyone who can reach it, so it listens on 127.0.0.1, [::1] or localhost only, not on %q", addr)
}

// isOwnHost tells whether host, without brackets, is a name of this machine that no DNS server can give to another.
func isOwnHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback())
}

func checkDirect(r *http.Request) error {
	if !isOwnHostHeader(r.Host) {
		return errors.New("the demo answers to 127.0.0.1, [::1] and localhost only")
	}
	for name := range r.Header {
		switch name {
		case "Forwarded", "Via", "X-Real-Ip":
			return fmt.Errorf("the demo does not answer through a proxy (header %s)", name)
		}
		if strings.HasPrefix(name, "X-Forwarded-") {
			return fmt.Errorf("the demo does not answer through a proxy (header %s)", name)
		}
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !remote.Addr().IsLoopback() {
		return errors.New("the demo answers on the loopback interface only")
	}
	return nil
}

// isOwnHostHeader takes a Host header: a host, an IPv6 address in brackets, then perhaps ":" and a port.
func isOwnHostHeader(host string) bool {
	if at := strings.LastIndexByte(host, ':'); at >= 0 && !strings.HasSuffix(host, "]") {
		if _, err := strconv.ParseUint(host[at+1:], 10, 16); err != nil {
			return false
		}
		host = host[:at]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && strings.Contains(inner, ":") && isOwnHost(inner)
	}
	return !strings.Contains(host, ":") && isOwnHost(host)
}

func (i *Issuer) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                IssuerURL,
		"jwks_uri":                              scheme + r.Host + keysPath,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
	})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.public}})
}

func (i *Issuer) servePeople(w http.ResponseWriter, _ *http.Request) {
	people := i.People()
	if people == nil {
		people = []Person{}
	}
	answer(w, http.StatusOK, people)
}

func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		answerError(w, http.StatusUnsupportedMediaType, "the body must be application/json")
		return
	}
	var input struct {
		Email string `json:"email"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&input)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = errors.New("text after the object")
		}
	}
	if err != nil {
		answerError(w, http.StatusBadRequest, `the body must be {"email": "..."}`)
		return
	}
	token, expires, err := i.Token(input.Email, DefaultTTL)
	switch {
	case errors.Is(err, ErrUnknownPerson):
		answerError(w, http.StatusNotFound, ErrUnknownPerson.Error())
	case err != nil:
		answerError(w, http.StatusInternalServerError, "the token could not be signed")
	default:
		answer(w, http.StatusOK, map[string]string{"token": token, "expiresAt": expires.UTC().Format(time.RFC3339)})
	}
}

func answerError(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // the caller has left if this fails
}

// Client asks the issuer for its two documents without a listener. It reaches nothing else, on no host.
func (i *Issuer) Client() *http.Client {
	return &http.Client{Transport: inProcess{i.Handler()}}
}

type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	if r.Method != http.MethodGet || (r.URL.Path != discoveryPath && r.URL.Path != keysPath) {
		return nil, fmt.Errorf("the demo issuer has no %s %s in process", r.Method, r.URL.Path)
	}
	in := r.Clone(r.Context())
	in.Host, in.RemoteAddr, in.Body = r.URL.Host, "127.0.0.1:0", http.NoBody
	recorded := &response{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(recorded, in)
	return &http.Response{
		Status: fmt.Sprintf("%d %s", recorded.status, http.StatusText(recorded.status)), StatusCode: recorded.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: recorded.header, Body: io.NopCloser(&recorded.body), ContentLength: int64(recorded.body.Len()), Request: r,
	}, nil
}

type response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(b []byte) (int, error) { return r.body.Write(b) }
