package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// patience is how long an answer that is to become the expected one may take.
const patience = 30 * time.Second

// TestAPIPage runs every operation and command of docs/api.md against one demo, in the order of the page.
func TestAPIPage(t *testing.T) {
	page := blocks(t, "../../docs/api.md")
	api := schema(t)
	s := serveDemo(t)
	operations := 0
	for i, b := range page {
		var want any
		if i+1 < len(page) && page[i+1].lang == "json" {
			if err := json.Unmarshal([]byte(page[i+1].text), &want); err != nil {
				t.Fatalf("api.md:%d: %v", page[i+1].line, err)
			}
		}
		var err error
		switch b.lang {
		case "graphql":
			operations++
			if s.lacks(b) {
				continue
			}
			err = s.runOperation(t.Context(), api, b, want)
		case "sh":
			err = s.runCommand(t.Context(), b, want)
		case "csv":
			err = os.WriteFile(filepath.Join(s.dir, b.words["file"]), []byte(b.text), 0o600)
		case "json", "text":
		default:
			err = fmt.Errorf("there is no way to run a block in %q", b.lang)
		}
		if err != nil {
			t.Fatalf("api.md:%d: %v", b.line, err) // what follows builds on it
		}
	}
	if operations < 20 {
		t.Errorf("api.md runs %d operations", operations)
	}
}

func (s *server) runOperation(ctx context.Context, api *ast.Schema, b block, want any) error {
	op, err := operation(api, b.text)
	if err != nil {
		return err
	}
	token := s.token(b.words["as"])
	if name := b.words["bearer"]; name != "" {
		if token = s.kept[name]; token == "" {
			return fmt.Errorf("nothing was kept as %s", name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, until := b.words["until"]
	for {
		err := s.judge(b, s.ask(token, op, b.text, nil), want)
		if err == nil || !until {
			return err
		}
		pause, done := context.WithTimeout(ctx, 20*time.Millisecond)
		<-pause.Done()
		done()
		if ctx.Err() != nil {
			return err
		}
	}
}

// lacks reports whether an operation needs what a command would have brought that could not be run.
func (s *server) lacks(b block) bool {
	return slices.ContainsFunc(s.without, func(name string) bool { return strings.Contains(b.text, "$"+name) })
}

// judge holds an answer against what is expected, and keeps what is to be kept of it. Where nothing is expected there must
// be no error.
func (s *server) judge(b block, answer map[string]any, want any) error {
	if want != nil {
		if err := matches("the answer", want, answer); err != nil {
			return err
		}
	} else if answer["errors"] != nil {
		return fmt.Errorf("errors: %v", answer["errors"])
	}
	for _, k := range b.keep {
		v, err := at(answer["data"], k.path)
		if err != nil {
			return err
		}
		text, ok := v.(string)
		if ok && k.pattern != nil {
			m := k.pattern.FindStringSubmatch(text)
			if ok = len(m) == 2; ok {
				text = m[1]
			}
		}
		if !ok {
			return fmt.Errorf("nothing to keep as %s at %s: %v", k.name, k.path, v)
		}
		s.kept[k.name] = text
	}
	return nil
}

// runCommand runs a command as a reader would, but against this server.
func (s *server) runCommand(ctx context.Context, b block, want any) error {
	if _, err := exec.LookPath("curl"); err != nil && strings.Contains(b.text, "curl") {
		s.t.Logf("api.md:%d: not run, there is no curl here", b.line)
		for _, k := range b.keep {
			s.without = append(s.without, k.name)
		}
		return nil
	}
	script := strings.ReplaceAll(b.text, "http://127.0.0.1:8080", s.url)
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TOKEN="+s.token(b.words["as"]))
	for name, value := range s.kept {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		return errors.Join(err, errors.New(errOut.String()))
	}
	if want == nil {
		return nil
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return s.judge(b, answer, want)
}
