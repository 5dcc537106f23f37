package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Verifiers verifies tokens of several issuers.
type Verifiers struct {
	byIssuer map[string]*Verifier
}

// NewVerifiers makes a verifier for each config. Two of the same issuer, or a config that is not valid, are an error.
// Without any config every token is refused.
func NewVerifiers(configs ...Config) (*Verifiers, error) {
	vs := &Verifiers{byIssuer: make(map[string]*Verifier, len(configs))}
	var errs []error
	for _, cfg := range configs {
		if err := cfg.Validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		if vs.byIssuer[cfg.Issuer] != nil {
			errs = append(errs, &ConfigError{Issuer: cfg.Issuer, Text: "is configured twice"})
			continue
		}
		vs.byIssuer[cfg.Issuer] = NewVerifier(cfg)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return vs, nil
}

// Verify is Verifier.Verify of the issuer that the token names. That name is not proven yet when it is read: it only
// picks whose keys the token must be signed with, and is checked again under the signature.
func (vs *Verifiers) Verify(ctx context.Context, rawToken string) (Claims, error) {
	if err := checkCompact(rawToken); err != nil {
		return Claims{}, err
	}
	issuer, err := unverifiedIssuer(rawToken)
	if err != nil {
		return Claims{}, invalid(err)
	}
	v := vs.byIssuer[issuer]
	if v == nil {
		return Claims{}, invalidf("no verifier for issuer %q", issuer)
	}
	return v.Verify(ctx, rawToken)
}

// checkCompact refuses whatever is not three parts of base64url, before anything is decoded. This also keeps out the
// JSON form of a JWS, in which header fields need not be signed.
func checkCompact(raw string) error {
	if len(raw) > MaxTokenBytes {
		return invalidf("the token has %d bytes, more than %d", len(raw), MaxTokenBytes)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return invalidf("the token has %d parts, not 3", len(parts))
	}
	for _, part := range parts {
		for _, c := range []byte(part) {
			if !isAlphanumeric(c) && c != '-' && c != '_' {
				return invalidf("the token has a character outside base64url")
			}
		}
	}
	return nil
}

func unverifiedIssuer(compact string) (string, error) {
	_, rest, _ := strings.Cut(compact, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", fmt.Errorf("payload: %w", err)
	}
	claims, err := decodeClaims(text)
	if err != nil {
		return "", err
	}
	return claims.str("iss")
}

// claimSet holds claims by their exact names. Decoding into a struct would match names in any case, so a claim "SUB"
// that a provider lets people set could stand in for "sub".
type claimSet map[string]json.RawMessage

func decodeClaims(payload []byte) (claimSet, error) {
	var set claimSet
	if err := json.Unmarshal(payload, &set); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return set, nil
}

// str gives a text claim, "" if it is absent or null.
func (s claimSet) str(name string) (string, error) {
	var text string
	if raw, ok := s[name]; ok {
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", fmt.Errorf("claim %s: %w", name, err)
		}
	}
	return text, nil
}
