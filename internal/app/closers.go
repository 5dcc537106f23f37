package app

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// closeTimeout bounds how long everything together may take to close.
const closeTimeout = 15 * time.Second

// closers are what was opened, in order.
type closers struct {
	stack []closer
}

type closer struct {
	name  string
	close func(context.Context) error
}

// add puts the closing of what was just opened on top. Its name is for the error.
func (c *closers) add(name string, close func(context.Context) error) {
	c.stack = append(c.stack, closer{name, close})
}

// simple is add for what closes without a deadline of its own.
func (c *closers) simple(name string, close func() error) {
	c.add(name, func(context.Context) error { return close() })
}

// Close closes everything in reverse order under a fresh deadline and joins the errors. A second call does nothing.
func (c *closers) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	for len(c.stack) > 0 {
		last := c.stack[len(c.stack)-1]
		c.stack = c.stack[:len(c.stack)-1]
		done := make(chan error, 1)
		go func() { done <- last.close(ctx) }()
		select {
		case err := <-done:
			if err != nil {
				errs = append(errs, fmt.Errorf("close %s: %w", last.name, err))
			}
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("close %s: not within %s", last.name, closeTimeout))
		}
	}
	return errors.Join(errs...)
}
