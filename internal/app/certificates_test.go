package app

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func makeCertificates(t *testing.T, dir string, want bool, hosts ...string) {
	t.Helper()
	made, err := MakeCertificates(dir, hosts)
	if err != nil || made != want {
		t.Fatalf("made %t, %v; want %t", made, err, want)
	}
}

func TestMakeCertificates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certificates")
	makeCertificates(t, dir, true, "spicedb", "demo-issuer")
	makeCertificates(t, dir, false, "spicedb", "demo-issuer")
	for name, want := range map[string]os.FileMode{"ca.pem": 0o644, "spicedb.pem": 0o644, "spicedb.key": 0o600, "demo-issuer.key": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %o", name, info, err, want)
		}
	}
	if keys, _ := filepath.Glob(filepath.Join(dir, "ca*")); len(keys) != 1 {
		t.Errorf("the authority left %v", keys)
	}
	for _, name := range []string{"spicedb", "localhost", "127.0.0.1"} {
		if err := handshake(t, dir, "spicedb", name); err != nil {
			t.Errorf("spicedb's certificate for %s: %v", name, err)
		}
	}
	if err := handshake(t, dir, "spicedb", "demo-issuer"); err == nil {
		t.Error("spicedb's certificate does for demo-issuer")
	}
	hosts := []string{"spicedb", "demo-issuer"}
	if now := time.Now(); !certificatesHold(dir, hosts, now.Add(364*24*time.Hour)) || certificatesHold(dir, hosts, now.Add(366*24*time.Hour)) {
		t.Error("they are not valid for a year")
	}
}

// What does not fit together any more is made anew, all of it.
func TestMakeCertificates_again(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	makeCertificates(t, other, true, "spicedb")
	foreign, err := os.ReadFile(filepath.Join(other, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	makeCertificates(t, dir, true, "spicedb")
	for name, spoil := range map[string]func() error{
		"a key is gone":      func() error { return os.Remove(filepath.Join(dir, "spicedb.key")) },
		"a key is half":      func() error { return os.Truncate(filepath.Join(dir, "spicedb.key"), 50) },
		"another authority":  func() error { return os.WriteFile(filepath.Join(dir, "ca.pem"), foreign, 0o600) },
		"the authority left": func() error { return os.Remove(filepath.Join(dir, "ca.pem")) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		made, err := MakeCertificates(dir, []string{"spicedb"})
		if err != nil || !made || handshake(t, dir, "spicedb", "spicedb") != nil {
			t.Errorf("%s: made %t, %v", name, made, err)
		}
	}
	makeCertificates(t, dir, true, "spicedb", "redis")
	for _, name := range []string{"", "ca", "../x", "a b"} {
		if _, err := MakeCertificates(dir, []string{name}); err == nil {
			t.Errorf("%q is the name of a host", name)
		}
	}
}

// handshake speaks TLS with a server that has the host's certificate, under a name.
func handshake(t *testing.T, dir, host, name string) error {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, AuthorityFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	}()
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name}}
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}
