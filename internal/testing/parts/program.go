package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gopkg.in/yaml.v3"
)

// program is a process of steward. It is told everything in a settings file, so that the same command starts it again by hand.
type program struct {
	name, command         string
	url, metrics          string
	binary, settings, log string // files
	cmd                   *exec.Cmd
	done                  chan struct{} // closed when it has ended
}

// newProgram writes the settings file of a program that listens on a port of this machine, 0 for a free one.
func (c *cluster) newProgram(name string, port int, command string, told settings) (*program, error) {
	if port == 0 {
		var err error
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p := &program{
		name: name, command: command, url: "http://" + listen, binary: c.steward,
		settings: filepath.Join(c.dir, "settings", name+".yaml"), log: filepath.Join(c.dir, "logs", name+".log"),
	}
	told = maps.Clone(told)
	told["listen"], told["log-format"] = listen, "json"
	text, err := yaml.Marshal(map[string]string(told))
	if err != nil {
		return nil, err
	}
	return p, os.WriteFile(p.settings, text, 0o600) // it holds passwords
}

// arguments are those of the command line.
func (p *program) arguments() []string { return []string{p.command, "--config", p.settings} }

// start starts the process, with its output in the log.
func (p *program) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.binary, p.arguments()...)
	for _, v := range os.Environ() { // what is set for another steward is not for this one
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "STEWARD_") && !slices.Contains([]string{"DATABASE_URL", "REDIS_URL", "REDIS_CA", "SPICEDB_ENDPOINT", "SPICEDB_KEY", "SPICEDB_CA"}, name) {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, attributes()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	cmd, done := p.cmd, make(chan struct{})
	p.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	return nil
}

// Start starts the process and returns when it is ready.
func (p *program) Start(ctx context.Context) error {
	if p.pid() != 0 {
		return fmt.Errorf("%s runs already", p.name)
	}
	if err := p.start(); err != nil {
		return err
	}
	if err := answers(ctx, p.url+"/readyz", p.done); err != nil {
		return fmt.Errorf("%s: %w; its log:\n%s", p.name, err, p.lastLines())
	}
	return nil
}

// runToEnd runs a command that ends by itself.
func (p *program) runToEnd(ctx context.Context) error {
	if err := p.start(); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return errors.Join(ctx.Err(), p.Stop())
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("steward %s: %s; its log:\n%s", p.command, p.cmd.ProcessState, p.lastLines())
	}
	return nil
}

// Stop ends the process: requests in flight finish.
func (p *program) Stop() error {
	if p.pid() == 0 {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by now
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	select {
	case <-p.done:
		return nil
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end and was killed", p.name)
	}
}

// Pause stops the process where it is.
func (p *program) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (p *program) Resume() error { return p.signal(syscall.SIGCONT) }

func (p *program) signal(s syscall.Signal) error {
	if p.pid() == 0 {
		return fmt.Errorf("%s does not run", p.name)
	}
	return p.cmd.Process.Signal(s)
}

// pid is 0 when the process does not run.
func (p *program) pid() int {
	if p.done == nil {
		return 0
	}
	select {
	case <-p.done:
		return 0
	default:
		return p.cmd.Process.Pid
	}
}

// lastLines is the end of the log.
func (p *program) lastLines() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// freePort returns a loopback port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
