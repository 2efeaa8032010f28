package push

import (
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/export"
)

func TestRemoteWriteValidate(t *testing.T) {
	if err := DefaultRemoteWrite().Validate(); err != nil || DefaultRemoteWrite().Enabled() {
		t.Error(err)
	}
	for want, change := range map[string]func(*RemoteWrite){
		"remote_write.interval: 999ms":                      func(c *RemoteWrite) { c.Interval = 999 * time.Millisecond },
		"remote_write.timeout: 0s":                          func(c *RemoteWrite) { c.Timeout = 0 },
		`remote_write.version: "2": want 2.0`:               func(c *RemoteWrite) { c.Version = "2" },
		"remote_write.endpoint: want http":                  func(c *RemoteWrite) { c.Endpoint = "prometheus:9090" },
		"remote_write.endpoint: no URL":                     func(c *RemoteWrite) { c.Endpoint = "http://a b" },
		"remote_write.endpoint: credentials belong":         func(c *RemoteWrite) { c.Endpoint = "https://me:s3cret@prometheus/api/v1/write" },
		"remote_write.endpoint: tls is set":                 func(c *RemoteWrite) { c.Endpoint, c.TLS.CAFile = "http://prometheus", "ca.pem" },
		"remote_write.tls.cert_file: it wants a key_file":   func(c *RemoteWrite) { c.Endpoint, c.TLS.CertFile = "https://prometheus", "cert.pem" },
		"remote_write.tls.key_file: it wants a cert_file":   func(c *RemoteWrite) { c.Endpoint, c.TLS.KeyFile = "https://prometheus", "key.pem" },
		`remote_write.headers: "a b" cannot`:                func(c *RemoteWrite) { c.Headers = map[string]export.Secret{"a b": "x"} },
		`remote_write.headers: "Authorization" cannot`:      func(c *RemoteWrite) { c.Headers = map[string]export.Secret{"Authorization": "s3cret\n"} },
		`remote_write.labels: "a.b": want letters, digits`:  func(c *RemoteWrite) { c.Labels = map[string]string{"a.b": "x"} },
		`remote_write.labels: "9a": want letters, digits`:   func(c *RemoteWrite) { c.Labels = map[string]string{"9a": "x"} },
		`remote_write.labels: "": want letters, digits and`: func(c *RemoteWrite) { c.Labels = map[string]string{"": "x"} },
		`remote_write.labels: "__name__": want letters, di`: func(c *RemoteWrite) { c.Labels = map[string]string{"__name__": "x"} },
	} {
		cfg := DefaultRemoteWrite()
		change(&cfg)
		checkInvalid(t, cfg.Validate(), want)
	}
}

func TestOTLPValidate(t *testing.T) {
	if err := DefaultOTLP().Validate(); err != nil || DefaultOTLP().Enabled() {
		t.Error(err)
	}
	for want, change := range map[string]func(*OTLP){
		"otlp.interval: 0s":                  func(c *OTLP) { c.Interval = 0 },
		"otlp.endpoint: want http://":        func(c *OTLP) { c.Endpoint = "grpc://prometheus" },
		`otlp.histograms: "native": want ex`: func(c *OTLP) { c.Histograms = "native" },
		"otlp.attributes: one has no name":   func(c *OTLP) { c.Attributes = map[string]string{"": "x"} },
	} {
		cfg := DefaultOTLP()
		change(&cfg)
		checkInvalid(t, cfg.Validate(), want)
	}
}

func checkInvalid(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v; want %s", err, want)
	}
}
