package collector

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// withRule is the configuration with that rule for every listener.
func withRule(cfg Config, rule listen.Security) Config {
	cfg.Receive.OTLP.GRPC.Security, cfg.Receive.OTLP.HTTP.Security = rule, rule
	cfg.Derive.Security, cfg.Admin.Security = rule, rule
	return cfg
}

// sentSlowly is a request to one of the receivers that has begun.
type sentSlowly struct {
	rest   *io.PipeWriter
	answer chan string // its status, that of gRPC where there is one
}

// sendSlowly begins with a request, so that its second half is still to come.
func sendSlowly(t *testing.T, url, contentType string, body []byte) sentSlowly {
	t.Helper()
	from, to := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, from)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Te", "trailers")
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(contentType == "application/grpc")
	transport.Protocols.SetHTTP1(contentType != "application/grpc")
	t.Cleanup(transport.CloseIdleConnections)
	s := sentSlowly{to, make(chan string, 1)}
	go func() {
		response, err := transport.RoundTrip(request)
		if err != nil {
			s.answer <- err.Error()
			return
		}
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		if err != nil {
			s.answer <- err.Error()
			return
		}
		s.answer <- response.Status + response.Trailer.Get("Grpc-Status")
	}()
	if _, err := to.Write(body[:len(body)/2]); err != nil { // It returns when somebody has read that.
		t.Fatal(err)
	}
	return s
}

// finish sends the rest and returns the answer.
func (s sentSlowly) finish(t *testing.T, rest []byte) string {
	t.Helper()
	if _, err := s.rest.Write(rest[len(rest)/2:]); err != nil {
		t.Fatal(err)
	}
	_ = s.rest.Close() // It never fails.
	return <-s.answer
}

// exporters are the SDK's, which do not try again.
func exporters(t *testing.T, c *Collector, cfg *tls.Config, token string) map[string]sdktrace.SpanExporter {
	t.Helper()
	headers := map[string]string{"authorization": "Bearer " + token}
	grpc := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpoint(c.OTLPGRPC().String()), otlptracegrpc.WithHeaders(headers),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{}), otlptracegrpc.WithInsecure(),
	}
	http := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(c.OTLPHTTP().String()), otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}), otlptracehttp.WithInsecure(),
	}
	if cfg != nil {
		grpc[3], http[3] = otlptracegrpc.WithTLSCredentials(credentials.NewTLS(cfg)), otlptracehttp.WithTLSClientConfig(cfg)
	}
	overGRPC, err := otlptracegrpc.New(t.Context(), grpc...)
	if err != nil {
		t.Fatal(err)
	}
	overHTTP, err := otlptracehttp.New(t.Context(), http...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, _ = overGRPC.Shutdown(ctx), overHTTP.Shutdown(ctx)
	})
	return map[string]sdktrace.SpanExporter{"gRPC": overGRPC, "HTTP": overHTTP}
}

// exportSpan sends one.
func exportSpan(t *testing.T, e sdktrace.SpanExporter) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return e.ExportSpans(ctx, tracetest.SpanStubs{{Name: "exported", SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	})}}.Snapshots())
}

