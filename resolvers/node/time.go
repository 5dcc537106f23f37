package node

import (
	"io"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"steward/internal/domain"
)

const timeFormat = `"2006-01-02T15:04:05.000Z"`

// MarshalTime writes a moment as the API gives it out: RFC 3339, in UTC, to the millisecond. The zero time is null.
func MarshalTime(t time.Time) graphql.Marshaler {
	if t.IsZero() {
		return graphql.Null
	}
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = w.Write(t.UTC().AppendFormat(make([]byte, 0, len(timeFormat)), timeFormat))
	})
}

// UnmarshalTime reads a moment in RFC 3339, in any zone.
func UnmarshalTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, domain.Invalid("", "A moment is written in RFC 3339, for example 2026-03-01T09:30:00Z.")
}
