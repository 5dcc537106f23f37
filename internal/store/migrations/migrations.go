// Package migrations carries the schema of each database engine, as the SQL files that lead to it.
package migrations

import "embed"

// SQLite holds the migrations of the SQLite engine, in the folder "sqlite".
//
//go:embed sqlite/*.sql
var SQLite embed.FS
