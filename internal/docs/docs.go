// Package docs holds what keeps docs/ true: the pictures in docs/model.md are drawn from schema.zed, and the tests run what
// docs/api.md and the playground's examples say against a served demo.
package docs

//go:generate go run ./model ../../docs/model.md
