package middleware

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/middleware/internal/otlp"
)

const defaultEndpoint = "http://127.0.0.1:4318"

// signal is traces, metrics or logs.
type signal string

const (
	traces  signal = "traces"
	metrics signal = "metrics"
	logs    signal = "logs"
)

// names are the variables that decide about a signal, its own before the
// general one.
func (s signal) names(suffix string) []string {
	return []string{"OTEL_EXPORTER_OTLP_" + strings.ToUpper(string(s)) + "_" + suffix, "OTEL_EXPORTER_OTLP_" + suffix}
}

// wanted reads OTEL_TRACES_EXPORTER and its like.
func (s signal) wanted(env *environment) bool {
	return env.choice("otlp", []string{"otlp", "none"}, "OTEL_"+strings.ToUpper(string(s))+"_EXPORTER") == "otlp"
}

// newClient makes what posts a signal's requests.
func (s signal) newClient(cfg config, env *environment) *otlp.Client {
	name, protocol := env.first(s.names("PROTOCOL")...)
	if protocol != "" && protocol != "http/protobuf" {
		env.errs = append(env.errs, fmt.Errorf(
			"%s=%q: this package sends http/protobuf; for another protocol give Setup an exporter with WithSpanExporter", name, protocol))
	}
	client := &otlp.Client{
		Endpoint: s.endpoint(cfg, env),
		Header:   http.Header{},
		Timeout:  env.milliseconds(10*time.Second, s.names("TIMEOUT")...),
		Gzip:     env.choice("none", []string{"none", "gzip"}, s.names("COMPRESSION")...) == "gzip",
		HTTP:     cfg.httpClient,
	}
	for _, pair := range env.pairs(s.names("HEADERS")...) {
		client.Header.Set(pair[0], pair[1])
	}
	if client.HTTP == nil {
		transport := &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: s.tls(env), ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2,
		}
		client.HTTP = &http.Client{Transport: transport}
		client.Idle = transport.CloseIdleConnections
	}
	return client
}

// endpoint is the URL of a signal. Only its own variable is the whole of it.
func (s signal) endpoint(cfg config, env *environment) string {
	own := s.names("ENDPOINT")[0]
	name, value := "WithEndpoint", cfg.endpoint
	if value == "" {
		name, value = env.first(s.names("ENDPOINT")...)
	}
	if value == "" {
		value = defaultEndpoint
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		env.fail(name, value, "a URL that begins with http:// or https://")
		return ""
	}
	if name != own {
		u = u.JoinPath("v1", string(s))
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// tls reads the certificates that the variables name; nil for the system's.
func (s signal) tls(env *environment) *tls.Config {
	roots := env.text(s.names("CERTIFICATE")...)
	cert, key := env.text(s.names("CLIENT_CERTIFICATE")...), env.text(s.names("CLIENT_KEY")...)
	if roots == "" && cert == "" && key == "" {
		return nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != "" {
		config.RootCAs = x509.NewCertPool()
		pem, err := os.ReadFile(roots) //nolint:gosec // the operator names the file
		if err == nil && !config.RootCAs.AppendCertsFromPEM(pem) {
			err = errors.New("no certificate in it")
		}
		if err != nil {
			env.errs = append(env.errs, fmt.Errorf("%s: read %s: %w", s.names("CERTIFICATE")[1], roots, err))
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			env.errs = append(env.errs, fmt.Errorf("%s: %w", s.names("CLIENT_CERTIFICATE")[1], err))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
