package tracegen

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// Secret is a text that is never printed.
type Secret string

const redacted = "REDACTED"

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// redact leaves out a URL's password, and all that its query says.
func redact(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return redacted
	}
	if u.RawQuery != "" {
		u.RawQuery = redacted
	}
	return u.Redacted()
}

// TLS says whom to trust, and with what to prove who we are. Its zero value
// trusts whom the system trusts.
type TLS struct {
	// CA is a file with certificates, in PEM, of the authorities that are
	// trusted in place of the system's.
	CA string
	// Cert and Key are files with the certificate, in PEM, that is shown to
	// receivers which ask for one.
	Cert, Key string
	// Insecure trusts anybody: for tests only.
	Insecure bool
}

// config reads the files.
func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: t.Insecure, //nolint:gosec // whoever runs it asked for it in so many words
	}
	if t.CA != "" {
		pem, err := os.ReadFile(filepath.Clean(t.CA))
		if err != nil {
			return nil, fmt.Errorf("TLS: authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("TLS: authorities: %s has no certificate in it", t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("TLS: a certificate needs its key, and a key its certificate")
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("TLS: certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
