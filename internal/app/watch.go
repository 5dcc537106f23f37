package app

import (
	"context"
	"errors"
	"fmt"

	"steward/internal/authz/spicedb"
	"steward/internal/change"
)

// feed is SpiceDB's feed of changes in the terms of package change.
type feed struct{ *spicedb.Client }

// Watch implements change.Feed.
func (f feed) Watch(ctx context.Context, cursor string, fn func(change.Event) error) error {
	err := f.Client.Watch(ctx, cursor, func(e spicedb.Event) error { return fn(change.Event(e)) })
	switch {
	case errors.Is(err, spicedb.ErrWatchDisabled):
		return fmt.Errorf("%w: %w", change.ErrFeedDisabled, err)
	case errors.Is(err, spicedb.ErrCursorGone):
		return fmt.Errorf("%w: %w", change.ErrCursorGone, err)
	}
	return err
}
