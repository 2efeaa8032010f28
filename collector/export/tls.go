package export

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// TLS says whom to trust, and with what to prove who we are.
type TLS struct {
	// CAFile has the certificates of authorities, in PEM, that the backend's is
	// to be signed by. Without it the system's are trusted.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile have the certificate, in PEM, that is shown to
	// backends which ask for one. They are read again for each connection, so
	// they may be renewed at any time.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ServerName is the name that the backend's certificate is to have, where
	// it is not the endpoint's host.
	ServerName string `yaml:"server_name"`
	// InsecureSkipVerify trusts any certificate: for tests only.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// Wrong says which key is wrong, and why; both are empty where nothing is.
func (t TLS) Wrong() (key, reason string) {
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		return "cert_file", "it wants a key_file"
	case t.KeyFile != "" && t.CertFile == "":
		return "key_file", "it wants a cert_file"
	}
	return "", ""
}

// Client is how a client of the backend connects. It reads the files, and tells
// at once when one is of no use, by its key.
func (t TLS) Client() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify, //nolint:gosec // The operator asked for it in so many words.
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(filepath.Clean(t.CAFile))
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca_file: no certificate in it")
		}
	}
	if t.CertFile != "" {
		if _, err := t.certificate(nil); err != nil {
			return nil, err
		}
		c.GetClientCertificate = t.certificate
	}
	return c, nil
}

func (t TLS) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("cert_file and key_file: %w", err)
	}
	return &pair, nil
}
