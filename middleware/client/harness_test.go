package client_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/client"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

const patience = 20 * time.Second

// telemetry is a source that remembers.
type telemetry struct{ *instrumenttest.Telemetry }

func newTelemetry() *telemetry { return &telemetry{instrumenttest.New()} }

// client is one with this telemetry; its calls go through base.
func (o *telemetry) client(t testing.TB, base http.RoundTripper, opts ...client.Option) *http.Client {
	t.Helper()
	calls, err := client.New(base, append([]client.Option{client.WithTelemetry(o)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: calls}
}

// calls are the spans of calls, and attempts those beneath them, as they ended.
func (o *telemetry) calls() []sdktrace.ReadOnlySpan { return o.ofKind(trace.SpanKindInternal) }

func (o *telemetry) attempts() []sdktrace.ReadOnlySpan { return o.ofKind(trace.SpanKindClient) }

func (o *telemetry) ofKind(kind trace.SpanKind) []sdktrace.ReadOnlySpan {
	return slices.DeleteFunc(o.Spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.SpanKind() != kind })
}

// onlyCall is the span of the only call.
func (o *telemetry) onlyCall(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	calls := o.calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls have ended, want 1", len(calls))
	}
	return calls[0]
}

// allEnded fails if a span was started and has not ended.
func (o *telemetry) allEnded(t *testing.T) {
	t.Helper()
	if started, ended := len(o.Spans.Started()), len(o.Spans.Ended()); started != ended {
		t.Errorf("%d spans were started, and %d have ended", started, ended)
	}
}

// attributes are those of a span or an event as text.
func attributes(list []attribute.KeyValue) map[string]string { return instrumenttest.Attributes(list) }

// events are those of a span, each as its name and the values of those
// attributes that are named.
func events(span sdktrace.ReadOnlySpan, keys ...string) []string {
	var list []string
	for _, event := range span.Events() {
		words, of := []string{event.Name}, attributes(event.Attributes)
		for _, key := range keys {
			if of[key] != "" {
				words = append(words, of[key])
			}
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

// value is that of the only series with those labels, such as "a=1,b=2", in
// their order; of a histogram it is the count. It is -1 if there is none.
func (o *telemetry) value(t *testing.T, name, labels string) float64 {
	t.Helper()
	found, there := o.series(t, name)[labels]
	if !there {
		return -1
	}
	return found
}

// series are those of a metric by their labels, without those that are empty.
func (o *telemetry) series(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := o.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				if label.GetValue() != "" {
					labels = append(labels, label.GetName()+"="+label.GetValue())
				}
			}
			sort.Strings(labels)
			values[strings.Join(labels, ",")] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// instance is a server that counts.
type instance struct {
	*httptest.Server
	hits atomic.Int64
}

func (i *instance) address() string { return i.Listener.Addr().String() }

func serve(t testing.TB, handler http.HandlerFunc) *instance {
	t.Helper()
	i := &instance{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.hits.Add(1)
		handler(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

// answers is a handler that gives a status and its text.
func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, http.StatusText(status), status) }
}

// order is a discovery that knows the instances of a service of that name.
func order(instances ...*instance) client.Static {
	var list []client.Instance
	for _, i := range instances {
		list = append(list, client.Instance{Address: i.address()})
	}
	return client.Static{"order": list}
}

// transport is a connection pool of the test's own.
func transport(t testing.TB) *http.Transport {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return base
}

// roundTripper answers without a network, for tests in their own time.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is a response of a status with a body, and headers by name and value.
func answer(r *http.Request, status int, header ...string) *http.Response {
	response := &http.Response{
		StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(strings.NewReader("text")), Request: r,
	}
	for i := 0; i+1 < len(header); i += 2 {
		response.Header.Set(header[i], header[i+1])
	}
	return response
}

// outcome is what has come of a request: its status, or its error.
type outcome struct {
	status int
	text   string
	err    error
}

func get(t testing.TB, c *http.Client, url string) outcome {
	t.Helper()
	return do(c, newRequest(t, t.Context(), http.MethodGet, url, nil))
}

func newRequest(t testing.TB, ctx context.Context, method, url string, body io.Reader) *http.Request { //nolint:revive // t comes first in tests
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(c *http.Client, r *http.Request) outcome {
	response, err := c.Do(r)
	if err != nil {
		return outcome{err: err}
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return outcome{status: response.StatusCode, text: string(text), err: err}
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

// quiet is a log that nobody reads.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
