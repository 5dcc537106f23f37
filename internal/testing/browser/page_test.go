package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// page is the playground in a browser with a profile of its own. What it must never do is noted from its first request on, and reported when the test ends.
type page struct {
	*testing.T
	site *site
	ctx  context.Context

	mu        sync.Mutex
	faults    []string
	requested []string          // paths
	policy    map[string]string // Content-Security-Policy by path
	bearers   map[string]bool   // tokens that requests carried
}

// open opens the playground, or what path adds to its address, and waits until it can be used.
func open(t *testing.T, s *site, path string) *page {
	t.Helper()
	p := &page{T: t, site: s, policy: map[string]string{}, bearers: map[string]bool{}}
	p.ctx = startChromium(t, s.chromium, p.note)
	t.Cleanup(p.report)
	p.do(chromedp.Navigate(s.base + path))
	p.ready()
	return p
}

// note is called for each event of the tab.
func (p *page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := func(format string, args ...any) { p.faults = append(p.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			var text []string
			for _, arg := range e.Args {
				text = append(text, string(arg.Value)+arg.Description)
			}
			fault("console %s: %s", e.Type, strings.Join(text, " "))
		}
	case *log.EventEntryAdded: // what the browser itself writes there: a violated policy, a file that did not load
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			fault("console %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		fault("uncaught: %s", text)
	case *network.EventRequestWillBeSent:
		p.noteRequest(e.Request, fault)
	case *network.EventWebSocketCreated:
		fault("web socket to %s", e.URL)
	case *network.EventResponseReceived:
		if u, err := url.Parse(e.Response.URL); err == nil {
			for name, value := range e.Response.Headers {
				if strings.EqualFold(name, "Content-Security-Policy") {
					p.policy[u.Path] = fmt.Sprint(value)
				}
			}
		}
	}
}

func (p *page) noteRequest(r *network.Request, fault func(string, ...any)) {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		fault("request to %q", r.URL)
	case u.Scheme == "data" || u.Scheme == "blob": // made by the page, within the page
	case "http://"+u.Host != p.site.base:
		fault("request to another host: %s", r.URL)
	default:
		p.requested = append(p.requested, u.Path)
		if strings.Contains(r.URL, "eyJ") || u.RawQuery != "" {
			fault("a token or a query in the address of a request: %s", r.URL)
		}
	}
	for name, value := range r.Headers {
		if token, ok := strings.CutPrefix(fmt.Sprint(value), "Bearer "); ok && strings.EqualFold(name, "Authorization") {
			p.bearers[token] = true
		}
	}
}

func (p *page) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		p.Error(fault)
	}
}

// seen returns which paths were requested, the policy of each that had one, and the tokens that requests carried.
func (p *page) seen() (requested []string, policy map[string]string, bearers []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token := range p.bearers {
		bearers = append(bearers, token)
	}
	return p.requested, p.policy, bearers
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.fatal(err)
	}
}

// evaluate evaluates JavaScript.
func evaluate[T any](p *page, js string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		return v, fmt.Errorf("%s: %w", js, err)
	}
	return v, nil
}

// read evaluates JavaScript that cannot fail.
func read[T any](p *page, js string) T {
	p.Helper()
	v, err := evaluate[T](p, js)
	if err != nil {
		p.fatal(err)
	}
	return v
}

// run evaluates JavaScript for what it does.
func (p *page) run(js string) { p.Helper(); read[chromedp.Void](p, js) }

// wait returns once the JavaScript is true.
func (p *page) wait(what, js string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](js, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))); err != nil {
		p.fatal(fmt.Errorf("%s, which did not come about: %w", what, err))
	}
}

// fatal ends the test with a picture of the page, where one is asked for.
func (p *page) fatal(err error) {
	p.Helper()
	p.picture("failed")
	p.Fatal(err)
}

// picture writes a screenshot into the directory STEWARD_TEST_PICTURES, if that is set.
func (p *page) picture(name string) {
	p.Helper()
	dir := os.Getenv("STEWARD_TEST_PICTURES")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(p.Name(), "/", "-")+"-"+name+".png"), png, 0o644)
	}
	if err != nil {
		p.Log(err)
	}
}

// ready waits until the editors are there.
func (p *page) ready() {
	p.Helper()
	p.wait("the editors", `!!(globalThis.__MONACO && document.querySelector('.graphiql-query-editor .view-line') && !document.querySelector('#examples').disabled)`)
}

// choose picks who asks, as the list "As whom" does. An empty address makes the caller anonymous.
func (p *page) choose(email string) {
	p.Helper()
	p.run(`(() => { const list = document.querySelector('#as-whom'); list.value = ` + quote(email) + `;
		list.dispatchEvent(new Event('change', { bubbles: true })) })()`)
	if got := p.asks(); got != email {
		p.Fatalf("the list has %q chosen, want %q", got, email)
	}
	p.wait("the page saying who asks", `document.querySelector('#asks-now strong')?.textContent.includes(`+quote(email)+`)`)
}

// asks returns the address that is chosen.
func (p *page) asks() string {
	p.Helper()
	return read[string](p, `document.querySelector('#as-whom').value`)
}

// editor returns JavaScript for the editor's model of that name, for example "operation.graphql".
func editor(name string) string {
	return `__MONACO.editor.getModels().find((m) => m.uri.path.endsWith(` + quote(name) + `))`
}

// write puts a query into the tab that is open.
func (p *page) write(query string) {
	p.Helper()
	p.run(editor("operation.graphql") + `.setValue(` + quote(query) + `)`)
}

// answer is what the page shows of an answer.
type answer struct {
	Data   map[string]any `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
}

// execute presses the button and returns the answer on show, which was given to whoever is chosen.
func (p *page) execute() answer {
	p.Helper()
	p.run(editor("response.json") + `?.setValue('')`)
	p.run(`document.querySelector('button.graphiql-execute-button').click()`)
	p.wait("an answer", `document.querySelector('#answered[data-stale="false"] strong') && `+editor("response.json")+`?.getValue()`)
	if status := read[string](p, `document.querySelector('#answered').dataset.status`); status != "200" {
		p.fatal(fmt.Errorf("status %s: %s", status, read[string](p, editor("response.json")+`.getValue()`)))
	}
	who := read[string](p, `document.querySelector('#answered strong').textContent`)
	if email := p.asks(); email != "" && !strings.Contains(who, email) {
		p.Fatalf("the page says that %q was answered, while %s asks", who, email)
	}
	text := read[string](p, editor("response.json")+`.getValue()`)
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		p.Fatalf("the answer on show is no JSON: %v\n%s", err, text)
	}
	return a
}

// quote makes a JavaScript string.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always is JSON
	}
	return string(b)
}
