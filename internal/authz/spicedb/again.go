package spicedb

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	attempts     = 6
	firstPause   = 5 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// again calls f, and again after a short pause while SpiceDB says that another transaction was in its way. Whatever f
// does must be harmless twice. It returns the last error of f, also when ctx ends during a pause.
func again(ctx context.Context, f func() error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || attempt == attempts || !conflict(err) {
			return err
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// conflict reports whether two transactions were in each other's way. One of the two ways in which PostgreSQL can say so
// reads like a CREATE of what is there already, and we never create.
func conflict(err error) bool {
	switch status.Code(err) {
	case codes.Aborted, codes.AlreadyExists:
		return true
	}
	return false
}
