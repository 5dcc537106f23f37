package spicedb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// transportOf returns TLS for every endpoint but a plain one.
func transportOf(at endpoint, caFile string) (credentials.TransportCredentials, error) {
	if at.plain {
		if caFile != "" {
			return nil, errors.New("spicedb-ca is set, but spicedb-endpoint is plain text: leave one out, or write the endpoint without http://")
		}
		return plainText{insecure.NewCredentials()}, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("spicedb-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("spicedb-ca: %s holds no certificate in PEM", caFile)
		}
	}
	return overTLS{credentials.NewTLS(config)}, nil
}

// overTLS names the setting that is wrong when the two sides do not come together.
type overTLS struct {
	credentials.TransportCredentials
}

func (o overTLS) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := o.TransportCredentials.ClientHandshake(ctx, authority, conn)
	var untrusted *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &untrusted):
		err = fmt.Errorf("the server's certificate is not trusted: spicedb-ca must be the file with the authority that signed it, and it must be for the host of spicedb-endpoint: %w", err)
	case errors.As(err, &noTLS):
		err = fmt.Errorf("the server at spicedb-endpoint does not speak TLS: %w", err)
	}
	return secured, info, err
}

func (o overTLS) Clone() credentials.TransportCredentials {
	return overTLS{o.TransportCredentials.Clone()}
}

// plainText names the setting that is wrong when the server hangs up before its first word.
type plainText struct {
	credentials.TransportCredentials
}

func (p plainText) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.TransportCredentials.ClientHandshake(ctx, authority, &firstWord{Conn: conn})
}

func (p plainText) Clone() credentials.TransportCredentials {
	return plainText{p.TransportCredentials.Clone()}
}

type firstWord struct {
	net.Conn
	heard atomic.Bool
}

func (f *firstWord) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if n > 0 {
		f.heard.Store(true)
	}
	if err != nil && !f.heard.Load() {
		err = fmt.Errorf("the server hung up; if it speaks TLS, write spicedb-endpoint without http://: %w", err)
	}
	return n, err
}
