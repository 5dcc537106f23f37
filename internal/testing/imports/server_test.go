package imports

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const accountant = "ana.accounting@steward.example"

// server is the program, serving the demo in a process of its own.
type server struct {
	cmd   *exec.Cmd
	url   string
	token string // the accountant's
	ended chan error
	log   *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var listening = regexp.MustCompile(`listens on (http://\S+)`)

// serve starts the program on the data directory and returns once it listens.
func serve(t *testing.T, data string) *server {
	t.Helper()
	s := &server{ended: make(chan error, 1), log: &safeBuffer{}}
	s.cmd = command(t, context.Background(), data, "serve", "--demo", "--listen", "127.0.0.1:0")
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				told <- m[1]
			}
		}
		s.ended <- s.cmd.Wait()
	}()
	t.Cleanup(s.kill)
	select {
	case s.url = <-told:
	case err := <-s.ended:
		s.ended <- err
		t.Fatalf("the server ended before it listened: %v: %s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("the server does not listen: %s", s.log)
	}
	s.token = strings.TrimSpace(must(t, data, "token", "--email", accountant))
	return s
}

// kill ends the process as a power cut does. A second call does nothing.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	s.ended <- <-s.ended
}

// upload starts an import and returns the job's id.
func (s *server) upload(t *testing.T, f files) string {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	operations, err := json.Marshal(map[string]any{"query": importAccounts, "variables": map[string]any{
		"input": map[string]any{"accounts": nil, "contacts": nil, "staffRequest": request},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct{ name, content string }{
		{"operations", string(operations)}, {"map", `{"a": ["variables.input.accounts"], "c": ["variables.input.contacts"]}`},
	} {
		if err := form.WriteField(part.name, part.content); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []struct{ name, content string }{{"a", f.accounts}, {"c", f.contacts}} {
		w, err := form.CreateFormFile(part.name, part.name+".csv")
		if err == nil {
			_, err = io.WriteString(w, part.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct{ ImportAccounts struct{ Job *job } }
	}
	text, err := s.post(form.FormDataContentType(), &body, &answer)
	if err != nil || answer.Data.ImportAccounts.Job == nil {
		t.Fatalf("the upload was answered %v: %s", err, text)
	}
	return answer.Data.ImportAccounts.Job.ID
}

// job reads a job as who started it.
func (s *server) job(id string) (*job, error) {
	body, err := json.Marshal(map[string]any{"query": readJob, "variables": map[string]any{"id": id}})
	if err != nil {
		return nil, err
	}
	var answer struct{ Data struct{ Node *job } }
	text, err := s.post("application/json", bytes.NewReader(body), &answer)
	if err == nil && answer.Data.Node == nil {
		err = fmt.Errorf("the job is not there: %s", text)
	}
	return answer.Data.Node, err
}

func (s *server) post(contentType string, body io.Reader, answer any) (text string, err error) {
	req, err := http.NewRequest(http.MethodPost, s.url+"/graphql", body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(b, answer)
	}
	return string(b), err
}

// finished waits for the end of a job.
func (s *server) finished(t *testing.T, id string) job {
	t.Helper()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for end := time.After(patience); ; {
		j, err := s.job(id)
		if err != nil {
			t.Fatal(err)
		}
		if j.FinishedAt != "" {
			return *j
		}
		select {
		case <-pace.C:
		case <-end:
			t.Fatalf("the job does not end: %+v\n%s", *j, s.log)
		}
	}
}
