package middleware

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
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

// The words of OTEL_TRACES_EXPORTER and its like.
const (
	exporterOTLP    = "otlp"
	exporterConsole = "console"
)

// wanted reads OTEL_TRACES_EXPORTER and its like, and says where the signal goes
// to. Metrics are there to be scraped and log records are written to the log
// whatever it says, so that prometheus and console mean only that.
func (s signal) wanted(env *environment) (otlp, console bool) {
	name := "OTEL_" + strings.ToUpper(string(s)) + "_EXPORTER"
	known := []string{exporterOTLP, "none"}
	if s == metrics {
		known = append(known, "prometheus")
	} else {
		known = append(known, exporterConsole)
	}
	understood := false
	for _, word := range env.list(name, exporterOTLP) {
		word = strings.ToLower(word)
		if !slices.Contains(known, word) {
			env.ignore(name, word, strings.Join(known, ", "))
			continue
		}
		understood = true
		otlp = otlp || word == exporterOTLP
		console = console || word == exporterConsole
	}
	return otlp || !understood, console
}

// newClient makes what posts a signal's requests.
func (s signal) newClient(cfg config, env *environment) *otlp.Client {
	name, protocol := env.first(s.names("PROTOCOL")...)
	if protocol != "" && protocol != "http/protobuf" {
		env.reject(fmt.Errorf(
			"%s=%q: this package sends http/protobuf; for another protocol give Setup an exporter with WithSpanExporter", name, protocol))
	}
	endpoint, jaegers := s.endpoint(cfg, env)
	client := &otlp.Client{
		Endpoint: endpoint,
		Header:   http.Header{},
		Timeout:  env.milliseconds(10*time.Second, s.names("TIMEOUT")...),
		Gzip:     env.choice("none", []string{"none", "gzip"}, s.names("COMPRESSION")...) == "gzip",
		HTTP:     cfg.httpClient,
	}
	if jaegers && env.jaeger.authorization != "" {
		client.Header.Set("Authorization", env.jaeger.authorization)
	}
	headers, err := env.pairs(s.names("HEADERS")...)
	if err != nil {
		env.reject(err)
	}
	for _, pair := range headers {
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

// endpoint is the URL of a signal, and whether a variable of Jaeger's has told
// it. Only the signal's own variable is the whole of it.
func (s signal) endpoint(cfg config, env *environment) (endpoint string, jaegers bool) {
	own := s.names("ENDPOINT")[0]
	name, value := "WithEndpoint", cfg.endpoint
	if value == "" {
		name, value = env.first(s.names("ENDPOINT")...)
		jaegers = name != "" && env.jaeger.instead[name] != ""
	}
	if value == "" {
		value = defaultEndpoint
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		env.reject(fmt.Errorf("%s=%q: want a URL that begins with http:// or https://", name, withoutUser(value)))
		return "", false
	}
	if name != own {
		u = u.JoinPath("v1", string(s))
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), jaegers
}

// withoutUser leaves out what may be a password.
func withoutUser(value string) string {
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		return "…" + value[at:]
	}
	return value
}

// tls reads the certificates that the variables name; nil for the system's.
func (s signal) tls(env *environment) *tls.Config {
	name, roots := env.first(s.names("CERTIFICATE")...)
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
			env.reject(fmt.Errorf("%s: read %s: %w", name, roots, err))
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			env.reject(fmt.Errorf("%s: %w", s.names("CLIENT_CERTIFICATE")[1], err))
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config
}
