package middleware

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// TestHTTP3 is a request over HTTP/3 that is observed at both ends, and whose
// answer comes in pieces, with a trailer.
func TestHTTP3(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	to := newTelemetry(sampled, spans)
	flushed := make(chan struct{})
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(to))
	if err != nil {
		t.Fatal(err)
	}
	handler := observe(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "order ")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-flushed
		_, _ = io.WriteString(w, "42")
		w.Header().Set("X-Sum", "42")
	}))
	address, trusted := serveHTTP3(t, handler)
	base := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: "example.com", MinVersion: tls.VersionTLS13}}
	defer func() { _ = base.Close() }()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/orders/42", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport(t, waybill, to, base).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	first := make([]byte, len("order "))
	if _, err := io.ReadFull(response.Body, first); err != nil {
		t.Fatal(err)
	}
	close(flushed)
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(first)+string(rest) != "order 42" || response.Trailer.Get("X-Sum") != "42" {
		t.Errorf("answered %q, trailers %v, %v", string(first)+string(rest), response.Trailer, err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(spans.Ended()) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d spans have ended, want 2", len(spans.Ended()))
		}
	}
	for _, span := range spans.Ended() {
		version := ""
		for _, kv := range span.Attributes() {
			if kv.Key == "network.protocol.version" {
				version = kv.Value.AsString()
			}
		}
		if version != "3" || span.Status().Code != 0 {
			t.Errorf("span of kind %v has version %q and status %v", span.SpanKind(), version, span.Status())
		}
		if span.SpanKind() == trace.SpanKindServer && span.Parent().TraceID() != spans.Started()[0].SpanContext().TraceID() {
			t.Error("the server's span is not in the client's trace")
		}
	}
}

// serveHTTP3 serves over loopback until the test ends, and gives the certificates
// that its clients trust.
func serveHTTP3(t *testing.T, handler http.Handler) (address string, trusted *x509.CertPool) {
	t.Helper()
	// The certificate is that of the test servers of net/http.
	lender := httptest.NewUnstartedServer(nil)
	lender.StartTLS()
	t.Cleanup(lender.Close)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // a socket of the test's own
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: handler, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS13})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(conn)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = conn.Close()
		<-served
	})
	return conn.LocalAddr().String(), lender.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
}
