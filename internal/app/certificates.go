package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// AuthorityFile is the certificate of the authority that MakeCertificates makes.
	AuthorityFile = "ca.pem"

	certificateLife = 365 * 24 * time.Hour
	certificateRest = 30 * 24 * time.Hour // with less left, new ones are made
)

// MakeCertificates writes into dir what the parts of a demo speak TLS with: an authority (ca.pem) and for each host a
// certificate and its key (HOST.pem, HOST.key), good for that name and for localhost. The authority's key is thrown away: it
// signs nothing else, ever. Where all of it is there and valid for another month, nothing is done, and made is false.
func MakeCertificates(dir string, hosts []string) (made bool, err error) {
	for _, host := range hosts {
		if host == "" || host == "ca" || strings.ContainsAny(host, `/\: `) {
			return false, fmt.Errorf("%q is not the name of a host", host)
		}
	}
	if certificatesHold(dir, hosts, time.Now().Add(certificateRest)) {
		return false, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fileError(dir, err)
	}
	authority, key, err := newAuthority()
	if err != nil {
		return false, err
	}
	for _, host := range hosts {
		if err := writeCertificate(dir, host, authority, key); err != nil {
			return false, err
		}
	}
	// The last one: what was interrupted before has no authority that fits, and is made anew.
	return true, writePEM(filepath.Join(dir, AuthorityFile), "CERTIFICATE", authority.Raw, 0o644)
}

// certificatesHold tells whether each host has a key and a certificate of the directory's authority that is valid at a time.
func certificatesHold(dir string, hosts []string, at time.Time) bool {
	text, err := os.ReadFile(filepath.Join(dir, AuthorityFile))
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) {
		return false
	}
	for _, host := range hosts {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key"))
		if err != nil {
			return false
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: at}); err != nil {
			return false
		}
	}
	return true
}

func newAuthority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := certificateOf("Steward's demo, authority")
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

func writeCertificate(dir, host string, authority *x509.Certificate, signer *ecdsa.PrivateKey) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificateOf(host)
	template.DNSNames = []string{host, "localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), signer)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(dir, host+".key"), "PRIVATE KEY", private, 0o600),
		writePEM(filepath.Join(dir, host+".pem"), "CERTIFICATE", der, 0o644),
	)
}

func certificateOf(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(rand.Text())), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
	}
}

// writePEM replaces a file, so that no reader sees half of one.
func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return fileError(path, err)
	}
	defer os.Remove(temp.Name())
	err = errors.Join(temp.Chmod(mode), pem.Encode(temp, &pem.Block{Type: kind, Bytes: der}), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return fileError(path, err)
}

func fileError(path string, err error) error {
	if err == nil {
		return nil
	}
	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}
