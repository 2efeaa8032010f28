package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

const patience = 20 * time.Second

// telemetry is a source that remembers.
type telemetry struct{ *instrumenttest.Telemetry }

func newTelemetry(opts ...sdktrace.TracerProviderOption) *telemetry {
	return &telemetry{instrumenttest.New(opts...)}
}

// middleware is NewMiddleware with this telemetry.
func (o *telemetry) middleware(t testing.TB, opts ...httpmw.Option) func(http.Handler) http.Handler {
	t.Helper()
	observe, err := httpmw.NewMiddleware(append(opts, httpmw.WithTelemetry(o))...)
	if err != nil {
		t.Fatal(err)
	}
	return observe
}

// client is one whose requests are observed; they go through base.
func (o *telemetry) client(t testing.TB, base http.RoundTripper, opts ...httpmw.Option) *http.Client {
	t.Helper()
	transport, err := httpmw.NewTransport(base, append(opts, httpmw.WithTelemetry(o))...)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: transport}
}

// overBoth runs a test over HTTP/1.1 and over HTTP/2.
func overBoth(t *testing.T, test func(t *testing.T, serve func(http.Handler) *httptest.Server)) {
	t.Helper()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) {
			test(t, func(handler http.Handler) *httptest.Server {
				server := httptest.NewUnstartedServer(handler)
				server.EnableHTTP2 = protocol == "HTTP/2"
				server.Config.ErrorLog = quiet()
				if server.EnableHTTP2 {
					server.StartTLS()
				} else {
					server.Start()
				}
				t.Cleanup(server.Close)
				return server
			})
		})
	}
}

// serve serves over HTTP/1.1.
func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = quiet()
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// answered is a response whose body has been read and closed.
type answered struct {
	status int
	header http.Header
	length int64
}

// get makes a request and reads its answer.
func get(t *testing.T, client *http.Client, url string) answered {
	t.Helper()
	return do(t, client, newRequest(t, http.MethodGet, url, nil))
}

func newRequest(t *testing.T, method, url string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func do(t *testing.T, client *http.Client, r *http.Request) answered {
	t.Helper()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return answered{status: response.StatusCode, header: response.Header, length: response.ContentLength}
}

// eventually polls.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// span waits for the only span to end.
func (o *telemetry) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	eventually(t, "a span ends", func() bool { return len(o.Spans.Ended()) > 0 })
	spans := o.Spans.Ended()
	if len(spans) != 1 {
		t.Fatalf("%d spans ended, want one", len(spans))
	}
	return spans[0]
}

// attributes are those of a span as text.
func attributes(span sdktrace.ReadOnlySpan) map[string]string {
	return instrumenttest.Attributes(span.Attributes())
}

// series lists the labels of a metric's series, each as a=b,c=d without those
// that are empty, with the count of observations or the value of the gauge.
func (o *telemetry) series(t *testing.T, name string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, metric := range o.metrics(t, name) {
		var labels []string
		for _, label := range metric.GetLabel() {
			if label.GetValue() != "" {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
		}
		sort.Strings(labels)
		value := metric.GetGauge().GetValue()
		if h := metric.GetHistogram(); h != nil {
			value = float64(h.GetSampleCount())
		}
		found[strings.Join(labels, ",")] = value
	}
	return found
}

func (o *telemetry) metrics(t *testing.T, name string) []*dto.Metric {
	t.Helper()
	families, err := o.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()
		}
	}
	return nil
}

const (
	serverDuration = "http_server_request_duration_seconds"
	clientDuration = "http_client_request_duration_seconds"
	activeRequests = "http_server_active_requests"
)

// only waits for the only series of a metric, and gives its labels.
func (o *telemetry) only(t *testing.T, name string) string {
	t.Helper()
	eventually(t, name+" is observed", func() bool { return len(o.series(t, name)) > 0 })
	series := o.series(t, name)
	if len(series) != 1 {
		t.Fatalf("series of %s: %v, want one", name, series)
	}
	for labels := range series {
		return labels
	}
	return ""
}

func nothing(http.ResponseWriter, *http.Request) {}

// remote is a traceparent, and the context of its span, which is sampled.
func remote() (traceparent string, sc trace.SpanContext) {
	sc = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	return fmt.Sprintf("00-%s-%s-01", sc.TraceID(), sc.SpanID()), sc
}

// roundTripper answers without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is a response with that body.
func answer(r *http.Request, body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: body, Request: r}
}

func canceled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
