package main

import (
	"context"
	"math/bits"

	"golang.org/x/sync/errgroup"

	"steward/internal/authz"
)

// naive asks SpiceDB about each permission of each object in a call of its own, as a guard in every resolver would.
type naive struct {
	spicedb     authz.Live
	permissions map[string][]string
}

// Check implements authz.Checker.
func (n naive) Check(ctx context.Context, sub authz.Subject, asks []authz.Ask) (authz.Answer, error) {
	out := authz.Answer{Allowed: make([]uint64, len(asks))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16) // as many as gqlgen would have on their way for a list
	for i, a := range asks {
		g.Go(func() error {
			for b := a.Bits; b != 0; b &= b - 1 {
				q := authz.Question{Ref: a.Ref, Permission: n.permissions[a.Ref.Type][bits.TrailingZeros64(b)]}
				got, err := n.spicedb.Check(ctx, sub, []authz.Question{q})
				if err != nil {
					return err
				}
				if got[0] {
					out.Allowed[i] |= b & -b
				}
			}
			return nil
		})
	}
	return out, g.Wait()
}
