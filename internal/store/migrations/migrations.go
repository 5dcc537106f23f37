// Package migrations carries the schema of each database engine, as the SQL files that lead to it.
package migrations

import "embed"

// SQLite holds the migrations of the SQLite engine, in the folder "sqlite".
//
//go:embed sqlite/*.sql
var SQLite embed.FS

// Postgres holds those of the PostgreSQL engine, in the folder "postgres". Versions mean the same on both engines.
//
//go:embed postgres/*.sql
var Postgres embed.FS
