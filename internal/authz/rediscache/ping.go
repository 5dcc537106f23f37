package rediscache

import (
	"context"
	"errors"
	"fmt"
)

var errAway = errors.New("redis: it has not answered for a while and is not asked")

// Ping returns an error when Redis does not answer before ctx ends, or is not asked because it did not lately. It says
// whether lookups are quick, not whether they are right.
func (c *Cache) Ping(ctx context.Context) error {
	if c.breaker.open.Load() {
		return errAway
	}
	if err := c.client.HMGet(ctx, prefix, "").Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}
