// Package resolvers answers GraphQL fields. Reads go through loaders (loaders.go), which the engine runs for all objects of
// a level at once; a resolver then takes what was loaded ahead. Mutations turn their input into a call of the service and its
// answer into a payload (mutation.go). What the caller may see or do is decided by the engine, not here.
package resolvers

import (
	"log/slog"

	"steward/graph/generated"
	"steward/internal/authz"
	"steward/internal/service"
	"steward/internal/store"
)

// Options are the parts of the resolvers.
type Options struct {
	DB      *store.DB
	Engine  *authz.Engine
	Service *service.Service
	Log     *slog.Logger
	// Demo lets a caller read the mail that was sent to them.
	Demo bool
	// Version and Model are what Query.service answers: the program's version, and the first 16 hexadecimal digits of the
	// SHA-256 of schema.zed.
	Version, Model string
}

// Resolver is the root of the resolvers. It is safe for concurrent use.
type Resolver struct{ Options }

// NewConfig returns what generated.NewExecutableSchema takes: the resolvers and the directives of the policy.
func NewConfig(o Options) generated.Config {
	return generated.Config{
		Resolvers: &Resolver{o},
		Directives: generated.DirectiveRoot{
			Can: o.Engine.CanDirective, SignedIn: o.Engine.SignedInDirective, Answer: o.Engine.AnswerDirective,
		},
	}
}
