package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"strings"
)

const (
	apiTokenPrefix  = "stw_" // fixed, so that secret scanners can find a token in a repository
	apiTokenIDBytes = 10     // 16 characters; public, never a proof of anything
	apiSecretBytes  = 32     // 256 bits, 52 characters
)

// apiTokenText is base32 in lower case without padding: one word to a double click, safe in a header and a URL.
var apiTokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewAPIToken makes an API token: the text, which is shown once and kept nowhere, and what to keep: its public id
// (shown in lists, the key of its row) and the hash of its secret.
//
//	stw_7kq3hd5xw2mzc4ta_<52 characters>
//
// The hash is plain SHA-256. Slow, salted hashes make up for secrets that people choose; this one is 256 random bits,
// so there is no list of likely values to try and no two tokens share a hash, while a slow hash would cost its time on
// every request.
func NewAPIToken() (text string, id string, hash []byte) {
	random := make([]byte, apiTokenIDBytes+apiSecretBytes)
	rand.Read(random) // never fails: the runtime ends the process instead
	id = apiTokenText.EncodeToString(random[:apiTokenIDBytes])
	secret := random[apiTokenIDBytes:]
	return apiTokenPrefix + id + "_" + apiTokenText.EncodeToString(secret), id, hashSecret(secret)
}

// IsAPIToken tells whether a bearer token claims to be an API token, so that it is not taken for an OIDC token.
func IsAPIToken(text string) bool { return strings.HasPrefix(text, apiTokenPrefix) }

// ParseAPIToken takes a presented token apart: the id to find the row by, and the hash to hold against the row's with
// SameHash. Not ok means that NewAPIToken cannot have made the text; each token has exactly one text.
func ParseAPIToken(text string) (id string, hash []byte, ok bool) {
	rest, found := strings.CutPrefix(text, apiTokenPrefix)
	if !found {
		return "", nil, false
	}
	id, secretText, found := strings.Cut(rest, "_")
	if !found {
		return "", nil, false
	}
	if _, ok := decodeExact(id, apiTokenIDBytes); !ok {
		return "", nil, false
	}
	secret, ok := decodeExact(secretText, apiSecretBytes)
	if !ok {
		return "", nil, false
	}
	return id, hashSecret(secret), true
}

// SameHash compares the hash of a presented token with the kept one in a time that does not depend on where they
// differ. An empty hash matches nothing.
func SameHash(presented, kept []byte) bool {
	return len(presented) == sha256.Size && subtle.ConstantTimeCompare(presented, kept) == 1
}

// decodeExact decodes n bytes and refuses the texts that mean the same bytes but are not what the encoder writes: other
// lengths, line breaks, and a last character whose unused bits are set.
func decodeExact(text string, n int) ([]byte, bool) {
	if len(text) != apiTokenText.EncodedLen(n) {
		return nil, false
	}
	b, err := apiTokenText.DecodeString(text)
	if err != nil || len(b) != n || apiTokenText.EncodeToString(b) != text {
		return nil, false
	}
	return b, true
}

func hashSecret(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}
