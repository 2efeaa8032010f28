package receive

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// secureConfig has OTLP's listeners serve with the authority's certificate.
func secureConfig(t *testing.T, authority *listentest.Authority, change func(*listen.Security)) Config {
	t.Helper()
	cert, key := authority.Issue(t, "collector")
	s := listen.Security{TLS: listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}}
	if change != nil {
		change(&s)
	}
	cfg := testConfig()
	cfg.OTLP.GRPC.Security, cfg.OTLP.HTTP.Security = s, s
	return cfg
}

// sender is what a client of one transport has to be told; the exporter is the
// SDK's, which does not try again.
type sender func(t *testing.T, r *Receivers, cfg *tls.Config, headers map[string]string) sdktrace.SpanExporter

func senders() map[string]sender {
	return map[string]sender{
		"grpc": func(t *testing.T, r *Receivers, cfg *tls.Config, headers map[string]string) sdktrace.SpanExporter {
			t.Helper()
			e, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(r.GRPCAddr().String()), otlptracegrpc.WithHeaders(headers),
				otlptracegrpc.WithTLSCredentials(credentials.NewTLS(cfg)), otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}))
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
		"http": func(t *testing.T, r *Receivers, cfg *tls.Config, headers map[string]string) sdktrace.SpanExporter {
			t.Helper()
			e, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpoint(r.HTTPAddr().String()), otlptracehttp.WithHeaders(headers),
				otlptracehttp.WithTLSClientConfig(cfg), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
			if err != nil {
				t.Fatal(err)
			}
			return e
		},
	}
}

// export sends one span.
func export(t *testing.T, e sdktrace.SpanExporter) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return e.ExportSpans(ctx, tracetest.SpanStubs{{Name: "checkout", SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	})}}.Snapshots())
}

func TestTLSWithTheExportersOfTheSDK(t *testing.T) {
	authority, stranger := listentest.NewAuthority(t), listentest.NewAuthority(t)
	mutual := func(s *listen.Security) { s.TLS.ClientCAFile = listen.File(authority.CAFile()) }
	certificate := func(a *listentest.Authority, expires time.Duration) *tls.Config {
		certFile, keyFile := a.IssueUntil(t, "client", time.Now().Add(expires))
		cfg := a.Client(t, certFile, keyFile)
		cfg.RootCAs = authority.Pool()
		return cfg
	}
	withToken := func(s *listen.Security) {
		mutual(s)
		s.Auth.Bearer = listen.Tokens{"t0ken"}
	}
	token := map[string]string{"authorization": "Bearer t0ken"}
	for _, test := range []struct {
		name    string
		change  func(*listen.Security)
		client  *tls.Config
		headers map[string]string
		arrives bool
	}{
		{"TLS", nil, authority.Client(t, "", ""), nil, true},
		{"TLS, by a client of another authority", nil, stranger.Client(t, "", ""), nil, false},
		{"mutual", mutual, certificate(authority, time.Hour), nil, true},
		{"mutual, without a certificate", mutual, authority.Client(t, "", ""), nil, false},
		{"mutual, with a stranger's", mutual, certificate(stranger, time.Hour), nil, false},
		{"mutual, expired", mutual, certificate(authority, -time.Minute), nil, false},
		{"mutual and token", withToken, certificate(authority, time.Hour), token, true},
		{"mutual, token missing", withToken, certificate(authority, time.Hour), nil, false},
	} {
		for name, sender := range senders() {
			t.Run(name+" "+test.name, func(t *testing.T) {
				j := memory.New(memory.Config{})
				r, _ := receivers(t, secureConfig(t, authority, test.change), j)
				e := sender(t, r, test.client, test.headers)
				err := export(t, e)
				if (err == nil) != test.arrives || len(records(t, j)) > 0 != test.arrives {
					t.Errorf("%v, and the journal has %d records", err, len(records(t, j)))
				}
				_ = e.Shutdown(t.Context())
			})
		}
	}
}

// TestRotationInFlight replaces certificate and authority while clients send:
// those that are connected notice nothing, new ones see the new certificate.
func TestRotationInFlight(t *testing.T) {
	authority, next := listentest.NewAuthority(t), listentest.NewAuthority(t)
	for name, sender := range senders() {
		t.Run(name, func(t *testing.T) {
			cfg := secureConfig(t, authority, nil)
			dir := t.TempDir()
			files := listen.TLS{CertFile: listen.File(dir + "/cert"), KeyFile: listen.File(dir + "/key")}
			cert, key := authority.Issue(t, "first-"+name)
			install(t, files, cert, key)
			cfg.OTLP.GRPC.TLS, cfg.OTLP.HTTP.TLS = files, files
			j := memory.New(memory.Config{})
			r, _ := receivers(t, cfg, j)
			stop := make(chan struct{})
			var sending sync.WaitGroup
			sent := 0
			sending.Go(func() {
				e := sender(t, r, authority.Client(t, "", ""), nil)
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := export(t, e); err != nil {
						t.Errorf("while the files changed: %v", err)
					}
					sent++
				}
			})
			cert, key = next.Issue(t, "second-"+name)
			install(t, files, cert, key)
			newcomer := sender(t, r, next.Client(t, "", ""), nil)
			waitUntil(t, "the next certificate is shown", func() bool { return export(t, newcomer) == nil })
			close(stop)
			sending.Wait()
			if got := len(records(t, j)); sent == 0 || got <= sent {
				t.Errorf("journal has %d records of %d exports and one more", got, sent)
			}
		})
	}
}

