// Package demoissuer signs in the people of the demo: an OIDC issuer which gives anyone who can reach it a token for
// anyone it knows. So it answers on the loopback interface only, and only to requests that came there directly, unless
// somebody says outright that anyone may be anyone (OpenHandler).
//
//	issuer, err := demoissuer.Open("./data", people)
//	verifier := identity.NewVerifier(issuer.VerifierConfig())
//	mux.Handle("/demo/", issuer.Handler())
//
// A demo of several servers has one issuer in a process of its own. The servers know it as they know any provider: by
// IssuerURL, Audience and the address below which DiscoveryPath lies.
package demoissuer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"steward/internal/identity"
)

const (
	// IssuerURL is the "iss" of the demo's tokens. It names no port, so that linked logins survive a change of it, and
	// nothing is served there: the documents lie below /demo/oidc of the server.
	IssuerURL = "http://demo.steward.localhost"
	// DiscoveryPath is what follows the address of an issuer in a process of its own: its discovery URL.
	DiscoveryPath = "/demo/oidc"
	// Audience is the "aud" of the demo's tokens.
	Audience = "steward-demo"
	// DefaultTTL is how long a token is valid unless told otherwise.
	DefaultTTL = 8 * time.Hour
	// MaxTTL is the longest a token may be valid.
	MaxTTL = 24 * time.Hour
)

// ErrUnknownPerson is matched by the error for an e-mail address that belongs to nobody in the demo.
var ErrUnknownPerson = errors.New("no demo person has this e-mail address")

// Person is someone the demo can sign in. As JSON it is what a list of people shows: {"email", "is"}.
type Person struct {
	Email   string `json:"email"` // unique among the people, in any case
	Name    string `json:"-"`     // for display
	Subject string `json:"-"`     // the "sub" of the token: unique, 1 to 255 bytes, the same at every start
	Is      string `json:"is"`    // what the person is, e.g. "owner of Northwind"
}

// Issuer signs tokens for the demo's people. It is safe for concurrent use.
type Issuer struct {
	people  []Person
	byEmail map[string]Person
	public  jose.JSONWebKey
	signer  jose.Signer
	now     func() time.Time
}

// Open reads the issuer's key from dir/demo/issuer.key, or makes one there on first use; two that start at once end up
// with the same key. It fails with one sentence if the key cannot be read, may be read by others than its owner, or is
// not a key that it wrote, and if two people share an e-mail address or a subject.
func Open(dir string, people []Person) (*Issuer, error) {
	i := &Issuer{people: slices.Clone(people), byEmail: make(map[string]Person, len(people)), now: time.Now}
	subjects := make(map[string]bool, len(people))
	for _, p := range people {
		email := fold(p.Email)
		if email == "" || p.Subject == "" || len(p.Subject) > 255 {
			return nil, fmt.Errorf("demo person %q needs an e-mail address and a subject of 1 to 255 bytes", p.Email)
		}
		if _, taken := i.byEmail[email]; taken || subjects[p.Subject] {
			return nil, fmt.Errorf("demo person %q shares an e-mail address or a subject with another", p.Email)
		}
		i.byEmail[email], subjects[p.Subject] = p, true
	}
	private, err := openKey(dir)
	if err != nil {
		return nil, err
	}
	i.public = private.Public()
	options := (&jose.SignerOptions{}).WithType("JWT")
	i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, options)
	if err != nil {
		return nil, err
	}
	return i, nil
}

// People lists whom the demo can sign in, in the order given to Open.
func (i *Issuer) People() []Person { return slices.Clone(i.people) }

// Token signs in the person with this e-mail address for ttl (0 means DefaultTTL; at most MaxTTL) and says until when.
// The error for an unknown address matches ErrUnknownPerson. No server needs to run: the key is enough.
func (i *Issuer) Token(email string, ttl time.Duration) (string, time.Time, error) {
	person, ok := i.byEmail[fold(email)]
	if !ok {
		return "", time.Time{}, fmt.Errorf("%w: %q", ErrUnknownPerson, email)
	}
	if ttl == 0 {
		ttl = DefaultTTL
	}
	if ttl < time.Second || ttl > MaxTTL {
		return "", time.Time{}, fmt.Errorf("a demo token is valid for 1s to %s, not %s", MaxTTL, ttl)
	}
	now := i.now().Truncate(time.Second) // the claims have whole seconds
	expires := now.Add(ttl.Truncate(time.Second))
	token, err := jwt.Signed(i.signer).Claims(map[string]any{
		"iss": IssuerURL, "sub": person.Subject, "aud": Audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": expires.Unix(),
		"email": person.Email, "email_verified": true, "name": person.Name,
	}).Serialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign the demo token: %w", err)
	}
	return token, expires, nil
}

// VerifierConfig makes a verifier of this issuer's tokens that asks the issuer in process, so it can verify before the
// server listens and whatever the port is.
func (i *Issuer) VerifierConfig() identity.Config {
	return identity.Config{Issuer: IssuerURL, Audience: Audience, DiscoveryURL: inProcessURL, HTTPClient: i.Client()}
}

func fold(email string) string { return strings.ToLower(strings.TrimSpace(email)) }
