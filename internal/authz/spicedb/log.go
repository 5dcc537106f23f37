package spicedb

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/rs/zerolog"
)

// quiet returns a context whose SpiceDB log lines of level warn and above go to log. SpiceDB's lines that use no context
// are dropped by SpiceDB itself, as long as nobody sets its global logger.
func quiet(ctx context.Context, log *slog.Logger) context.Context {
	return zerolog.New(slogWriter{log}).Level(zerolog.WarnLevel).WithContext(ctx)
}

// slogWriter turns zerolog's JSON lines into slog records.
type slogWriter struct{ log *slog.Logger }

func (w slogWriter) Write(line []byte) (int, error) { return w.WriteLevel(zerolog.WarnLevel, line) }

func (w slogWriter) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		fields = map[string]any{zerolog.MessageFieldName: string(line)}
	}
	message, _ := fields[zerolog.MessageFieldName].(string)
	delete(fields, zerolog.MessageFieldName)
	delete(fields, zerolog.LevelFieldName)
	l := slog.LevelWarn
	if level >= zerolog.ErrorLevel && level != zerolog.NoLevel {
		l = slog.LevelError
	}
	w.log.LogAttrs(context.Background(), l, "spicedb", slog.String("spicedb_message", message), slog.Any("spicedb_fields", fields))
	return len(line), nil
}
