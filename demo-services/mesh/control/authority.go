package control

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// rootLifetime is how long the authority's own certificate lasts. The files are
// to be deleted then, and everybody joins again.
const rootLifetime = 365 * 24 * time.Hour

// Authority makes the certificates of the mesh. Safe for concurrent use.
type Authority struct {
	file string
	root *x509.Certificate
	key  crypto.Signer
}

// OpenAuthority is the authority whose certificate and key are in the directory,
// which must exist; the first time they are made. An authority that is opened
// again is the same, so that members go on to believe one another.
func OpenAuthority(dir string) (*Authority, error) {
	a := &Authority{file: filepath.Join(dir, "ca.pem")}
	keyFile := filepath.Join(dir, "ca-key.pem")
	err := a.load(keyFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create(keyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("open certificate authority: %w", err)
	}
	if !time.Now().Before(a.root.NotAfter) {
		return nil, fmt.Errorf("open certificate authority: %s has expired", a.file)
	}
	return a, nil
}

// CAFile is the PEM file that members believe; it is no secret.
func (a *Authority) CAFile() string { return a.file }

func (a *Authority) load(keyFile string) error {
	key, err := decode(keyFile, "PRIVATE KEY")
	if err != nil {
		return err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("%s: %w", keyFile, err)
	}
	signer, is := parsed.(crypto.Signer)
	if !is {
		return fmt.Errorf("%s is no key that signs", keyFile)
	}
	root, err := decode(a.file, "CERTIFICATE")
	if err != nil {
		return err
	}
	a.key = signer
	if a.root, err = x509.ParseCertificate(root); err != nil {
		return fmt.Errorf("%s: %w", a.file, err)
	}
	return nil
}

func (a *Authority) create(keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	a.key = key
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "mesh of " + mesh.TrustDomain.Name()},
		URIs:     []*url.URL{mesh.TrustDomain.ID().URL()},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := a.sign(template, template, key.Public(), rootLifetime)
	if err != nil {
		return err
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key is last: whoever was interrupted before begins again.
	if err := encode(a.file, "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return encode(keyFile, "PRIVATE KEY", secret, 0o600)
}

// sign makes a certificate of the template, which is valid from a little before
// now: clocks differ.
func (a *Authority) sign(template, parent *x509.Certificate, public crypto.PublicKey, lifetime time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore = now.Add(-min(time.Minute, lifetime/10))
	template.NotAfter = now.Add(lifetime)
	return x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
}

// leaf makes a key, and a certificate for it by the authority.
func (a *Authority) leaf(template *x509.Certificate, lifetime time.Duration) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	template.KeyUsage, template.BasicConstraintsValid = x509.KeyUsageDigitalSignature, true
	der, err = a.sign(template, a.root, key.Public(), lifetime)
	return der, key, err
}

// Issue makes a service's certificate, and its key in PKCS#8.
func (a *Authority) Issue(service string, lifetime time.Duration) (certificate, key []byte, err error) {
	id, err := mesh.ID(service)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate: %w", err)
	}
	certificate, private, err := a.leaf(&x509.Certificate{
		URIs:        []*url.URL{id.URL()},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, lifetime)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate to %s: %w", service, err)
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	return certificate, key, err
}

// issueHost makes the certificate of the control plane itself: it is known by
// its addresses and names, and is no service.
func (a *Authority) issueHost(hosts []string, lifetime time.Duration) ([]byte, *ecdsa.PrivateKey, error) {
	template := &x509.Certificate{DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, key, err := a.leaf(template, lifetime)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate to %v: %w", hosts, err)
	}
	return der, key, nil
}

func decode(file, kind string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s has no single %s", file, kind)
	}
	return block.Bytes, nil
}

func encode(file, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
