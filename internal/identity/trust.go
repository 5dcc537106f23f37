package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
)

// TrustingClient returns a client for providers whose certificates the authorities of a PEM file signed, beside those that
// this machine trusts: a provider inside a company, or one in the next container. It is what Config.HTTPClient takes.
func TrustingClient(caFile string) (*http.Client, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err
		}
		return nil, fmt.Errorf("the file %s with certificate authorities cannot be read: %w", caFile, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the machine's certificate authorities cannot be read: %w", err)
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the file %s holds no certificate: it must have one or more in PEM form, each beginning with -----BEGIN CERTIFICATE-----", caFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // which it is, unless a program puts another in its place
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}