// asks is what a browser, a probe or Prometheus is answered, 0 for no answer.
func asks(t *testing.T, cfg *tls.Config, at net.Addr, path, token string) int {
	t.Helper()
	scheme := "http://"
	if cfg != nil {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+at.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{TLSClientConfig: cfg}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// TestReloadOfRules switches TLS and tokens on and off while clients of all
// kinds are connected, and requests of each receiver are in progress.
func TestReloadOfRules(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	backend := exporttest.New(t)
	plain := testConfig(t.TempDir())
	plain.Export.Traces[0].Endpoint = backend.URL()
	rule := listen.Security{TLS: listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}, Auth: listen.Auth{Bearer: listen.Tokens{"t0ken"}}}
	guarded := withRule(plain, rule)
	c := run(t, plain)
	before := addresses(c)
	trusting := authority.Client(t, "", "")

	open, safe := exporters(t, c, nil, ""), exporters(t, c, trusting, "t0ken")
	raw, err := proto.Marshal(spanRequest(1, "slow", tracepb.Status_STATUS_CODE_OK))
	if err != nil {
		t.Fatal(err)
	}
	call := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))), raw...)
	acknowledged := 0
	arrives := func(e sdktrace.SpanExporter) bool {
		err := exportSpan(t, e)
		if err == nil {
			acknowledged++
		}
		return err == nil
	}
	for _, step := range []struct {
		name   string
		to     Config
		in     map[string]sdktrace.SpanExporter
		out    map[string]sdktrace.SpanExporter
		cfg    *tls.Config
		token  string
		denied int // who comes as before
	}{
		{"on", guarded, safe, open, trusting, "t0ken", http.StatusBadRequest},
		{"off", plain, open, safe, nil, "", 0},
	} {
		slow := map[string]sentSlowly{}
		if step.name == "on" { // Plain requests go on while there is TLS.
			slow["gRPC"] = sendSlowly(t, "http://"+c.OTLPGRPC().String()+"/opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc", call)
			slow["HTTP"] = sendSlowly(t, "http://"+c.OTLPHTTP().String()+"/v1/traces", "application/x-protobuf", raw)
		}
		for name, e := range step.out {
			if !arrives(e) {
				t.Errorf("before it is %s, %s does not arrive", step.name, name)
			}
		}
		changed, err := reload(c, step.to)
		if err != nil || len(changed) != 4*3 {
			t.Fatalf("%s: %v, %v", step.name, changed, err)
		}
		for name, e := range step.in { // Who was refused a connection waits a second before the next.
			eventually(t, name+" to arrive when it is "+step.name, func() bool { return arrives(e) })
		}
		for name, e := range step.out { // A connection from before may have one more request.
			eventually(t, name+" to arrive no more when it is "+step.name, func() bool { return !arrives(e) })
		}
		for name, at := range map[string]net.Addr{"admin": c.Admin(), "scrape": c.Scrape()} {
			if got := asks(t, step.cfg, at, "/metrics", step.token); got != http.StatusOK {
				t.Errorf("%s: %s answers %d", step.name, name, got)
			}
			other := trusting
			if step.cfg != nil {
				other = nil
			}
			if got := asks(t, other, at, "/metrics", step.token); got != step.denied {
				t.Errorf("%s: %s answers %d to who comes as before", step.name, name, got)
			}
		}
		for name, s := range slow {
			body, want := raw, "200 OK"
			if name == "gRPC" {
				body, want = call, "200 OK0"
			}
			if got := s.finish(t, body); got != want {
				t.Errorf("%s: what was in progress over %s is answered %s", step.name, name, got)
			}
			acknowledged++
		}
	}
	if after := addresses(c); after != before {
		t.Errorf("listeners were at %s and are at %s", before, after)
	}
	backend.Wait(t, "all that was acknowledged", func() bool { return len(backend.Spans(t)) == acknowledged })
}

func addresses(c *Collector) string {
	var all []string
	for _, l := range c.Listeners() {
		if l.Addr != nil {
			all = append(all, l.Key+" "+l.Addr.String())
		}
	}
	return strings.Join(all, ", ")
}

// TestReloadRefusesRulesWhole has one file of no use among rules of four
// listeners, and a change beside them.
func TestReloadRefusesRulesWhole(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	plain := testConfig(t.TempDir())
	c := run(t, plain)
	next := withRule(plain, listen.Security{TLS: listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}})
	next.Redact.Enabled = true
	spoilt := filepath.Join(t.TempDir(), "spoilt")
	if err := os.WriteFile(spoilt, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	next.Admin.TLS.KeyFile = listen.File(spoilt)
	next.Derive.TLS.ClientCAFile = "/nowhere"
	_, err := reload(c, next)
	if err == nil || !strings.Contains(err.Error(), "admin.tls.cert_file and tls.key_file: ") || !strings.Contains(err.Error(), "derive.tls.client_ca_file: open /nowhere") {
		t.Errorf("%v", err)
	}
	mustPost(t, c, "traces", spanRequest(1, "still plain", tracepb.Status_STATUS_CODE_OK))
	if _, page := get(t, "http://"+c.Admin().String()+"/"); !strings.Contains(page, "configuration</td>") {
		t.Error("the status page does not tell")
	}
	if c.redact.Active() {
		t.Error("half of the file has been taken")
	}
}

// TestReloadTellsOfOpenListeners takes the token away from one that other
// machines reach.
func TestReloadTellsOfOpenListeners(t *testing.T) {
	open := testConfig(t.TempDir())
	open.Receive.OTLP.HTTP.Address = "0.0.0.0:0"
	guarded := open
	guarded.Receive.OTLP.HTTP.Auth.Bearer = listen.Tokens{"t0ken"}
	guarded.Receive.Zipkin.Auth.Bearer = listen.Tokens{"t0ken"} // Which is off.
	var log strings.Builder
	c, err := Start(t.Context(), guarded, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	changed, err := reload(c, open)
	if err != nil || strings.Join(changed, " ") != "receive.otlp.http.auth.bearer receive.zipkin.auth.bearer" {
		t.Errorf("%v, %v", changed, err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Count(text, "without TLS and without a token") != 1 || strings.Contains(text, "t0ken") {
		t.Errorf("logged:\n%s", text)
	}
}
