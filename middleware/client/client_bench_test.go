package client_test

import (
	"io"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/waybill-dev/waybill/middleware/client"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// instant answers at once.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(end{}), Request: r}, nil
}

type end struct{}

func (end) Read([]byte) (int, error) { return 0, io.EOF }

func roundTrip(tb testing.TB, calls http.RoundTripper, r *http.Request, buf []byte) {
	response, err := calls.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = response.Body.Read(buf)
	_ = response.Body.Close()
}

// unrecorded is telemetry without an SDK.
type unrecorded struct{ *telemetry }

func (unrecorded) TracerProvider() trace.TracerProvider { return noop.NewTracerProvider() }

// transports are an attempt alone, and a call with all that it does around it.
func transports(tb testing.TB, o client.Telemetry) map[string]http.RoundTripper {
	tb.Helper()
	attempt, err := httpmw.NewTransport(instant{}, httpmw.WithTelemetry(o))
	if err != nil {
		tb.Fatal(err)
	}
	calls, err := client.New(instant{}, client.WithTelemetry(o), client.WithDiscovery(list(1, 1, 1)))
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]http.RoundTripper{"attempt": attempt, "call": calls}
}

func BenchmarkCall(b *testing.B) {
	for name, transport := range transports(b, unrecorded{newTelemetry()}) {
		b.Run(name, func(b *testing.B) {
			r, buf := newRequest(b, b.Context(), http.MethodGet, "http://order/orders/42", nil), make([]byte, 1)
			b.ReportAllocs()
			for b.Loop() {
				roundTrip(b, transport, r, buf)
			}
		})
	}
}

// What a call costs beside its attempt: the contexts of both, the body, and
// what the libraries make.
func TestCallsHaveACeilingOfAllocations(t *testing.T) {
	r, buf := newRequest(t, t.Context(), http.MethodGet, "http://order/orders/42", nil), make([]byte, 1)
	allocations := map[string]float64{}
	for name, transport := range transports(t, unrecorded{newTelemetry()}) {
		allocations[name] = testing.AllocsPerRun(300, func() { roundTrip(t, transport, r, buf) })
	}
	if got := allocations["call"] - allocations["attempt"]; got > 26+forgetful {
		t.Errorf("a call allocates %v times more than its attempt", got)
	} else {
		t.Logf("a call allocates %v times more than its attempt", got)
	}
}
