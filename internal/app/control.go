package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A command that finds the data directory taken goes through the server that has it: over a socket in that directory, which
// only its owner can open. Whoever can open it could as well change the database.

// commandTimeout bounds one command.
const commandTimeout = time.Minute

// reply is what goes back over the socket.
type reply struct {
	Outcome
	Error string `json:"error,omitempty"` // one sentence
}

// serveCommands listens for commands until it is closed. Where the socket cannot be made, for example because the path is
// too long for one, the server runs without it and the log says so.
func (c *core) serveCommands(ctx context.Context) {
	path := c.dir.file(socketFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // a killed server's
		c.log.WarnContext(ctx, "commands cannot reach this server", "error", err)
		return
	}
	listener, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		c.log.WarnContext(ctx, "commands cannot reach this server", "error", err)
		return
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(c.serveCommand),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(c.log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.log.Warn("commands cannot reach this server any more", "error", err)
		}
	}()
	c.add("command socket", server.Shutdown)
}

func (c *core) serveCommand(w http.ResponseWriter, r *http.Request) {
	var cmd Command
	var out reply
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&cmd)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
		defer cancel()
		out.Outcome, err = c.operate(ctx, cmd)
	}
	if err != nil {
		out.Error = Sentence(err)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the command sees a broken answer
}

// send has the server that holds the data directory carry out a command.
func send(ctx context.Context, dir string, cmd Command) (Outcome, error) {
	client := &http.Client{
		Timeout: commandTimeout + 5*time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, socketFile))
		}},
	}
	body, err := json.Marshal(cmd)
	if err != nil {
		return Outcome{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://steward/", bytes.NewReader(body))
	if err != nil {
		return Outcome{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return Outcome{}, fmt.Errorf("%w; it does not answer commands: %w", &LockedError{dir}, err)
	}
	defer res.Body.Close()
	var answer reply
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<20)).Decode(&answer); err != nil {
		return Outcome{}, fmt.Errorf("the server that holds %s broke off its answer: %w", dir, err)
	}
	if answer.Error != "" {
		return Outcome{}, errors.New(answer.Error)
	}
	return answer.Outcome, nil
}
