package app

import (
	"context"
	"errors"
	"strings"

	"steward/internal/domain"
	"steward/internal/store"
)

// Sentence returns what is wrong as people read it: for a caller's error its message, else the error's own text on one line.
func Sentence(err error) string {
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[*store.SchemaError](err); ok {
		if e.Have > e.Want {
			return "the database was written by a newer version of steward: run that version, or restore a backup from before"
		}
		return "the database was written by an older version of steward: run `steward migrate`"
	}
	if errors.Is(err, context.Canceled) {
		return "it was interrupted"
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}
