package rediscache

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"steward/internal/authz/check"
)

// The layout, "c1". One Redis hash per key:
//
//	steward:c1:kZlZ...   base64 of the key
//	  <length of type><type><id>   the field: an object; with the length, a|bc is not ab|c
//	    known allowed seal         the value: a bit per permission, big endian, 8 bytes each
//
// The seal is the beginning of a SHA-256 of the key, the field, known and allowed. It is no signature: it ties a value to
// its question, so that a reply to another question (a connection that got out of step) is a miss and not somebody
// else's rights.
const (
	prefix    = "steward:c1:"
	keySize   = len(prefix) + (len(check.Key{})*8+5)/6
	valueSize = 24
)

func appendKey(b []byte, k check.Key) []byte {
	return base64.RawURLEncoding.AppendEncode(append(b, prefix...), k[:])
}

func appendField(b []byte, e *check.Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(e.Type)))
	b = append(b, e.Type...)
	return append(b, e.ID...)
}

// fieldSize is at least what appendField appends.
func fieldSize(e *check.Entry) int { return binary.MaxVarintLen16 + len(e.Type) + len(e.ID) }

func appendValue(b []byte, e *check.Entry, field string) []byte {
	b = binary.BigEndian.AppendUint64(b, e.Known)
	b = binary.BigEndian.AppendUint64(b, e.Allowed)
	s := seal(e.Key, field, string(b[len(b)-16:]))
	return append(b, s[:]...)
}

// readValue returns what value says about the field; nothing is known if it is not a value of ours for that field.
func readValue(k check.Key, field, value string) (known, allowed uint64) {
	if len(value) != valueSize {
		return 0, 0
	}
	s := seal(k, field, value[:16])
	if string(s[:]) != value[16:] {
		return 0, 0
	}
	known, allowed = number(value[:8]), number(value[8:16])
	if allowed&^known != 0 {
		return 0, 0
	}
	return known, allowed
}

func number(s string) (n uint64) {
	for i := range 8 {
		n = n<<8 | uint64(s[i])
	}
	return n
}

func seal(k check.Key, field, bits string) (s [8]byte) {
	var room [160]byte // most fields fit: no allocation
	b := append(room[:0], k[:]...)
	b = append(b, bits...)
	b = append(b, field...)
	sum := sha256.Sum256(b)
	return [8]byte(sum[:8])
}
