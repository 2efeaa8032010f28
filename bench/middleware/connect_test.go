package middleware

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/otelconnect"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// Connect is RPC over plain HTTP: ours observes it as that, with httpmw around
// the handler and beneath the client, and otelconnect as an interceptor inside.

// connectOptions are the rival's, or none.
func connectOptions(tb testing.TB, library string, t telemetry) connect.Option {
	tb.Helper()
	if library != otel {
		return connect.WithOptions()
	}
	observe, err := otelconnect.NewInterceptor(otelconnect.WithTracerProvider(t.traces), otelconnect.WithMeterProvider(t.meters),
		otelconnect.WithPropagator(t.Propagator()), otelconnect.WithTrustRemote())
	if err != nil {
		tb.Fatal(err)
	}
	return connect.WithInterceptors(observe)
}

func connectHandler(tb testing.TB, library string, t telemetry) http.Handler {
	tb.Helper()
	mux := http.NewServeMux()
	mux.Handle(method, connect.NewUnaryHandler(method, func(_ context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
		return connect.NewResponse(r.Msg), nil
	}, connectOptions(tb, library, t)))
	if library != waybill {
		return mux
	}
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(t))
	if err != nil {
		tb.Fatal(err)
	}
	return observe(mux)
}

// call makes a request as a Connect client sends it; its body is read anew each
// time.
func connectCall(mode string) (r *http.Request, body *bytes.Reader) {
	body = bytes.NewReader([]byte{0x0a, 2, '4', '2'})
	r = httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://shop.example:8080"+method, body)
	r.Header.Set("Content-Type", "application/proto")
	r.Header.Set("Connect-Protocol-Version", "1")
	r.Header.Set("User-Agent", "bench")
	r.Header.Set("Traceparent", traceparent(mode))
	return r, body
}

// echoing answers a Connect client at once.
type echoing struct{}

func (echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/proto"}},
		Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)), Request: r,
	}, nil
}

func connectClient(tb testing.TB, library string, t telemetry) *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue] {
	tb.Helper()
	beneath := http.RoundTripper(echoing{})
	if library == waybill {
		beneath = transport(tb, library, t, beneath)
	}
	return connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](
		&http.Client{Transport: beneath}, "http://shop.example:8080"+method, connectOptions(tb, library, t))
}

func BenchmarkConnectServer(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		h, w := connectHandler(b, library, newTelemetry(mode, drop{})), sink{}
		r, body := connectCall(mode)
		measure(b, func() {
			_, _ = body.Seek(0, io.SeekStart)
			h.ServeHTTP(w, r)
		})
	})
}

func BenchmarkConnectClient(b *testing.B) {
	each(b, func(b *testing.B, mode, library string) {
		client := connectClient(b, library, newTelemetry(mode, drop{}))
		ctx := trace.ContextWithSpanContext(context.Background(), caller(mode))
		measure(b, func() { callConnect(ctx, b, client) })
	})
}

func callConnect(ctx context.Context, tb testing.TB, client *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue]) {
	tb.Helper()
	answer, err := client.CallUnary(ctx, connect.NewRequest(wrapperspb.String("42")))
	if err != nil || answer.Msg.GetValue() != "42" {
		tb.Fatal(answer, err)
	}
}
