// Package playground holds the page on which a person tries the GraphQL API.
//
// The page is GraphiQL, bundled by npm into dist/app. A checkout has only a
// placeholder in dist, so that the package compiles with Go alone.
package playground

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the playground's files, index.html at their root: the bundle
// where one was built before this program was compiled, the placeholder
// otherwise.
func Files() fs.FS { return page(dist) }

// page picks the bundle out of dist, or dist itself where it holds no bundle.
func page(files fs.FS) fs.FS {
	root := "dist"
	if _, err := fs.Stat(files, "dist/app/index.html"); err == nil {
		root = "dist/app"
	}
	sub, err := fs.Sub(files, root)
	if err != nil {
		panic(err) // fs.Sub refuses malformed paths only, and both of these are well formed
	}
	return sub
}
