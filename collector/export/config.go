package export

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

// Config says where each signal is forwarded to.
type Config struct {
	Traces  Destination `yaml:"traces"`
	Metrics Destination `yaml:"metrics"`
	Logs    Destination `yaml:"logs"`
}

// Destination is an OTLP/HTTP backend.
type Destination struct {
	// Endpoint is the URL to which /v1/traces, /v1/metrics or /v1/logs is
	// added. Where it is empty the signal is not forwarded.
	Endpoint string `yaml:"endpoint"`
	// Headers go with each request, for example Authorization.
	Headers map[string]Secret `yaml:"headers"`
	// Timeout bounds one attempt, answer included.
	Timeout time.Duration `yaml:"timeout"`
	// Compression is "gzip" or "none".
	Compression string `yaml:"compression"`
	// MaxBatchBytes bounds the encoded requests that are sent as one, before
	// compression; a larger request of a client goes alone.
	MaxBatchBytes int `yaml:"max_batch_bytes"`
}

// DefaultConfig forwards nothing.
func DefaultConfig() Config {
	d := Destination{Timeout: 30 * time.Second, Compression: "gzip", MaxBatchBytes: 4 << 20}
	return Config{Traces: d, Metrics: d, Logs: d}
}

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	return errors.Join(c.Traces.validate("traces"), c.Metrics.validate("metrics"), c.Logs.validate("logs"))
}

func (d Destination) validate(signal string) error {
	var errs []error
	fail := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", signal, key, fmt.Sprintf(format, args...)))
	}
	if d.Endpoint != "" { // It is not quoted: there may be a password in it.
		u, err := url.Parse(d.Endpoint)
		switch {
		case err != nil:
			fail("endpoint", "no URL")
		case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
			fail("endpoint", "want http://host:port or https://host:port")
		case u.RawQuery != "" || u.Fragment != "":
			fail("endpoint", "a path is added, so it cannot have a query or a fragment")
		}
	}
	for name, value := range d.Headers {
		if !sendable(name, string(value)) {
			fail("headers", "%q cannot be sent", name)
		}
	}
	if d.Timeout <= 0 {
		fail("timeout", "%v is not positive", d.Timeout)
	}
	if d.Compression != "gzip" && d.Compression != "none" {
		fail("compression", "%q: want gzip or none", d.Compression)
	}
	if d.MaxBatchBytes < 1 {
		fail("max_batch_bytes", "%d is not positive", d.MaxBatchBytes)
	}
	return errors.Join(errs...)
}

// Secret is a text that is never printed or logged.
type Secret string

const redacted = "REDACTED"

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// sendable says whether net/http would put the header on the wire.
func sendable(name, value string) bool {
	token := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}
	control := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
	return name != "" && strings.IndexFunc(name, func(c rune) bool { return !token(c) }) < 0 && strings.IndexFunc(value, control) < 0
}
