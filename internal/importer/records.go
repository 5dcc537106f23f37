package importer

import (
	"fmt"
	"strings"
)

// scanner splits text into records. It differs from encoding/csv in what an import needs: it goes on behind every fault,
// counts physical lines, and takes blanks around a quoted field and a lone CR as the end of a line.
//
// A fault inside quotes makes it resume at the line after the one where the quote opened, so that one forgotten quote
// does not swallow the rest of the file. That is linear all the same: what it goes over again holds no odd run of quotes, so
// it can open no quote that stays open, and is not gone over a third time.
type scanner struct {
	s        string
	pos      int
	line     int
	comma    byte
	maxBytes int // per field
	maxKept  int // fields beyond it are counted, not kept
}

// record is one record. Its fields are valid until the next one is read.
type record struct {
	line   int      // where it starts
	fields []string // the first maxKept
	count  int      // of all fields
	extra  bool     // a field that was not kept is not blank
	blank  bool     // all fields are blank
	fault  *fault
}

// fault is why a record could not be read.
type fault struct {
	field         int // index of the field
	message, mend string
	aligned       bool // the other fields stand where they belong
}

func newScanner(s string, lim Limits) *scanner {
	return &scanner{s: s, line: 1, comma: ',', maxBytes: lim.FieldBytes, maxKept: maxColumns + 1}
}

// next reads the next record into rec and reports whether there was one.
func (c *scanner) next(rec *record) bool {
	if c.pos >= len(c.s) {
		return false
	}
	*rec = record{line: c.line, fields: rec.fields[:0], blank: true}
	for {
		value, ok := c.field(rec)
		if !ok {
			rec.blank = false
			return true
		}
		if strings.TrimSpace(value) != "" {
			rec.blank = false
			rec.extra = rec.extra || rec.count >= c.maxKept
		}
		if rec.count < c.maxKept {
			rec.fields = append(rec.fields, value)
		}
		rec.count++
		if c.pos < len(c.s) && c.s[c.pos] == c.comma {
			c.pos++
			continue
		}
		c.endLine()
		return true
	}
}

// field reads one field and stops at the separator or the end of the line behind it. ok is false if the record cannot be
// read on; the scanner then stands where the next one starts.
func (c *scanner) field(rec *record) (value string, ok bool) {
	if open := c.skipBlanks(c.pos); open < len(c.s) && c.s[open] == '"' {
		c.pos = open
		return c.quoted(rec)
	}
	start := c.pos
	for c.pos < len(c.s) && c.s[c.pos] != c.comma && c.s[c.pos] != '\n' && c.s[c.pos] != '\r' {
		c.pos++
	}
	value = c.s[start:c.pos]
	switch {
	case len(value) > c.maxBytes:
		c.tooLong(rec, len(value))
		return "", true
	case strings.IndexByte(value, '"') >= 0:
		rec.fault = &fault{field: rec.count, message: "A quote stands inside a field that does not start with one.", mend: `Put the whole field in quotes and double those inside it, as in "5"" pipe".`}
		c.toNextLine()
		return "", false
	}
	return value, true
}

// quoted reads a field in quotes; c.pos is at the opening one.
func (c *scanner) quoted(rec *record) (value string, ok bool) {
	open, openLine, escaped := c.pos, c.line, false
	c.pos++
	for c.pos < len(c.s) {
		switch b := c.s[c.pos]; {
		case b == '\n' || b == '\r':
			c.endLine()
			continue
		case b == '"' && c.pos+1 < len(c.s) && c.s[c.pos+1] == '"':
			escaped = true
			c.pos++
		case b == '"':
			value = c.s[open+1 : c.pos]
			c.pos = c.skipBlanks(c.pos + 1)
			if c.pos < len(c.s) && c.s[c.pos] != c.comma && c.s[c.pos] != '\n' && c.s[c.pos] != '\r' {
				c.resume(open, openLine)
				rec.fault = &fault{field: rec.count, message: "Text follows the closing quote of a field" + opened(rec, openLine) + ".", mend: "Double the quotes inside the field, as in \"the \"\"old\"\" mill\", or remove them."}
				return "", false
			}
			if len(value) > c.maxBytes {
				c.tooLong(rec, len(value))
				return "", true
			}
			if escaped {
				value = strings.ReplaceAll(value, `""`, `"`)
			}
			return value, true
		}
		c.pos++
	}
	c.resume(open, openLine)
	rec.fault = &fault{field: rec.count, message: "A quoted field" + opened(rec, openLine) + " is never closed.", mend: "Add the closing quote, or remove the opening one."}
	return "", false
}

// opened tells on which line a field's quote opened, if it is not the one where the record starts.
func opened(rec *record, line int) string {
	if line == rec.line {
		return ""
	}
	return fmt.Sprintf(" that opened on line %d", line)
}

// tooLong notes the fault; the record can be read on.
func (c *scanner) tooLong(rec *record, n int) {
	rec.blank = false // its other fields may be
	rec.fault = &fault{aligned: true, field: rec.count, message: fmt.Sprintf("The field is %d bytes long; at most %s are allowed.", n, size(int64(c.maxBytes))), mend: "Shorten it, or look for a quote that is missing on this line."}
}

// resume makes the line after the one of an opening quote the next to be read.
func (c *scanner) resume(open, openLine int) {
	c.pos, c.line = open, openLine
	c.toNextLine()
}

// toNextLine goes behind the end of the present line.
func (c *scanner) toNextLine() {
	if i := strings.IndexAny(c.s[c.pos:], "\r\n"); i >= 0 {
		c.pos += i
		c.endLine()
		return
	}
	c.pos = len(c.s)
}

// endLine goes behind the line's end, which is at c.pos: CRLF, LF or a lone CR. At the end of the text it does nothing.
func (c *scanner) endLine() {
	if c.pos >= len(c.s) {
		return
	}
	if strings.HasPrefix(c.s[c.pos:], "\r\n") {
		c.pos++
	}
	c.pos++
	c.line++
}

func (c *scanner) skipBlanks(at int) int {
	for at < len(c.s) && c.s[at] == ' ' {
		at++
	}
	return at
}
