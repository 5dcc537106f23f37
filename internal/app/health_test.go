package app

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"steward/internal/config"
)

func TestCheckHealth(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/missing", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"unavailable","missing":["authorization","database"]}`))
	})
	mux.Handle("/elsewhere", http.RedirectHandler("/readyz", http.StatusFound))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	secure := httptest.NewTLSServer(mux)
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := httptest.NewServer(mux)
	gone.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	for name, c := range map[string]struct{ listen, url, ca, want string }{
		"the address":         {listen: server.Listener.Addr().String()},
		"every address":       {listen: "0.0.0.0:" + port},
		"without a host":      {listen: ":" + port},
		"another url":         {url: server.URL + "/readyz"},
		"https":               {url: secure.URL + "/readyz", ca: ca},
		"not listening":       {listen: gone.Listener.Addr().String(), want: "does not answer"},
		"parts are missing":   {url: server.URL + "/missing", want: "answers 503: missing is authorization, database"},
		"elsewhere":           {url: server.URL + "/elsewhere", want: "answers 302"},
		"unknown":             {url: server.URL + "/unknown", want: "answers 404"},
		"unknown authority":   {url: secure.URL + "/readyz", want: "does not answer: tls"},
		"no such file":        {url: secure.URL + "/readyz", ca: ca + "x", want: "cannot be read"},
		"nothing that can be": {url: "http://[", want: "is not an address"},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckHealth(t.Context(), config.Config{Listen: c.listen}, c.url, c.ca)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
