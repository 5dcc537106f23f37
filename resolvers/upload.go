package resolvers

import (
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"

	"steward/internal/domain"
)

// maxUpload is the size of an uploaded file, in bytes.
const maxUpload = 16 << 20

// readUpload reads a file that was uploaded for an input field, nil when none was.
func readUpload(field string, u *graphql.Upload) ([]byte, error) {
	if u == nil || u.File == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(u.File, maxUpload+1))
	if err != nil {
		return nil, fmt.Errorf("read upload %s: %w", field, err)
	}
	if len(b) > maxUpload {
		return nil, domain.Invalid(field, "A file has at most 16 MB: split it.")
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}
