package importer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const mendUTF8 = `Save the file as "CSV UTF-8 (comma delimited)" in Excel, or choose the character set "Unicode (UTF-8)" in other programs.`

// text reads a file and returns it as UTF-8 without a byte order mark. A file in another encoding is one problem; it is
// decoded all the same, so that its other problems are found too. ok is false if there is nothing to go on with.
func (p *parser) text(file string, r io.Reader) (s string, ok bool, err error) {
	data, err := io.ReadAll(io.LimitReader(r, p.lim.FileBytes+1))
	if err != nil {
		return "", false, fmt.Errorf("read the %s file: %w", file, err)
	}
	if int64(len(data)) > p.lim.FileBytes {
		return "", false, overLimit(file, "is larger than %s. Split it and import the parts one after the other.", size(p.lim.FileBytes))
	}
	refuse := func(line int, message, mend string) { p.problems.add(file, line, "", message, mend) }
	if kind := notText(data); kind != "" {
		refuse(1, "The file is "+kind+", not a CSV file.", mendUTF8)
		return "", false, nil
	}
	if order, bom := utf16Order(data); order != nil {
		refuse(1, fmt.Sprintf("The file is not UTF-8. It looks like UTF-16 (%s endian), which Excel calls Unicode text.", endian(order)), mendUTF8)
		return decodeUTF16(data[bom:], order), true, nil
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	if len(bytes.TrimSpace(data)) == 0 {
		refuse(1, "The file is empty.", "Give a file with a header line and one line for each row.")
		return "", false, nil
	}
	at, single := singleByte(data)
	if !single {
		return string(data), true, nil // bytes that are no UTF-8 here and there are found row by row
	}
	refuse(lineOf(data, at), fmt.Sprintf("The file is not UTF-8: the byte 0x%02X cannot stand there. It looks like Windows-1252 or ISO 8859-1 (Western European).", data[at]), mendUTF8)
	decoded, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return "", false, fmt.Errorf("decode the %s file: %w", file, err)
	}
	return string(decoded), true, nil
}

// notText names a file that is recognised as no text at all by how it starts, or returns "".
func notText(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return "an Excel workbook (.xlsx) or another zip archive"
	case bytes.HasPrefix(data, []byte("\xD0\xCF\x11\xE0")):
		return "an Excel workbook (.xls)"
	case bytes.HasPrefix(data, []byte("%PDF-")):
		return "a PDF document"
	case bytes.HasPrefix(data, []byte("\xFF\xFE\x00\x00")), bytes.HasPrefix(data, []byte("\x00\x00\xFE\xFF")):
		return "UTF-32 text"
	}
	return ""
}

// utf16Order tells the byte order of UTF-16 text and the length of its byte order mark, or nil for anything else. Without
// a mark it goes by the NUL bytes: in text of mostly Latin letters every other byte is one.
func utf16Order(data []byte) (binary.ByteOrder, int) {
	switch {
	case bytes.HasPrefix(data, []byte("\xFF\xFE")):
		return binary.LittleEndian, 2
	case bytes.HasPrefix(data, []byte("\xFE\xFF")):
		return binary.BigEndian, 2
	}
	head := data[:min(len(data), 1024)&^1]
	var nuls [2]int
	for i, b := range head {
		if b == 0 {
			nuls[i%2]++
		}
	}
	pairs := len(head) / 2
	switch {
	case pairs < 2:
		return nil, 0
	case nuls[1] > pairs*3/4 && nuls[0] < pairs/4:
		return binary.LittleEndian, 0
	case nuls[0] > pairs*3/4 && nuls[1] < pairs/4:
		return binary.BigEndian, 0
	}
	return nil, 0
}

func endian(order binary.ByteOrder) string {
	if order == binary.LittleEndian {
		return "little"
	}
	return "big"
}

func decodeUTF16(data []byte, order binary.ByteOrder) string {
	var b strings.Builder
	b.Grow(len(data) / 2)
	for len(data) >= 2 {
		r := rune(order.Uint16(data))
		data = data[2:]
		if utf16.IsSurrogate(r) && len(data) >= 2 {
			if both := utf16.DecodeRune(r, rune(order.Uint16(data))); both != utf8.RuneError {
				r, data = both, data[2:]
			}
		}
		b.WriteRune(r) // a lone surrogate becomes U+FFFD
	}
	return b.String()
}

// singleByte reports whether data is text of one byte per character beyond ASCII, and where its first such byte is: bytes
// that are no UTF-8 then outnumber those sequences that are.
func singleByte(data []byte) (first int, is bool) {
	first = -1
	invalid, valid := 0, 0
	for i := 0; i < len(data); {
		if data[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			if first < 0 {
				first = i
			}
			invalid++
		} else {
			valid++
		}
		i += n
	}
	return first, invalid > valid
}

// lineOf returns the 1-based physical line of the byte at offset at.
func lineOf(data []byte, at int) int {
	line := 1
	for i, b := range data[:at] {
		if b == '\n' || b == '\r' && data[i+1] != '\n' {
			line++
		}
	}
	return line
}

// size writes a number of bytes as people read it, for example "16 MB".
func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
