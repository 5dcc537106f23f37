package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"steward/internal/config"
)

// The files of a data directory.
const (
	databaseFile = "steward.db"
	lockFile     = "steward.lock"
	socketFile   = "steward.sock"
)

// LockedError says that a running server holds the data directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("the data directory %s is in use by a running server: stop that one, or name another directory with --data", e.Dir)
}

// dataDir is a data directory that this process holds alone.
type dataDir struct {
	path string
	lock *flock.Flock
}

// ensureDir makes the directory, for its owner alone, where there is none.
func ensureDir(path string) error {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return fmt.Errorf("the data directory %s is a file: name another one with --data", path)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return dirError(path, err)
	}
	return nil
}

// openDir makes the directory where there is none and locks it, or returns a *LockedError. The lock ends with the process,
// however it ends.
func openDir(path string) (*dataDir, error) {
	if err := ensureDir(path); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(path, lockFile), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, dirError(path, err)
	}
	if !ok {
		return nil, &LockedError{path}
	}
	return &dataDir{path, lock}, nil
}

// dirOf opens the data directory where the settings keep everything in it; nil where a database of its own does.
func dirOf(cfg config.Config) (*dataDir, error) {
	if cfg.DatabaseURL != "" {
		return nil, nil
	}
	return openDir(cfg.Data)
}

// database returns the path of the database. A file that is not there yet is made for its owner alone: the files that
// SQLite puts beside it take its mode, so that they are private in a directory that is not.
func (d *dataDir) database() (string, error) {
	path := d.file(databaseFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return "", dirError(d.path, err)
	}
	return path, nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// Close lets others have the directory.
func (d *dataDir) Close() error { return d.lock.Close() }

func dirError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the data directory %s cannot be written: give this user the right to, or name another directory with --data", path)
	}
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return fmt.Errorf("the data directory %s cannot be used: %w", path, err)
}
