// Package steward is a GraphQL backend in which every field asks SpiceDB: customers' accounts and contacts with
// granular permissions. Follow one request by file names: cmd/steward, internal/app, internal/httpserver, graph,
// resolvers, internal/authz, internal/authz/spicedb.
package steward

import _ "embed"

// SchemaZed is the one authorization model, as SpiceDB reads it.
//
//go:embed schema.zed
var SchemaZed string
