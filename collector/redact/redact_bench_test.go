package redact

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// benchSpans is how many spans a request of the benchmark has.
const benchSpans = 500

// benchRequest has spans of about 500 bytes, with more attributes where given.
func benchRequest(b *testing.B, more ...*common.KeyValue) []byte {
	scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: "httpmw"}}
	for i := range benchSpans {
		scope.Spans = append(scope.Spans, &trace.Span{
			TraceId: make([]byte, 16), SpanId: make([]byte, 8), ParentSpanId: make([]byte, 8), Name: "POST /api/v1/orders",
			StartTimeUnixNano: 1_700_000_000_000_000_000, EndTimeUnixNano: 1_700_000_000_250_000_000,
			Attributes: append([]*common.KeyValue{
				attr("http.request.method", str("POST")), attr("http.route", str("/api/v1/orders")), attr("http.response.status_code", number(201)),
				attr("url.path", str(fmt.Sprintf("/api/v1/orders/%d", i))), attr("url.scheme", str("http")),
				attr("server.address", str("gateway.shop.svc.cluster.local")), attr("server.port", number(8080)),
				attr("network.protocol.version", str("1.1")), attr("user_agent.original", str("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")),
				attr("client.address", str("10.42.17.203")),
			}, more...),
		})
	}
	request := &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   spans("", attr("service.name", str("gateway")), attr("service.instance.id", str("1"))).ResourceSpans[0].Resource,
		ScopeSpans: []*trace.ScopeSpans{scope},
	}}}
	return encode(b, request)
}

// sink is a journal that appends nothing.
type sink struct{ journal.Journal }

func (sink) Append(context.Context, journal.Signal, uint32, []byte) (journal.Offset, error) {
	return 0, nil
}

// BenchmarkAppend tells what redaction costs a span, beside the journal.
func BenchmarkAppend(b *testing.B) {
	on := DefaultConfig()
	on.Enabled = true
	patterns := on
	patterns.Rules = []Rule{{Key: "client.address", Action: Hash}, {Pattern: `\b\d{3}-\d{2}-\d{4}\b`, Action: Mask}}
	patterns.HashKey = hashKey
	secret := attr("http.request.header.authorization", list(str("Bearer abc123def456")))
	for _, bench := range []struct {
		name string
		cfg  Config
		more []*common.KeyValue
	}{
		{"off", DefaultConfig(), nil},
		{"defaults/nothing-found", on, nil},
		{"defaults/one-of-each-span", on, []*common.KeyValue{secret}},
		{"hash-and-pattern/one-of-each-span", patterns, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			j, err := Before(&sink{}, bench.cfg, prometheus.NewRegistry())
			if err != nil {
				b.Fatal(err)
			}
			request := benchRequest(b, bench.more...)
			b.SetBytes(int64(len(request)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := j.Append(b.Context(), journal.Traces, benchSpans, request); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
		})
	}
}

// BenchmarkDecode is what it costs to decode the same request and to encode it
// again, which is what there is to compare with.
func BenchmarkDecode(b *testing.B) {
	request := benchRequest(b)
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		var decoded coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(request, &decoded); err != nil {
			b.Fatal(err)
		}
		if _, err := proto.Marshal(&decoded); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSpans, "ns/span")
}

// BenchmarkFinders compares those of the default rules with regular expressions
// for the same, in a text where there is nothing to find.
func BenchmarkFinders(b *testing.B) {
	text := []byte("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36")
	for _, bench := range []struct {
		name string
		find finder
	}{
		{"tokens", findTokens},
		{"assigned", findAssigned},
		{"userinfo", findUserinfo},
		{"cards", findCards},
		{"tokens/regexp", pattern(`(?i)\b(?:bearer|basic)\s+([\w.~+/=-]{8,})`)},
		{"cards/regexp", pattern(`\b\d(?:[ -]?\d){12,18}\b`)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var found []span
			for b.Loop() {
				found = bench.find(found[:0], text)
			}
		})
	}
}
