package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxDocumentBytes = 1 << 20
	maxErrorBytes    = 512 // of the body of a refusal, which ends up in the log
	minRSABits       = 2048
	maxRSABits       = 16384 // larger ones make each verification slow
)

// keySet is what a provider signs with, by key id. One id may stand for keys of different kinds.
type keySet map[string][]jose.JSONWebKey

// parseKeys reads a JWKS. Keys that cannot verify a signature here (unknown kinds, symmetric, private, for encryption,
// without an id, weak) are left out, as RFC 7517 asks; a set of which nothing remains is an error.
func parseKeys(document []byte) (keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &raw); err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	set := keySet{}
	for _, text := range raw.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(text, &key); err != nil || !usable(&key) {
			continue
		}
		set[key.KeyID] = append(set[key.KeyID], key)
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("jwks: none of its %d keys can verify a token", len(raw.Keys))
	}
	return set, nil
}

func usable(key *jose.JSONWebKey) bool {
	if key.KeyID == "" || !key.Valid() || (key.Use != "" && key.Use != "sig") {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// verify gives the payload if one of the keys made the signature.
func (s keySet) verify(jws *jose.JSONWebSignature) (payload []byte, known bool, err error) {
	header := jws.Signatures[0].Protected
	keys, known := s[header.KeyID]
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := jws.Verify(&key); err == nil {
			return payload, true, nil
		}
	}
	return nil, known, fmt.Errorf("no key with id %q made the signature", header.KeyID)
}

// tokenKeys is the oidc.KeySet for one token. go-oidc turns a key set's error into text; what must stay an error
// (the provider is down, the caller has left) is kept in err.
type tokenKeys struct {
	source     *source[keySet]
	algorithms []jose.SignatureAlgorithm
	err        error
}

// VerifySignature implements oidc.KeySet.
func (k *tokenKeys) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, k.algorithms)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	if header.KeyID == "" {
		return nil, errors.New("the header has no key id")
	}
	if err := checkType(header); err != nil {
		return nil, err
	}
	set, err := k.source.get(ctx)
	if err != nil {
		k.err = err
		return nil, err
	}
	payload, known, err := set.verify(jws)
	if err == nil || known {
		return payload, err
	}
	// The provider may have begun to sign with a key that it published after the last fetch.
	if set, err = k.source.renew(ctx); err != nil {
		k.err = err
		return nil, err
	}
	payload, _, err = set.verify(jws)
	return payload, err
}

// checkType refuses tokens that their issuer made for something else, a logout for example. ID tokens have "JWT" or
// nothing there, access tokens often "at+jwt".
func checkType(header jose.Header) error {
	value, ok := header.ExtraHeaders[jose.HeaderType]
	if !ok {
		return nil
	}
	text, _ := value.(string)
	switch strings.TrimPrefix(strings.ToLower(text), "application/") {
	case "jwt", "at+jwt":
		return nil
	}
	return fmt.Errorf("the token is of type %q", text)
}

// limitedClient is client with bounds that go-oidc does not set: on the size of answers, on redirects, and no way from
// https back to http.
func limitedClient(client *http.Client) *http.Client {
	var bounded http.Client
	if client != nil {
		bounded = *client
	}
	bounded.Transport = limitedTransport{next: bounded.Transport}
	follow := bounded.CheckRedirect
	bounded.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
			return errors.New("redirect from https to http")
		}
		if len(via) >= 5 {
			return errors.New("more than 5 redirects")
		}
		if follow != nil {
			return follow(r, via)
		}
		return nil
	}
	return &bounded
}

type limitedTransport struct{ next http.RoundTripper }

func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	limit := int64(maxDocumentBytes)
	if response.StatusCode != http.StatusOK {
		limit = maxErrorBytes
	}
	response.Body = limitedBody{io.LimitReader(response.Body, limit), response.Body}
	return response, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}
