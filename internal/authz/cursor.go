package authz

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"

	"golang.org/x/crypto/chacha20poly1305"

	"steward/internal/domain"
)

// Cursor is a place in an ordered list: the value that the list is ordered by, and the id that breaks ties. It names a
// row's place, not the row, so it holds when rights change or the row is gone.
type Cursor struct {
	Order string `json:"o"`
	Value string `json:"v"`
	ID    string `json:"i"`
}

// CursorKeySize is how many bytes the key of Cursors has.
const CursorKeySize = chacha20poly1305.KeySize

// maxCursor is how long the text of a cursor can be.
const maxCursor = 16 << 10

// hiddenSize is what the plain text of a cursor is filled up to, or to a multiple of it, when its place may be that of a row
// which the caller does not see: the length of a name is not told either.
const hiddenSize = 1 << 10

// NewCursorKey returns a random key for NewCursors.
func NewCursorKey() []byte {
	key := make([]byte, CursorKeySize)
	_, _ = rand.Read(key) // never fails: the runtime ends the process rather than return weak randomness
	return key
}

// Cursors turns places into the text that the API gives out, and back. The text is encrypted and cannot be forged, since a
// place can be that of a row which the caller must not know of, and it belongs to one list. Whoever shares the key reads
// each other's cursors.
type Cursors struct{ aead cipher.AEAD }

// NewCursors returns the codec of a key of CursorKeySize bytes; any other length panics.
func NewCursors(key []byte) *Cursors {
	aead, err := chacha20poly1305.NewX(key) // its nonces are long enough to be drawn at random without end
	if err != nil {
		panic(err)
	}
	return &Cursors{aead}
}

// Seal returns the text of a place in a list, named "Type.field".
func (c *Cursors) Seal(list string, at Cursor) string { return c.seal(list, at, 1) }

// SealHidden is Seal for a place that may be that of a hidden row. Such texts are of one length.
func (c *Cursors) SealHidden(list string, at Cursor) string { return c.seal(list, at, hiddenSize) }

func (c *Cursors) seal(list string, at Cursor, size int) string {
	plain, _ := json.Marshal(at)
	if over := len(plain) % size; over > 0 {
		plain = append(plain, bytes.Repeat([]byte{' '}, size-over)...) // JSON is followed by as much space as you like
	}
	nonce := make([]byte, c.aead.NonceSize(), c.aead.NonceSize()+len(plain)+c.aead.Overhead())
	_, _ = rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nonce, nonce, plain, []byte(list)))
}

// Open reads the text of a cursor of a list in that order. It refuses any other, naming the argument.
func (c *Cursors) Open(arg, text, list, order string) (Cursor, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if len(text) > maxCursor || err != nil {
		return Cursor{}, notACursor(arg)
	}
	if bytes.HasPrefix(sealed, []byte(`{"o":"`)) { // as they were before they were encrypted
		return Cursor{}, domain.Invalid(arg, "This cursor was given out by an earlier version: begin again at the first page.")
	}
	n := c.aead.NonceSize()
	if len(sealed) < n {
		return Cursor{}, notACursor(arg)
	}
	plain, err := c.aead.Open(nil, sealed[:n], sealed[n:], []byte(list))
	var at Cursor
	if err != nil || json.Unmarshal(plain, &at) != nil {
		return Cursor{}, notACursor(arg)
	}
	if at.Order != order {
		return Cursor{}, domain.Invalid(arg, "This cursor belongs to another order of the list: take one from a page in the order that you ask for.")
	}
	return at, nil
}

func notACursor(arg string) error {
	return domain.Invalid(arg, "This is not a cursor of this list: take one from pageInfo or an edge of it.")
}
