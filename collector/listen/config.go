package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Security says how a listener is reached, and by whom. The zero value is a
// listener without TLS that lets everybody in.
type Security struct {
	TLS  TLS  `yaml:"tls"`
	Auth Auth `yaml:"auth"`
}

// TLS has the files that a listener serves with, in PEM. They are read again
// when their content changes; open connections stay. Without a certificate the
// listener speaks plain TCP.
type TLS struct {
	// CertFile has the listener's certificate, followed by those between it and
	// its authority.
	CertFile File `yaml:"cert_file"`
	// KeyFile has the certificate's key.
	KeyFile File `yaml:"key_file"`
	// ClientCAFile has the certificates of the authorities by one of which a
	// client's has to be signed. Without it clients need none.
	ClientCAFile File `yaml:"client_ca_file"`
	// MinVersion is the oldest version of TLS that is spoken; left out it is
	// 1.2.
	MinVersion Version `yaml:"min_version"`
}

// Auth has the tokens one of which a client has to send with each request, as
// "Authorization: Bearer TOKEN". Without any it needs none.
type Auth struct {
	// Bearer has tokens. One alone may stand without the list.
	Bearer Tokens `yaml:"bearer"`
	// BearerFile has a token on each line; those that begin with # are left
	// out. It is read again when its content changes.
	BearerFile File `yaml:"bearer_file"`
}

// File is the path of a file. What stands for it in a configuration must not
// come out empty: a variable that is not set would open a door.
type File string

// MayNotVanish marks it as such for who reads the configuration.
func (File) MayNotVanish() {}

// Version is a version of TLS.
type Version string

// The versions that there are.
const (
	TLS12 Version = "1.2"
	TLS13 Version = "1.3"
)

// number is the version in crypto/tls's terms.
func (v Version) number() uint16 {
	if v == TLS13 {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// Tokens are the tokens of a list, or one that stands alone.
type Tokens []Token

// MayStandAlone marks a list whose only element may be written without it.
func (Tokens) MayStandAlone() {}

// Token is a secret that is never printed or logged.
type Token string

const redacted = "REDACTED"

// MayNotVanish marks what must not come out empty, as with File.
func (Token) MayNotVanish() {}

// String implements fmt.Stringer.
func (Token) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Token) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// valid says why it cannot be sent, after RFC 6750; the token is not in it.
func (t Token) valid() error {
	if t == "" {
		return errors.New("the token is empty")
	}
	for _, c := range t {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("-._~+/=", c) {
			return errors.New("the token has a character that none may have: want letters, digits and -._~+/=")
		}
	}
	return nil
}

// Enabled says whether the listener speaks TLS.
func (t TLS) Enabled() bool { return t.CertFile != "" }

// Enabled says whether clients need a token.
func (a Auth) Enabled() bool { return len(a.Bearer) > 0 || a.BearerFile != "" }

// Summary says what protects the listener, for people; empty is nothing.
func (s Security) Summary() string {
	var parts []string
	switch {
	case s.TLS.ClientCAFile != "":
		parts = append(parts, "mutual TLS")
	case s.TLS.Enabled():
		parts = append(parts, "TLS")
	}
	if s.Auth.Enabled() {
		parts = append(parts, "token")
	}
	return strings.Join(parts, ", ")
}

// Validate reports all that is wrong, by the keys behind prefix, which is empty
// or ends with a dot. It reads no file.
func (s Security) Validate(prefix string) error {
	var errs []error
	fail := func(key, reason string) { errs = append(errs, fmt.Errorf("%s%s: %s", prefix, key, reason)) }
	switch t := s.TLS; {
	case t.CertFile != "" && t.KeyFile == "":
		fail("tls.cert_file", "it wants a key_file")
	case t.KeyFile != "" && t.CertFile == "":
		fail("tls.key_file", "it wants a cert_file")
	case t.ClientCAFile != "" && t.CertFile == "":
		fail("tls.client_ca_file", "it wants a cert_file and a key_file")
	}
	switch s.TLS.MinVersion {
	case "", TLS12, TLS13:
	default:
		fail("tls.min_version", fmt.Sprintf("%q: want 1.2 or 1.3", string(s.TLS.MinVersion)))
	}
	for i, token := range s.Auth.Bearer {
		if err := token.valid(); err != nil {
			at := "auth.bearer"
			if len(s.Auth.Bearer) > 1 {
				at = fmt.Sprintf("auth.bearer[%d]", i)
			}
			fail(at, err.Error())
		}
	}
	return errors.Join(errs...)
}
