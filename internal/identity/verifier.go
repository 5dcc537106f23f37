package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	maxLeeway       = 30 * time.Second
	maxSubjectBytes = 255 // OpenID Connect Core, section 2
	wellKnown       = "/.well-known/openid-configuration"

	// Keys are looked at again every ten minutes, so one that the provider withdrew stops working. A provider that
	// has been down for an hour issues no tokens, and most of those it issued have run out; its keys then end too.
	keysRefreshAfter      = 10 * time.Minute
	keysMaxAge            = time.Hour
	discoveryRefreshAfter = time.Hour
	discoveryMaxAge       = 24 * time.Hour
)

// asymmetric are the algorithms a token may be signed with, if the provider names them too. With a symmetric one the
// public key could be used as the secret.
var asymmetric = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Config says whose tokens are accepted, and for whom they must be meant.
type Config struct {
	// Issuer is the exact "iss" of the tokens and of the discovery document: https, or http on a loopback host.
	Issuer string
	// Audience must be among the token's "aud". Without it any token that the provider gave to any other program would do.
	Audience string
	// DiscoveryURL is where the discovery document lies if that is not below Issuer, with or without
	// "/.well-known/openid-configuration". The document must name Issuer all the same.
	DiscoveryURL string
	// HTTPClient asks the provider; nil is one with the standard library's transport.
	HTTPClient *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Leeway is how far the provider's clock may be off, at most 30 s; 0 is 30 s.
	Leeway time.Duration
	// Log is told when the provider does not answer; nil is slog.Default().
	Log *slog.Logger
}

// ConfigError says what is wrong with a Config, in words for who runs the server.
type ConfigError struct {
	Issuer string
	Text   string
}

func (e *ConfigError) Error() string { return fmt.Sprintf("sign-in: issuer %q %s", e.Issuer, e.Text) }

// Validate returns a *ConfigError if no verifier can work with c. It asks nobody.
func (c Config) Validate() error {
	if text := faultOfURL(c.Issuer); text != "" {
		return &ConfigError{c.Issuer, text}
	}
	if c.Audience == "" {
		return &ConfigError{c.Issuer, "needs an audience: the name by which the provider knows this server"}
	}
	if c.DiscoveryURL != "" {
		if text := faultOfURL(c.DiscoveryURL); text != "" {
			return &ConfigError{c.Issuer, fmt.Sprintf("has a discovery URL %q that %s", c.DiscoveryURL, text)}
		}
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		return &ConfigError{c.Issuer, fmt.Sprintf("has a clock leeway of %s; it must be between 0 and %s", c.Leeway, maxLeeway)}
	}
	return nil
}

func faultOfURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "is not an https URL"
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return "must be a URL without query, fragment and user"
	case u.Scheme == "http" && !isLoopbackHost(u.Hostname()):
		return "must be https: anyone on the way could replace the provider's keys"
	}
	return ""
}

func isLoopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761: never leaves the machine
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Verifier verifies OIDC bearer tokens of one issuer. It is safe for concurrent use.
type Verifier struct {
	cfg       Config
	fault     error // of cfg
	client    *http.Client
	discovery *source[discovery]
	keys      *source[keySet]
}

