package export

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Protocol is how a backend is spoken to.
type Protocol string

// The two transports of OTLP; both carry protobuf.
const (
	HTTP Protocol = "http"
	GRPC Protocol = "grpc"
)

// Compression is how requests are compressed.
type Compression string

// The compressions. OTLP has all servers know gzip; few know zstd.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
	Zstd          Compression = "zstd"
)

// DefaultName is the name of a destination that is given none.
const DefaultName = "default"

const (
	maxName = 32
	// defaultBatchBytes is what MaxBatchBytes is when it is zero. More would
	// save nothing that can be measured, and take that much more memory; a gRPC
	// server takes 4 MiB when nobody has told it otherwise.
	defaultBatchBytes = 2 << 20
)

// Destination is an OTLP backend.
type Destination struct {
	// Name tells it from the signal's other destinations, in metrics, and in
	// the name of the cursor: one that is renamed begins anew.
	Name string `yaml:"name"`
	// Endpoint is a URL; with HTTP /v1/traces, /v1/metrics or /v1/logs is added
	// to it, with GRPC it has no path and may be host:port alone, which means
	// http://. Where it is empty nothing is forwarded.
	Endpoint string `yaml:"endpoint"`
	// Protocol is HTTP or GRPC.
	Protocol Protocol `yaml:"protocol"`
	// Headers go with each request, for example Authorization.
	Headers map[string]Secret `yaml:"headers"`
	// TLS is for endpoints that begin with https://.
	TLS TLS `yaml:"tls"`
	// Timeout bounds one attempt, answer included.
	Timeout time.Duration `yaml:"timeout"`
	// Compression is Gzip, Zstd or NoCompression.
	Compression Compression `yaml:"compression"`
	// MaxBatchBytes bounds the encoded requests that are sent as one, before
	// compression; a larger request of a client goes alone. Zero is
	// 2 MiB.
	MaxBatchBytes int `yaml:"max_batch_bytes"`
	// Linger is the least time from one request to the next, unless enough is
	// there to fill one: what comes in meanwhile goes as one request. What comes
	// after a pause is not held up. Zero sends everything at once.
	Linger time.Duration `yaml:"linger"`
}

// defaultLinger is short beside the time that people wait for a trace, and
// long enough for five requests of 500 spans at 50,000 spans a second.
const defaultLinger = 50 * time.Millisecond

// DefaultDestination forwards nothing until it has an endpoint.
func DefaultDestination() Destination {
	return Destination{Name: DefaultName, Protocol: HTTP, Timeout: 30 * time.Second, Compression: Gzip, Linger: defaultLinger}
}

// SetDefaults makes d what a configuration file begins with.
func (d *Destination) SetDefaults() { *d = DefaultDestination() }

// Enabled says whether anything is forwarded there.
func (d Destination) Enabled() bool { return d.Endpoint != "" }

// secure says whether the connection is encrypted.
func (d Destination) secure() bool { return strings.HasPrefix(strings.ToLower(d.Endpoint), "https://") }

// host is the host:port of a gRPC endpoint, with the port that its scheme has.
func (d Destination) host() string {
	u, err := url.Parse(d.Endpoint)
	if err != nil || u.Host == "" {
		return d.Endpoint
	}
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "https" {
		return u.Host + ":443"
	}
	return u.Host + ":80"
}

func (d Destination) batchBytes() int {
	if d.MaxBatchBytes > 0 {
		return d.MaxBatchBytes
	}
	return defaultBatchBytes
}

// validate begins each error with the key that it is about, below at.
func (d Destination) validate(at string) error {
	var errs []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s.%s: %s", at, key, fmt.Sprintf(format, args...)))
		}
	}
	check(validName(d.Name), "name", "%q: want 1 to %d lower-case letters, digits, '_' or '-'", d.Name, maxName)
	check(d.Protocol == HTTP || d.Protocol == GRPC, "protocol", "%q: want %s or %s", d.Protocol, HTTP, GRPC)
	reason := d.wrongEndpoint()
	check(reason == "", "endpoint", "%s", reason)
	for name, value := range d.Headers {
		check(d.Protocol.CanSend(name, value), "headers", "%q cannot be sent", name)
	}
	key, reason := d.TLS.Wrong()
	check(reason == "", "tls."+key, "%s", reason)
	check(d.TLS == TLS{} || d.secure() || !d.Enabled(), "endpoint", "tls is set, so it is to begin with https://")
	check(d.Timeout > 0, "timeout", "%v is not positive", d.Timeout)
	check(d.Compression == Gzip || d.Compression == Zstd || d.Compression == NoCompression,
		"compression", "%q: want %s, %s or %s", d.Compression, Gzip, Zstd, NoCompression)
	check(d.MaxBatchBytes >= 0, "max_batch_bytes", "%d is negative", d.MaxBatchBytes)
	check(d.Linger >= 0, "linger", "%v is negative", d.Linger)
	return errors.Join(errs...)
}

// wrongEndpoint says what is wrong with the endpoint, without quoting it:
// there may be a password in it.
func (d Destination) wrongEndpoint() string {
	if d.Endpoint == "" {
		return ""
	}
	if d.Protocol == GRPC && !strings.Contains(d.Endpoint, "://") {
		if host, port, err := net.SplitHostPort(d.Endpoint); err != nil || host == "" || port == "" || strings.ContainsAny(d.Endpoint, "/@") {
			return "want host:port, http://host:port or https://host:port"
		}
		return ""
	}
	u, err := url.Parse(d.Endpoint)
	switch {
	case err != nil:
		return "no URL"
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "want http://host:port or https://host:port"
	case d.Protocol == GRPC && (u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != ""):
		return "gRPC has no path, query or user; want http://host:port or https://host:port"
	case u.RawQuery != "" || u.Fragment != "":
		return "a path is added, so it cannot have a query or a fragment"
	}
	return ""
}

// validName holds names to what is safe in a file name and a metric's label.
func validName(name string) bool {
	other := func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' }
	return name != "" && len(name) <= maxName && strings.IndexFunc(name, other) < 0
}
