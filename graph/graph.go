// Package graph is the API in SDL, one file per noun. What may be seen and done stands there too, as @can. Everything that
// follows from it is generated: viewercan.graphqls by viewercan, generated/ and model/ by gqlgen. Edit the SDL, then run
//
//	go generate ./graph
package graph

//go:generate go run ./viewercan
//go:generate go tool -modfile=../tools/go.mod gqlgen generate
