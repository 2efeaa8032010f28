package wire

import (
	"bytes"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestEachByteCounts changes one byte of a request after the other, in ways that
// break lengths, tags and texts, and has the generated decoder say what is to
// become of it. Attributes that are checked by the row are among them, with
// numbers, other texts than ASCII and other values between.
func TestEachByteCounts(t *testing.T) {
	list := &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{
		Values: []*common.KeyValue{attribute("in", str("side")), attribute("n", number(300))},
	}}}
	span := &trace.Span{
		Name: "GET /", TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{0xcd}, 8), Kind: 2,
		StartTimeUnixNano: 1, EndTimeUnixNano: 1 << 63, Flags: 1,
		Attributes: []*common.KeyValue{
			attribute("http.request.method", str("GET")), attribute("", str("")), attribute("status", number(201)), attribute("down", number(-1)),
			attribute("a long one", str("that has more than 32 bytes of ASCII in its text")), attribute("ö", str("ü")), attribute("n", number(0)),
			attribute("after", str("it")), attribute("list", list), attribute("empty", nil), attribute("last", str("one")),
		},
		Events: []*trace.Span_Event{{Name: "x", Attributes: []*common.KeyValue{attribute("k", str("v")), attribute("k2", number(1<<40))}}},
	}
	raw := encode(t, traceRequest(span))
	if _, err := CountSpans(raw); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range raw {
		for _, change := range []byte{0x80, 0x01, 0x02, 0x08, 0xff} {
			changed := bytes.Clone(raw)
			changed[i] ^= change
			_, ours := CountSpans(changed)
			theirs := proto.Unmarshal(changed, &coltrace.ExportTraceServiceRequest{})
			if (ours == nil) != (theirs == nil) {
				t.Errorf("byte %d ^ %#x: we say %v, the generated decoder says %v", i, change, ours, theirs)
			}
			if ours != nil {
				refused++
			}
		}
	}
	if refused < len(raw) {
		t.Errorf("only %d changes to %d bytes are refused", refused, len(raw))
	}
}
