package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds what the test waits for: SpiceDB is built, and a busy machine has two cores.
const patience = 10 * time.Minute

// launcher is the program, running.
type launcher struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	json string
	out  *bytes.Buffer
	done chan struct{}
}

// build builds a command of this module.
func build(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.Base(name))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "steward/"+name).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return path
}

func launch(t *testing.T, program string, args ...string) *launcher {
	t.Helper()
	l := &launcher{t: t, cmd: exec.Command(program, args...), json: filepath.Join(t.TempDir(), "at.json"), out: &bytes.Buffer{}, done: make(chan struct{})}
	l.cmd.Args = append(l.cmd.Args, "-json", l.json)
	l.cmd.Stdout, l.cmd.Stderr = l.out, l.out
	var err error
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = l.cmd.Wait(); close(l.done) }()
	t.Cleanup(func() {
		_ = l.cmd.Process.Signal(os.Interrupt)
		<-l.done
	})
	return l
}

// until waits for a report that is as wanted.
func (l *launcher) until(what string, wanted func(report) bool) report {
	l.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var r report
		text, err := os.ReadFile(l.json)
		if err == nil && json.Unmarshal(text, &r) == nil && wanted(r) {
			return r
		}
		select {
		case <-l.done:
			if strings.Contains(l.out.String(), "is not installed") && os.Getenv("CI") != "true" {
				l.t.Skip(l.out.String())
			}
			l.t.Fatalf("it ended before %s:\n%s", what, l.out)
		default:
		}
		if time.Now().After(deadline) {
			_ = l.cmd.Process.Signal(os.Interrupt)
			<-l.done
			l.t.Fatalf("%s does not come:\n%s", what, l.out)
		}
	}
}

func (l *launcher) up() report {
	l.t.Helper()
	return l.until("the report", func(r report) bool { return r.Front.URL != "" })
}

// end is Ctrl-C: everything ends, and nothing is left.
func (l *launcher) end(r report) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(os.Interrupt); err != nil {
		l.t.Fatal(err)
	}
	<-l.done
	if code := l.cmd.ProcessState.ExitCode(); code != 0 {
		l.t.Errorf("Ctrl-C gives exit code %d:\n%s", code, l.out)
	}
	for _, p := range append([]where{r.Issuer, r.Postgres, r.Redis, r.SpiceDB}, r.Replicas...) {
		if p.PID != 0 && syscall.Kill(p.PID, 0) == nil {
			l.t.Errorf("%s is left as process %d", p.Name, p.PID)
		}
	}
}

// post sends JSON and returns the answer.
func post(t *testing.T, url, token string, body map[string]any) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// signIn gets a token as the playground does: from the page's own address.
func signIn(t *testing.T, front, email string) string {
	t.Helper()
	var answer struct{ Token string }
	text := post(t, front+"/demo/token", "", map[string]any{"email": email})
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Token == "" {
		t.Fatalf("no token for %s: %s", email, text)
	}
	return answer.Token
}

const page = `{ viewer { accounts { edges { node { id phone contacts(first: 50) { edges { node { id email } } } } } } } }`

func TestParts(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs and starts six")
	}
	bin, dir := t.TempDir(), filepath.Join(reachableDir(t), "data", "parts")
	program, steward := build(t, bin, "internal/testing/parts"), build(t, bin, "cmd/steward")
	args := []string{"-steward", steward, "-dir", dir, "-listen", "127.0.0.1:0"}
	l := launch(t, program, append(args, "-fresh")...)
	at := l.up()
	owner, carla := signIn(t, at.Front.URL, "olivia.owner@alderfinch.example"), signIn(t, at.Front.URL, "carla.contacts@alderfinch.example")
	first, second := at.Replicas[0].URL+"/graphql", at.Replicas[1].URL+"/graphql"
	id := account(t, post(t, at.Front.URL+"/graphql", owner, map[string]any{"query": page}))

	// A change on one replica is there on the other, and so is the end of a right.
	edit := func(token, phone string) string {
		return post(t, first, token, map[string]any{"query": `mutation { editAccount(input: {accountId: "` + id + `", phone: "` + phone + `"}) { auditId } }`})
	}
	if answer := edit(owner, "+44 161 496 0001"); strings.Contains(answer, "errors") {
		t.Fatal(answer)
	}
	if answer := post(t, second, carla, map[string]any{"query": page}); !strings.Contains(answer, "+44 161 496 0001") {
		t.Errorf("the other replica says %s", answer)
	}
	t.Run("revoke", func(t *testing.T) { revoke(t, first, second, owner, carla) })

	// Without Redis everything goes on.
	command(t, l, "stop redis", func(r report) bool { return r.Redis.State == "stopped" })
	kept(t, at.Front.URL, owner)
	command(t, l, "start redis", func(r report) bool { return r.Redis.State == "running" })
	t.Run("front", func(t *testing.T) { front(t, l, at.Front.URL, owner) })
	l.end(l.up())
	for _, line := range []string{`redis +stopped +redis:`, `replica-1 +paused +\d+ +http:`, `replica-1 +stopped +http:`, `postgres +paused +\d+ `,
		`Type stop, start, pause or resume, and one of issuer, postgres, redis, replica-1, replica-2, spicedb:`, `error: "sleep" is not understood: type stop,`} {
		if !regexp.MustCompile(line).MatchString(l.out.String()) {
			t.Errorf("nothing printed is like %q:\n%s", line, l.out)
		}
	}

	l = launch(t, program, args...)
	at = l.up()
	kept(t, at.Front.URL, signIn(t, at.Front.URL, "olivia.owner@alderfinch.example"))
	if out, err := exec.CommandContext(t.Context(), steward, "reconcile", "--config", at.Replicas[0].Command[3]).CombinedOutput(); err != nil {
		t.Errorf("reconcile: %v\n%s", err, out)
	}
	l.end(at)
}