func install(t *testing.T, to listen.TLS, cert, key string) {
	t.Helper()
	for from, to := range map[string]listen.File{cert: to.CertFile, key: to.KeyFile} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(string(to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tokenConfig has every listener want a token.
func tokenConfig() Config {
	cfg := legacyConfig()
	for _, s := range []*listen.Security{
		&cfg.OTLP.GRPC.Security, &cfg.OTLP.HTTP.Security, &cfg.Jaeger.ThriftHTTP.Security, &cfg.Jaeger.GRPC.Security, &cfg.Zipkin.Security, &cfg.Loki.Security,
	} {
		s.Auth.Bearer = listen.Tokens{"t0ken"}
	}
	return cfg
}

// TestTokensAtEveryPort asks each without a token, with a wrong one and with
// the right one. What comes then is no request of the protocol.
func TestTokensAtEveryPort(t *testing.T) {
	j := &fixedJournal{}
	r, reg := receivers(t, tokenConfig(), j)
	for _, l := range r.Listeners() {
		if l.Security == "" {
			continue
		}
		for header, want := range map[string]bool{"": false, "Bearer wr0ng": false, "Basic t0ken": false, "Bearer t0ken": true} {
			var headers []string
			if header != "" {
				headers = []string{"Authorization", header}
			}
			status, answer, body := ask(t, http.MethodPost, l.Addr, "/nowhere", []byte("x"), headers...)
			let := status != http.StatusUnauthorized
			if let != want || strings.Contains(body, "wr0ng") || !want && answer.Get("WWW-Authenticate") != listen.Challenge {
				t.Errorf("%s, %q: %d %v %q", l.Key, header, status, answer, body)
			}
		}
		for reason, want := range map[string]float64{"no_token": 2, "wrong_token": 1} {
			if got := metricSum(t, reg, "waybill_listener_denied_requests_total", "listener", l.Key, "reason", reason); got != want {
				t.Errorf("%s: %v denied for %s, want %v", l.Key, got, reason, want)
			}
		}
	}
	if got := metricSum(t, reg, "waybill_receive_requests_total", "outcome", "unauthenticated"); got != 18 {
		t.Errorf("%v requests were counted as unauthenticated", got)
	}
}

// TestTokensOverOTLP has the answers in the protocol's own form.
func TestTokensOverOTLP(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, tokenConfig(), j)
	status, header, answer := post(t, r, "/v1/traces", jsonType, []byte("{}"))
	if status != http.StatusUnauthorized || header.Get("Content-Type") != jsonType {
		t.Errorf("%d %v", status, header)
	}
	checkStatus(t, header, answer, jsonType, codes.Unauthenticated, false)
	_, refused := call(t, r, traceMethod, strings.NewReader(""))
	if codes.Code(refused.Code) != codes.Unauthenticated || len(refused.Details) > 0 {
		t.Errorf("over gRPC: %v", refused)
	}
}

// TestNoBodyIsReadWithoutAToken has clients wait for leave to send.
func TestNoBodyIsReadWithoutAToken(t *testing.T) {
	r, reg := receivers(t, tokenConfig(), &fixedJournal{})
	conn := connect(t, r.HTTPAddr())
	sendText(t, conn, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 60000000\r\nExpect: 100-continue\r\n\r\n", protobufType)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("%d, %v", resp.StatusCode, err)
	}
	_, refused := call(t, r, traceMethod, stalled{t.Context()})
	if codes.Code(refused.Code) != codes.Unauthenticated {
		t.Errorf("over gRPC: %v", refused)
	}
	if got := metricSum(t, reg, "waybill_receive_inflight_bytes"); got != 0 {
		t.Errorf("%v bytes were admitted", got)
	}
}

// metricSum is the sum of a metric's series that have the labels.
func metricSum(t *testing.T, reg *prometheus.Registry, name string, labels ...string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			fits := true
			for i := 0; i < len(labels); i += 2 {
				fits = fits && has[labels[i]] == labels[i+1]
			}
			if fits {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
