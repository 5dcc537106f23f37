package app

import (
	"context"

	"steward/internal/authz"
	"steward/internal/authz/check"
	"steward/internal/authz/spicedb"
	"steward/internal/change"
	"steward/internal/service"
	"steward/internal/store"
)

// Parts are what an open App is made of, for programs that run one within themselves: the tests look into them.
type Parts struct {
	DB      *store.DB
	SpiceDB *spicedb.Client
	Checks  *check.Path
	Engine  *authz.Engine
	Changes *change.Engine
	Service *service.Service
}

// Parts returns the parts of the App. They end with it.
func (a *App) Parts() Parts {
	return Parts{a.core.db, a.core.spicedb, a.core.checks, a.core.engine, a.core.changes, a.core.service}
}

// Operate carries out an operator's command on the App's own data directory.
func (a *App) Operate(ctx context.Context, cmd Command) (Outcome, error) {
	return a.core.operate(ctx, cmd)
}
