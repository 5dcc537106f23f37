package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"steward/internal/config"
	"steward/internal/identity"
)

// healthTimeout is longer than a server takes to find out that one of its parts hangs.
const healthTimeout = 4 * time.Second

// CheckHealth asks a server whether it is ready, and returns an error in one sentence where it is not: what a container's
// health check runs, in an image without a shell. address is what to ask, by default /readyz where the settings say that the
// server listens; caFile, which may be empty, holds the authority of an address with https.
func CheckHealth(ctx context.Context, cfg config.Config, address, caFile string) error {
	if address == "" {
		address = "http://" + ownAddress(cfg.Listen) + "/readyz"
	}
	client := &http.Client{}
	if caFile != "" {
		var err error
		if client, err = identity.TrustingClient(caFile); err != nil {
			return err
		}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("%q is not an address that can be asked", address)
	}
	response, err := client.Do(request)
	if err != nil {
		if cause, ok := errors.AsType[*url.Error](err); ok {
			err = cause.Err
		}
		return fmt.Errorf("%s does not answer: %w", address, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var said struct{ Missing []string }
	_ = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&said) // what is not said is left out
	if len(said.Missing) > 0 {
		return fmt.Errorf("%s answers %d: missing is %s", address, response.StatusCode, strings.Join(said.Missing, ", "))
	}
	return fmt.Errorf("%s answers %d", address, response.StatusCode)
}

// ownAddress is an address that is listened on as this machine asks for it: without a name that a resolver would have to know.
func ownAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