// NewVerifier makes a verifier. The provider is first asked when the first token comes, so the server starts without
// it, and is asked again after a failure. With a Config that is not valid, Verify answers Validate's error to everyone.
func NewVerifier(cfg Config) *Verifier {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Leeway == 0 {
		cfg.Leeway = maxLeeway
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.DiscoveryURL == "" {
		cfg.DiscoveryURL = cfg.Issuer
	}
	cfg.DiscoveryURL = strings.TrimSuffix(cfg.DiscoveryURL, wellKnown)
	v := &Verifier{cfg: cfg, fault: cfg.Validate(), client: limitedClient(cfg.HTTPClient)}
	v.discovery = &source[discovery]{
		issuer: cfg.Issuer, fetch: v.fetchDiscovery, now: cfg.Now, failed: v.logFailure("discovery"),
		refreshAfter: discoveryRefreshAfter, maxAge: discoveryMaxAge,
	}
	v.keys = &source[keySet]{
		issuer: cfg.Issuer, fetch: v.fetchKeys, now: cfg.Now, failed: v.logFailure("jwks"),
		refreshAfter: keysRefreshAfter, maxAge: keysMaxAge,
	}
	return v
}

// Issuer is that of the tokens v verifies.
func (v *Verifier) Issuer() string { return v.cfg.Issuer }

// Verify gives what the token says, once it is proven that the issuer signed it for this audience and that it is valid
// now. Errors: ErrInvalidToken; *UnavailableError if the provider could not be asked for its keys; *ConfigError; that
// of ctx if the caller left first. It waits for the provider only when its keys are not known yet, 10 s at most.
func (v *Verifier) Verify(ctx context.Context, rawToken string) (Claims, error) {
	if v.fault != nil {
		return Claims{}, v.fault
	}
	if err := checkCompact(rawToken); err != nil {
		return Claims{}, err
	}
	found, err := v.discovery.get(ctx)
	if err != nil {
		return Claims{}, err
	}
	keys := &tokenKeys{source: v.keys, algorithms: found.algorithms}
	token, err := oidc.NewVerifier(v.cfg.Issuer, keys, &oidc.Config{
		ClientID:             v.cfg.Audience,
		SupportedSigningAlgs: algorithmNames(found.algorithms),
		SkipExpiryCheck:      true, // go-oidc lets nbf be five minutes off; checkTimes does both
	}).Verify(ctx, rawToken)
	if keys.err != nil {
		return Claims{}, keys.err
	}
	if err != nil {
		return Claims{}, invalid(err)
	}
	return v.claims(token)
}

// claims checks what go-oidc does not and gives the claims of a token whose signature, issuer and audience are proven.
func (v *Verifier) claims(token *oidc.IDToken) (Claims, error) {
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return Claims{}, invalid(err)
	}
	set, err := decodeClaims(payload)
	if err != nil {
		return Claims{}, invalid(err)
	}
	if err := v.checkTimes(set); err != nil {
		return Claims{}, err
	}
	if _, ok := set["events"]; ok {
		return Claims{}, invalidf("the token reports an event (RFC 8417); it signs nobody in")
	}
	var c Claims
	for name, to := range map[string]*string{"iss": &c.Issuer, "sub": &c.Subject, "email": &c.Email, "name": &c.Name} {
		if *to, err = set.str(name); err != nil {
			return Claims{}, invalid(err)
		}
	}
	// go-oidc matches names in any case and lets Google leave out https://; links need the one exact value.
	if c.Issuer != v.cfg.Issuer || c.Subject != token.Subject {
		return Claims{}, invalidf("iss or sub is not what was verified")
	}
	if c.Subject == "" || len(c.Subject) > maxSubjectBytes {
		return Claims{}, invalidf("sub has %d bytes", len(c.Subject))
	}
	var verified any // some providers write the text "true"
	if raw, ok := set["email_verified"]; ok && json.Unmarshal(raw, &verified) == nil {
		c.EmailVerified = c.Email != "" && (verified == true || verified == "true")
	}
	return c, nil
}

func (v *Verifier) checkTimes(set claimSet) error {
	now := v.cfg.Now()
	expiry, ok, err := set.time("exp")
	if err != nil {
		return invalid(err)
	}
	if !ok {
		return invalidf("the token has no exp")
	}
	if !now.Before(expiry.Add(v.cfg.Leeway)) {
		return &InvalidTokenError{text: "the token has expired", cause: fmt.Errorf("exp was %s", expiry.UTC().Format(time.RFC3339))}
	}
	notBefore, ok, err := set.time("nbf")
	if err != nil {
		return invalid(err)
	}
	if ok && now.Add(v.cfg.Leeway).Before(notBefore) {
		return invalidf("nbf is %s", notBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// time gives a NumericDate: seconds since 1970, possibly with a fraction.
func (s claimSet) time(name string) (time.Time, bool, error) {
	raw, ok := s[name]
	if !ok || string(raw) == "null" {
		return time.Time{}, false, nil
	}
	const year9999 = 253402300799
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil {
		return time.Time{}, false, fmt.Errorf("claim %s: %w", name, err)
	}
	if seconds < 0 || seconds > year9999 {
		return time.Time{}, false, fmt.Errorf("claim %s is out of range", name)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), true, nil
}

func (v *Verifier) logFailure(document string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		v.cfg.Log.Warn("sign-in provider does not answer",
			logIssuer, v.cfg.Issuer, logDocument, document, logError, err.Error(), logRetryAfter, wait)
	}
}

func algorithmNames(algorithms []jose.SignatureAlgorithm) []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}
