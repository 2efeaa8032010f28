package listen

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// maxFile bounds what is read of a file, in bytes.
const maxFile = 4 << 20

// content is what the files of a listener hold at one time.
type content struct {
	cert, key, clientCA, bearer []byte
}

// read reads the files that there are to be. Its error names the key.
func (s Security) read() (c content, err error) {
	for _, f := range []struct {
		key  string
		path File
		into *[]byte
	}{
		{"tls.cert_file", s.TLS.CertFile, &c.cert},
		{"tls.key_file", s.TLS.KeyFile, &c.key},
		{"tls.client_ca_file", s.TLS.ClientCAFile, &c.clientCA},
		{"auth.bearer_file", s.Auth.BearerFile, &c.bearer},
	} {
		if f.path == "" {
			continue
		}
		if *f.into, err = readFile(string(f.path)); err != nil {
			return c, fmt.Errorf("%s: %w", f.key, err)
		}
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written to it
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// sum tells one content from another.
func (c content) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [][]byte{c.cert, c.key, c.clientCA, c.bearer} {
		inner := sha256.Sum256(part)
		h.Write(inner[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// credentials are what a listener shows and wants. They do not change.
type credentials struct {
	tls     *tls.Config // nil: plain TCP
	expires time.Time   // of the listener's certificate
	tokens  [][sha256.Size]byte
}

// credentials makes of the files' content what connections need. Its error
// names the key that is to blame, and quotes no content.
func (s Security) credentials(c content) (*credentials, error) {
	made := &credentials{}
	if s.TLS.Enabled() {
		pair, err := tls.X509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
		}
		made.expires = pair.Leaf.NotAfter
		made.tls = &tls.Config{
			MinVersion:   s.TLS.MinVersion.number(),
			Certificates: []tls.Certificate{pair},
			NextProtos:   []string{"h2", "http/1.1"},
		}
	}
	if s.TLS.ClientCAFile != "" {
		made.tls.ClientCAs = x509.NewCertPool()
		if !made.tls.ClientCAs.AppendCertsFromPEM(c.clientCA) {
			return nil, errors.New("tls.client_ca_file: no certificate in it")
		}
		made.tls.ClientAuth = tls.RequireAndVerifyClientCert
		// A ticket would stand for a certificate that is no longer good.
		made.tls.SessionTicketsDisabled = true
	}
	return made, made.takeTokens(s.Auth, c.bearer)
}

func (c *credentials) takeTokens(auth Auth, file []byte) error {
	for _, token := range auth.Bearer {
		c.tokens = append(c.tokens, sha256.Sum256([]byte(token)))
	}
	if auth.BearerFile == "" {
		return nil
	}
	found := 0
	for number, line := range bytes.Split(file, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if err := Token(line).valid(); err != nil {
			return fmt.Errorf("auth.bearer_file: line %d: %w", number+1, err)
		}
		c.tokens = append(c.tokens, sha256.Sum256(line))
		found++
	}
	if found == 0 {
		return errors.New("auth.bearer_file: no token in it")
	}
	return nil
}

// knows says whether a token is one of those, in a time that does not depend on
// how much of it is right, or on which one it is.
func (c *credentials) knows(token string) bool {
	sum, known := sha256.Sum256([]byte(token)), 0
	for i := range c.tokens {
		known |= subtle.ConstantTimeCompare(sum[:], c.tokens[i][:])
	}
	return known == 1
}
