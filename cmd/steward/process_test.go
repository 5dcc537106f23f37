package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram makes this test binary be the program itself, so that the tests run the real thing in a process of its own.
const asProgram = "STEWARD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds what a test waits for; with the race detector on a busy machine a start takes seconds.
const patience = 2 * time.Minute

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STEWARD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, asProgram+"=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// result is how a program ended.
type result struct {
	code     int
	out, err string
}

// steward runs a command to its end.
func steward(t *testing.T, args ...string) result {
	t.Helper()
	cmd := program(t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// server is a running `steward serve`.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	told   string // what it printed up to the last of its people
	errOut *logged
	exit   chan int
}

// logged is what a running process has written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts a server on a free port and waits until it says where it listens. It is killed when the test ends.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, cmd: program(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...), errOut: new(logged), exit: make(chan int, 1)}
	s.cmd.Stderr = s.errOut
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
		_ = s.cmd.Wait()
		s.exit <- s.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended
		for range lines {
		}
		<-s.exit
	})
	for line := range lines {
		s.told += line + "\n"
		if _, url, ok := strings.Cut(line, " listens on "); ok {
			s.url = url
		}
		if strings.HasPrefix(line, "  schema") {
			go func() { // the rest is read, so that the server never waits
				for range lines {
				}
			}()
			return s
		}
	}
	s.wait()
	t.Fatalf("the server ended instead of listening:\n%s", s.errOut)
	return nil
}

// interrupt presses Ctrl-C and returns the exit code.
func (s *server) interrupt() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	return s.wait()
}

func (s *server) wait() int {
	s.t.Helper()
	select {
	case code := <-s.exit:
		s.exit <- code
		return code
	case <-time.After(patience):
		s.t.Fatal("the server does not end")
		return 0
	}
}

// get returns status and body.
func (s *server) get(path string) (int, string) {
	s.t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// ask sends a query with a bearer token, "" for none, and returns the whole answer as text.
func (s *server) ask(token, query string) string {
	s.t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	req, err := http.NewRequest(http.MethodPost, s.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(answer)
}

// as asks in the name of a person of the demo.
func (s *server) as(data, email, query string) string {
	s.t.Helper()
	return s.ask(demoToken(s.t, data, email), query)
}

func demoToken(t *testing.T, data, email string) string {
	t.Helper()
	r := steward(t, "token", "--data", data, "--email", email)
	if r.code != 0 {
		t.Fatalf("token of %s: %+v", email, r)
	}
	return strings.TrimSpace(r.out)
}

// field digs a text out of a JSON answer.
func field(t *testing.T, answer string, path ...any) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	for _, step := range path {
		switch key := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			l, _ := v.([]any)
			if key >= len(l) {
				t.Fatalf("no %v in %s", path, answer)
			}
			v = l[key]
		}
	}
	text, ok := v.(string)
	if !ok {
		t.Fatalf("no text at %v in %s", path, answer)
	}
	return text
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s has no %q:\n%.2000s", what, want, text)
		}
	}
}

// sentence fails unless standard error is one line, which is how faults are told.
func sentence(t *testing.T, r result, code int, want string) {
	t.Helper()
	if r.code != code || strings.Count(strings.TrimSpace(r.err), "\n") != 0 || !strings.Contains(r.err, want) || !strings.HasPrefix(r.err, "steward: ") {
		t.Errorf("exit code %d with %q, want %d and one sentence with %q", r.code, r.err, code, want)
	}
}

func dataDir(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

// kill ends the process as a power failure would.
func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.wait()
}
