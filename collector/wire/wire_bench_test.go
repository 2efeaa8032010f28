package wire

import (
	"fmt"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// busyRequest has 500 spans of about 500 bytes, as servers make them.
func busyRequest(b *testing.B) []byte {
	spans := make([]*trace.Span, 500)
	for i := range spans {
		spans[i] = &trace.Span{
			TraceId: []byte(fmt.Sprintf("%016d", i/20+1)), SpanId: []byte(fmt.Sprintf("%08d", i+1)), ParentSpanId: []byte("parentid"),
			Name: "POST /api/v1/orders", Kind: trace.Span_SPAN_KIND_SERVER, Flags: 1,
			StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_100_000_000,
			Attributes: []*common.KeyValue{
				attribute("http.request.method", str("POST")), attribute("http.response.status_code", number(201)),
				attribute("http.route", str("/api/v1/orders")), attribute("url.path", str("/api/v1/orders")),
				attribute("url.scheme", str("http")), attribute("server.address", str("gateway.shop.example")),
				attribute("server.port", number(8080)), attribute("network.protocol.version", str("1.1")),
				attribute("network.peer.address", str("10.42.7.19")), attribute("order.id", str("ord_abcdefghijklmnopqrst")),
				attribute("user_agent.original", str("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)")),
			},
		}
	}
	return encode(b, &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: resourceOf("gateway"), ScopeSpans: []*trace.ScopeSpans{{Spans: spans}},
	}}})
}

func BenchmarkInspectSpans(b *testing.B) {
	request := busyRequest(b)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		if n, nameless, err := InspectSpans(request); n != 500 || nameless != 0 || err != nil {
			b.Fatal(n, nameless, err)
		}
	}
}

func BenchmarkWalkSpans(b *testing.B) {
	request := busyRequest(b)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		if err := WalkSpans(request, func(*Resource, *Scope, *Span) error { n++; return nil }); n != 500 || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkSpanPass(b *testing.B) {
	request := busyRequest(b)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	n := 0
	var pass SpanPass
	visitor := &visits{span: func(*Resource, *Span) error { n++; return nil }}
	for b.Loop() {
		n = 0
		if err := pass.Over(request, visitor); n != 500 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkFinder looks for several keys in each span.
func BenchmarkFinder(b *testing.B) {
	request := busyRequest(b)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	finder := NewFinder([]string{"peer.service", "db.system.name", "server.address", "messaging.system", "db.namespace", "net.peer.name"})
	n := 0
	var pass SpanPass
	visitor := &visits{span: func(_ *Resource, s *Span) error { n += finder.Find(s.Attributes); return nil }}
	for b.Loop() {
		n = 0
		if err := pass.Over(request, visitor); n != 500 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkAttributes reads all attributes of each span, as whoever counts by
// several of them does.
func BenchmarkAttributes(b *testing.B) {
	request := busyRequest(b)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := WalkSpans(request, func(_ *Resource, _ *Scope, s *Span) error {
			for key, value := range s.Attributes.All() {
				if len(key) > 0 && value.Kind() == String {
					n++
				}
			}
			return nil
		})
		if n != 4500 || err != nil {
			b.Fatal(n, err)
		}
	}
}