// front passes over a replica that is gone or paused; without PostgreSQL it brings requests to the replicas all the same.
func front(t *testing.T, l *launcher, url, token string) {
	command(t, l, "pause replica-1", func(r report) bool { return r.Replicas[0].State == "paused" })
	quick := &http.Client{Timeout: time.Second}
	deadline := time.Now().Add(30 * time.Second)
	for inRow := 0; inRow < 4 && time.Now().Before(deadline); inRow++ {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := quick.Do(r)
		if err != nil { // the front has not found out yet
			inRow = -1
			continue
		}
		_ = res.Body.Close()
	}
	for range 4 {
		kept(t, url, token)
	}
	if time.Now().After(deadline) {
		t.Error("the front does not pass over a paused replica")
	}
	command(t, l, "resume replica-1", func(r report) bool { return r.Replicas[0].State == "running" })
	command(t, l, "stop replica-1", func(r report) bool { return r.Replicas[0].State == "stopped" })
	for range 4 {
		kept(t, url, token)
	}
	command(t, l, "pause postgres", func(r report) bool { return r.Postgres.State == "paused" })
	if answer := post(t, url+"/graphql", token, map[string]any{"query": page}); !strings.Contains(answer, "UNAVAILABLE") {
		t.Errorf("without PostgreSQL the front says %s", answer)
	}
	if _, err := io.WriteString(l.in, "sleep\n"); err != nil {
		t.Fatal(err)
	}
	command(t, l, "resume postgres", func(r report) bool { return r.Postgres.State == "running" })
}

// reachableDir is t.TempDir for others too: PostgreSQL does not run as root.
func reachableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "steward-parts-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// command types a command and waits for what it does.
func command(t *testing.T, l *launcher, line string, done func(report) bool) {
	t.Helper()
	if _, err := io.WriteString(l.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
	l.until(line, done)
}

// kept fails unless the front answers with what was changed.
func kept(t *testing.T, front, token string) {
	t.Helper()
	if answer := post(t, front+"/graphql", token, map[string]any{"query": page}); !strings.Contains(answer, "+44 161 496 0001") {
		t.Errorf("the front says %s", answer)
	}
}

func account(t *testing.T, answer string) string {
	t.Helper()
	return decode(t, answer).Data.Viewer.Accounts.Edges[0].Node.ID
}

type answered struct {
	Data struct {
		Viewer struct {
			Accounts struct {
				Edges []struct {
					Node struct {
						ID       string
						Contacts struct {
							Edges []struct{ Node struct{ ID, Email string } }
						}
					}
				}
			}
		}
	}
}

func decode(t *testing.T, answer string) (a answered) {
	t.Helper()
	if err := json.Unmarshal([]byte(answer), &a); err != nil || len(a.Data.Viewer.Accounts.Edges) == 0 {
		t.Fatalf("%v: %s", err, answer)
	}
	return a
}

// revoke takes a right away on one replica and asks for what it showed on the other, at once.
func revoke(t *testing.T, first, second, owner, carla string) {
	const hidden = "adam.admin@alderfinch.example"
	if answer := post(t, second, carla, map[string]any{"query": page}); !strings.Contains(answer, hidden) {
		t.Fatalf("before: %s", answer)
	}
	contact := ""
	for _, e := range decode(t, post(t, first, owner, map[string]any{"query": page})).Data.Viewer.Accounts.Edges[0].Node.Contacts.Edges {
		if strings.HasPrefix(e.Node.Email, "carla.contacts@") {
			contact = e.Node.ID
		}
	}
	mutation := `mutation { revokePermission(input: {contactId: "` + contact + `", permission: CONTACT_MANAGEMENT}) { auditId } }`
	if answer := post(t, first, owner, map[string]any{"query": mutation}); strings.Contains(answer, "errors") {
		t.Fatal(answer)
	}
	if answer := post(t, second, carla, map[string]any{"query": page}); strings.Contains(answer, hidden) || !strings.Contains(answer, "FORBIDDEN") {
		t.Errorf("after the revoke: %s", answer)
	}
}
