package push

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/collector/export"
)

// Version is a version of Prometheus' remote write protocol.
type Version string

// The versions. Where a backend does not know the second, the first is spoken
// to it until the collector is started again.
const (
	Version1 Version = "1.0"
	Version2 Version = "2.0"
)

// Histograms is how OTLP has histograms.
type Histograms string

// The two kinds of histograms that OTLP has. A metric can be of one only.
const (
	Explicit    Histograms = "explicit"
	Exponential Histograms = "exponential"
)

// RemoteWrite says where metrics are written by Prometheus' protocol.
type RemoteWrite struct {
	// Endpoint is a whole URL, such as http://prometheus:9090/api/v1/write.
	// Where it is empty nothing is written.
	Endpoint string `yaml:"endpoint"`
	// Version is "2.0" or "1.0". With "2.0" a backend that answers that it does
	// not know it has "1.0".
	Version Version `yaml:"version"`
	// Interval is the time between two pushes. One that has had no answer when
	// the next is due is given up.
	Interval time.Duration `yaml:"interval"`
	// Timeout bounds one attempt, answer included.
	Timeout time.Duration `yaml:"timeout"`
	// Headers go with each request, for example Authorization or X-Scope-OrgID.
	Headers map[string]export.Secret `yaml:"headers"`
	// TLS is for endpoints that begin with https://.
	TLS export.TLS `yaml:"tls"`
	// Labels are added to each series that has none of the name. Where they have
	// no job, it is waybill-collector; where they have no instance, it is the
	// host's name: two collectors that write the same series would spoil both.
	Labels map[string]string `yaml:"labels"`
}

// OTLP says where metrics are pushed to as OTLP over HTTP.
type OTLP struct {
	// Endpoint is a URL to which /v1/metrics is added. Where it is empty nothing
	// is pushed. A backend under export.metrics does not get derived metrics: it
	// has what was received.
	Endpoint string `yaml:"endpoint"`
	// Interval is the time between two pushes. One that has had no answer when
	// the next is due is given up.
	Interval time.Duration `yaml:"interval"`
	// Timeout bounds one attempt, answer included.
	Timeout time.Duration `yaml:"timeout"`
	// Headers go with each request, for example Authorization.
	Headers map[string]export.Secret `yaml:"headers"`
	// TLS is for endpoints that begin with https://.
	TLS export.TLS `yaml:"tls"`
	// Histograms is Explicit, with the buckets of derive, or Exponential, which
	// become native histograms in Prometheus.
	Histograms Histograms `yaml:"histograms"`
	// Attributes are the resource's. Where they have no service.name, it is
	// waybill-collector; where they have no service.instance.id, it is the
	// host's name.
	Attributes map[string]string `yaml:"attributes"`
}

// DefaultRemoteWrite writes nothing until it has an endpoint.
func DefaultRemoteWrite() RemoteWrite {
	return RemoteWrite{Version: Version2, Interval: 15 * time.Second, Timeout: 10 * time.Second}
}

// DefaultOTLP pushes nothing until it has an endpoint.
func DefaultOTLP() OTLP {
	return OTLP{Interval: 15 * time.Second, Timeout: 10 * time.Second, Histograms: Explicit}
}

// Enabled says whether anything is written.
func (c RemoteWrite) Enabled() bool { return c.Endpoint != "" }

// Enabled says whether anything is pushed.
func (c OTLP) Enabled() bool { return c.Endpoint != "" }

func (c RemoteWrite) target() target {
	return target{"remote_write", c.Endpoint, c.Interval, c.Timeout, c.Headers, c.TLS}
}

func (c OTLP) target() target {
	return target{"otlp", c.Endpoint, c.Interval, c.Timeout, c.Headers, c.TLS}
}

// Validate reports all that is wrong with the configuration, by its keys.
func (c RemoteWrite) Validate() error {
	errs := []error{c.target().validate()}
	if c.Version != Version1 && c.Version != Version2 {
		errs = append(errs, fmt.Errorf("remote_write.version: %q: want %s or %s", c.Version, Version2, Version1))
	}
	for name := range c.Labels {
		if !validLabel(name) {
			errs = append(errs, fmt.Errorf("remote_write.labels: %q: want letters, digits and _, no digit first, and not __ at the beginning", name))
		}
	}
	return errors.Join(errs...)
}

// Validate reports all that is wrong with the configuration, by its keys.
func (c OTLP) Validate() error {
	errs := []error{c.target().validate()}
	if c.Histograms != Explicit && c.Histograms != Exponential {
		errs = append(errs, fmt.Errorf("otlp.histograms: %q: want %s or %s", c.Histograms, Explicit, Exponential))
	}
	if _, found := c.Attributes[""]; found {
		errs = append(errs, errors.New("otlp.attributes: one has no name"))
	}
	return errors.Join(errs...)
}

func validLabel(name string) bool {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	}
	return name != "" && (name[0] < '0' || name[0] > '9') && !strings.HasPrefix(name, "__") && strings.IndexFunc(name, other) < 0
}

// target is what both ways to push have in common.
type target struct {
	key, endpoint     string
	interval, timeout time.Duration
	headers           map[string]export.Secret
	tls               export.TLS
}

func (t target) validate() error {
	var errs []error
	wrong := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", t.key, key, fmt.Sprintf(format, args...)))
	}
	if t.interval < time.Second {
		wrong("interval", "%v: want at least 1s", t.interval)
	}
	if t.timeout <= 0 {
		wrong("timeout", "%v is not positive", t.timeout)
	}
	for name, value := range t.headers {
		if !export.HTTP.CanSend(name, value) {
			wrong("headers", "%q cannot be sent", name)
		}
	}
	if key, reason := t.tls.Wrong(); reason != "" {
		wrong("tls."+key, "%s", reason)
	}
	if reason := t.wrongEndpoint(); reason != "" {
		wrong("endpoint", "%s", reason)
	}
	return errors.Join(errs...)
}

// wrongEndpoint says what is wrong with the endpoint, without quoting it: there
// may be a password in it.
func (t target) wrongEndpoint() string {
	if t.endpoint == "" {
		return ""
	}
	u, err := url.Parse(t.endpoint)
	switch {
	case err != nil:
		return "no URL"
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return "want http://host:port/path or https://host:port/path"
	case u.User != nil:
		return "credentials belong into headers"
	case t.tls != export.TLS{} && u.Scheme != "https":
		return "tls is set, so it is to begin with https://"
	}
	return ""
}
