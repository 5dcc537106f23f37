// Package browser opens the playground of a running demo in headless Chromium, as three people would.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"steward/internal/app"
	"steward/internal/config"
	"steward/playground"
)

// patience bounds each wait for the page. A busy machine needs some seconds to start the editors.
const patience = 30 * time.Second

// installed returns the path of a Chromium. Where it or the playground's bundle is missing the test is skipped, and on a CI
// machine it fails: there the playground must have been opened.
func installed(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	if _, err := fs.Stat(playground.Files(), "assets"); err != nil {
		missing("the playground is not bundled into this test: run `make playground`, or all of it by `make test`")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing("there is no Chromium: install it (`apt-get install chromium`), or run `make test`, which does")
	return ""
}

// site is a demo server that runs in this process, and what it is looked at with.
type site struct {
	base     string // "http://127.0.0.1:1234"
	cfg      config.Config
	chromium string
}

func startDemo(t *testing.T, chromium string) *site {
	t.Helper()
	cfg := config.Config{Demo: true, Listen: "127.0.0.1:0", Data: t.TempDir()}
	cfg.SetDefaults()
	server, err := app.New(context.Background(), cfg, app.Options{Out: io.Discard, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if err := server.Close(); err != nil {
			t.Errorf("the server was closed with: %v", err)
		}
	})
	return &site{base: "http://" + server.Addr().String(), cfg: cfg, chromium: chromium}
}

// ask sends a query as one of the demo's people, without the playground.
func (s *site) ask(t *testing.T, email, query string, variables map[string]any) map[string]any {
	t.Helper()
	issuer, err := app.DemoIssuer(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := issuer.Token(email, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, s.base+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Data   map[string]any
		Errors []any
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Errors) > 0 {
		t.Fatalf("%s was answered %v: %v", query, err, answer.Errors)
	}
	return answer.Data
}

// startChromium starts a browser with a profile of its own, which can reach nothing but this machine. note is called for
// each event of its one tab; a second tab would not be drawn.
func startChromium(t *testing.T, path string, note func(event any)) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // containers do not let it build one
		chromedp.DisableGPU,
		chromedp.WindowSize(1400, 900),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(ctx, chromedp.WithListener(note))
	t.Cleanup(func() {
		closeBrowser()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return ctx
}
