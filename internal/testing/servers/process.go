package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrMissing says that a server's program is not installed.
var ErrMissing = errors.New("is not installed")

// startTimeout bounds how long a server may take to be ready.
const startTimeout = 60 * time.Second

// process is one running server.
type process struct {
	cmd  *exec.Cmd
	pid  string        // the file that tells the janitor of it
	done chan struct{} // closed when it has ended
	log  tail
}

// startProcess starts a program and returns when it has written the line that says it is ready.
func startProcess(ctx context.Context, cmd *exec.Cmd, ready string) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = in, in
	err = spawn(cmd)
	_ = in.Close()
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	p := &process{cmd: cmd, pid: filepath.Join(cmd.Dir, "pid"), done: make(chan struct{})}
	isReady := make(chan struct{})
	go p.read(out, ready, isReady)
	go func() { _ = cmd.Wait(); close(p.done) }()
	if err := os.WriteFile(p.pid, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return nil, errors.Join(err, p.end(syscall.SIGKILL))
	}
	select {
	case <-isReady:
		return p, nil
	case <-p.done:
		_ = os.Remove(p.pid)
		return nil, fmt.Errorf("%s ended at once:\n%s", filepath.Base(cmd.Path), p.log.String())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("%s is not ready: %w\n%s", filepath.Base(cmd.Path), ctx.Err(), p.log.String()), p.end(syscall.SIGKILL))
	}
}

func (p *process) read(out io.ReadCloser, ready string, isReady chan<- struct{}) {
	defer out.Close()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.log.add(lines.Text())
		if isReady != nil && strings.Contains(lines.Text(), ready) {
			close(isReady)
			isReady = nil
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line too long must not block the server
}

// end sends the signal, lets a paused process go on so that it hears it, and returns when the process has ended.
func (p *process) end(signal syscall.Signal) error {
	select {
	case <-p.done:
		return os.RemoveAll(p.pid)
	default:
	}
	_ = p.cmd.Process.Signal(signal)
	_ = p.tree(syscall.SIGCONT)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.tree(syscall.SIGKILL)
		<-p.done
	}
	return os.RemoveAll(p.pid)
}

// tree signals the process and its children. The children of PostgreSQL are in sessions of their own.
func (p *process) tree(signal syscall.Signal) error {
	select {
	case <-p.done:
		return fmt.Errorf("%s does not run", filepath.Base(p.cmd.Path))
	default:
	}
	err := p.cmd.Process.Signal(signal)
	out, _ := exec.Command("ps", "-A", "-o", "pid=", "-o", "ppid=").Output()
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[1] == strconv.Itoa(p.cmd.Process.Pid) {
			if child, err := strconv.Atoi(f[0]); err == nil {
				_ = syscall.Kill(child, signal) // it may have ended meanwhile
			}
		}
	}
	return err
}

// spawn starts a program on a thread that lives as long as this process: the kernel ends the program when the thread
// that started it is gone.
func spawn(cmd *exec.Cmd) error {
	started := make(chan error)
	spawner() <- func() { started <- cmd.Start() }
	return <-started
}

var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// root is the folder of all servers that this process starts for tests. A janitor, which hears of the end of this
// process by the end of its input, ends what still runs and removes the folder.
var root = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "steward-servers-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // the user "postgres" goes through it
		return "", err
	}
	hear, hold, err := os.Pipe() // hold stays open as long as this process lives
	if err != nil {
		return "", err
	}
	janitor := exec.Command("sh", "-c", `cat >/dev/null
for f in "$1"/*/pid; do
	[ -f "$f" ] && kill -QUIT "$(cat "$f")" 2>/dev/null && kill -CONT "$(cat "$f")" 2>/dev/null
done
for again in 1 2 3 4 5; do rm -rf -- "$1" 2>/dev/null && exit; sleep 1; done`, "sh", dir)
	janitor.Stdin, janitor.Dir = hear, "/"
	janitor.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	if err := janitor.Start(); err != nil {
		return "", errors.Join(err, hear.Close(), hold.Close(), os.RemoveAll(dir))
	}
	keep = hold
	go func() { _ = janitor.Wait() }()
	return dir, hear.Close()
})

// keep holds the janitor's input open: a file that nothing refers to would be closed.
var keep *os.File

// newDir returns a new folder below root.
func newDir(name string) (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, name+"-")
}

// freePort returns a loopback port that nobody listens on. It is below the ports that systems give to outgoing
// connections, so that it stays free while its server is stopped.
func freePort() (int, error) {
	for range 100 {
		port := 12000 + rand.IntN(20000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 200 {
		t.lines = t.lines[100:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
