package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// discovery is what a verifier needs from the discovery document.
type discovery struct {
	keysURL    string
	algorithms []jose.SignatureAlgorithm
}

func (v *Verifier) fetchDiscovery(ctx context.Context) (discovery, error) {
	ctx = oidc.ClientContext(ctx, v.client)
	if v.cfg.DiscoveryURL != v.cfg.Issuer {
		ctx = oidc.InsecureIssuerURLContext(ctx, v.cfg.Issuer)
	}
	provider, err := oidc.NewProvider(ctx, v.cfg.DiscoveryURL)
	if err != nil {
		return discovery{}, err
	}
	var document struct {
		Issuer     string                    `json:"issuer"`
		KeysURL    string                    `json:"jwks_uri"`
		Algorithms []jose.SignatureAlgorithm `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&document); err != nil {
		return discovery{}, err
	}
	// With InsecureIssuerURLContext go-oidc no longer compares the two.
	if document.Issuer != v.cfg.Issuer {
		return discovery{}, fmt.Errorf("the discovery document is of issuer %q", document.Issuer)
	}
	if err := checkKeysURL(document.KeysURL, v.cfg.DiscoveryURL); err != nil {
		return discovery{}, err
	}
	algorithms := slices.DeleteFunc(document.Algorithms, func(a jose.SignatureAlgorithm) bool { return !slices.Contains(asymmetric, a) })
	if len(algorithms) == 0 {
		return discovery{}, errors.New("the discovery document names no asymmetric signing algorithm")
	}
	return discovery{keysURL: document.KeysURL, algorithms: algorithms}, nil
}

// checkKeysURL keeps a provider that is reached by https from having its keys fetched by http.
func checkKeysURL(keysURL, discoveryURL string) error {
	u, err := url.Parse(keysURL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("the discovery document has jwks_uri %q", keysURL)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || strings.HasPrefix(discoveryURL, "https:") || !isLoopbackHost(u.Hostname())) {
		return fmt.Errorf("the discovery document has jwks_uri %q, which is not https", keysURL)
	}
	return nil
}

func (v *Verifier) fetchKeys(ctx context.Context) (keySet, error) {
	found, err := v.discovery.get(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, found.keysURL, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("Cache-Control", "no-cache")
	response, err := v.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: %s answered %s", found.keysURL, response.Status)
	}
	return parseKeys(body)
}
