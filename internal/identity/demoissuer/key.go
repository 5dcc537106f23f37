package demoissuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/go-jose/go-jose/v4"
)

const pemType = "PRIVATE KEY" // PKCS #8

// openKey reads dir/demo/issuer.key and makes it if it is not there.
func openKey(dir string) (jose.JSONWebKey, error) {
	path := filepath.Join(dir, "demo", "issuer.key")
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return jose.JSONWebKey{}, fmt.Errorf("demo key %s: %w", path, err)
		}
		key, err = readKey(path) // what is there now, whoever made it
	}
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("demo key %s: %w", path, err)
	}
	private := jose.JSONWebKey{Key: key, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := private.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	private.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return private, nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	// Asked before opening: opening a named pipe would wait for a writer.
	if info, err := os.Stat(path); err != nil {
		return nil, cause(err)
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("has mode %04o, so others may sign in as anyone; set it with chmod 600", mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, 64<<10))
	if err != nil {
		return nil, cause(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(rest) > 0 {
		return nil, errors.New("holds no private key; move it away and a new one is made")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("holds no readable private key; move it away and a new one is made")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("holds a key that is not an ECDSA key on P-256; move it away and a new one is made")
	}
	return key, nil
}

// makeKey writes a new key, unless there is one by then. The key is complete in a file beside it before it gets its
// name, and the name is given by link, which fails where rename would replace the key that another start has made.
func makeKey(path string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return cause(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(folder, "issuer.key.new-*") // mode 0600
	if err != nil {
		return cause(err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// cause leaves out the path of a file error; the caller names it.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
