// Package matrix tries every operation of the API as every kind of caller, over HTTP, and looks whether it happened. What
// must come out stands in tables that were written by hand from the law; law_test.go holds them against it.
package matrix
