package jaeger

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/google/go-cmp/cmp"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/collector/wire"
)

// unlimited admits everything.
func unlimited(int64) error { return nil }

func stringTag(key, value string) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &value}
}

func boolTag(key string, value bool) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_BOOL, VBool: &value}
}

func longTag(key string, value int64) *jaeger.Tag {
	return &jaeger.Tag{Key: key, VType: jaeger.TagType_LONG, VLong: &value}
}

// shopBatch has a server's span that failed, and a client's below it.
func shopBatch() *jaeger.Batch {
	const high, low = 0x0102030405060708, 0x1112131415161718
	return &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: "shop", Tags: []*jaeger.Tag{stringTag("hostname", "box"), stringTag("version", "1.2")}},
		Spans: []*jaeger.Span{
			{
				TraceIdHigh: high, TraceIdLow: low, SpanId: 1, OperationName: "GET /orders", Flags: 1,
				StartTime: 1_790_000_000_000_000, Duration: 31_000,
				Tags: []*jaeger.Tag{stringTag("span.kind", "server"), boolTag("error", true), longTag("http.status_code", 500)},
				Logs: []*jaeger.Log{{Timestamp: 1_790_000_000_010_000, Fields: []*jaeger.Tag{stringTag("event", "retry"), longTag("attempt", 2)}}},
			},
			{
				TraceIdHigh: high, TraceIdLow: low, SpanId: 2, ParentSpanId: 1, OperationName: "query", Flags: 1,
				StartTime: 1_790_000_000_005_000, Duration: 1_000,
				Tags:       []*jaeger.Tag{stringTag("span.kind", "client"), {Key: "ratio", VType: jaeger.TagType_DOUBLE, VDouble: new(0.5)}},
				References: []*jaeger.SpanRef{{RefType: jaeger.SpanRefType_FOLLOWS_FROM, TraceIdHigh: 7, TraceIdLow: 8, SpanId: 9}},
			},
		},
	}
}

// wantShop is shopBatch as OTLP.
func wantShop() *coltrace.ExportTraceServiceRequest {
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18}
	const began = 1_790_000_000_000_000_000
	integer := func(key string, value int64) *common.KeyValue {
		return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}}
	}
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{
			text("service.name", "shop"), text("host.name", "box"), text("version", "1.2"),
		}},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{}, Spans: []*trace.Span{
			{
				TraceId: id, SpanId: []byte{0, 0, 0, 0, 0, 0, 0, 1}, Name: "GET /orders", Kind: trace.Span_SPAN_KIND_SERVER, Flags: 1,
				StartTimeUnixNano: began, EndTimeUnixNano: began + 31e6,
				Attributes: []*common.KeyValue{integer("http.status_code", 500)},
				Events: []*trace.Span_Event{{
					Name: "retry", TimeUnixNano: began + 10e6, Attributes: []*common.KeyValue{integer("attempt", 2)},
				}},
				Status: &trace.Status{Code: trace.Status_STATUS_CODE_ERROR},
			},
			{
				TraceId: id, SpanId: []byte{0, 0, 0, 0, 0, 0, 0, 2}, ParentSpanId: []byte{0, 0, 0, 0, 0, 0, 0, 1},
				Name: "query", Kind: trace.Span_SPAN_KIND_CLIENT, Flags: 1,
				StartTimeUnixNano: began + 5e6, EndTimeUnixNano: began + 6e6,
				Attributes: []*common.KeyValue{
					{Key: "ratio", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 0.5}}},
				},
				Links: []*trace.Span_Link{{
					TraceId: []byte{7: 7, 15: 8}, SpanId: []byte{7: 9}, Attributes: []*common.KeyValue{text("opentracing.ref_type", "follows_from")},
				}},
				Status: &trace.Status{},
			},
		}}},
	}}}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// sender writes a batch in one of the ways that clients do.
type sender struct {
	encode    func(t testing.TB, batch *jaeger.Batch) []byte
	translate func(payload []byte, admit func(int64) error) ([]byte, error)
}

func senders() map[string]sender {
	return map[string]sender{
		"compact message": {func(t testing.TB, b *jaeger.Batch) []byte { return message(t, compactWriter, b) }, FromCompactMessage},
		"binary message":  {func(t testing.TB, b *jaeger.Batch) []byte { return message(t, binaryWriter, b) }, FromBinaryMessage},
		"binary batch":    {encodeBatch, FromBinaryBatch},
	}
}

func compactWriter(t thrift.TTransport) thrift.TProtocol {
	return thrift.NewTCompactProtocolConf(t, nil)
}

func binaryWriter(t thrift.TTransport) thrift.TProtocol {
	return thrift.NewTBinaryProtocolConf(t, nil)
}

// message is a call of Agent.emitBatch, by the generated client.
func message(t testing.TB, open func(thrift.TTransport) thrift.TProtocol, batch *jaeger.Batch) []byte {
	t.Helper()
	sent := thrift.NewTMemoryBuffer()
	p := open(sent)
	if err := agent.NewAgentClientProtocol(sent, p, p).EmitBatch(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return sent.Bytes()
}

func encodeBatch(t testing.TB, batch *jaeger.Batch) []byte {
	t.Helper()
	sent := thrift.NewTMemoryBuffer()
	if err := batch.Write(t.Context(), binaryWriter(sent)); err != nil {
		t.Fatal(err)
	}
	return sent.Bytes()
}

// decode checks what came out as the receiver will, and reads it.
func decode(t testing.TB, otlp []byte) *coltrace.ExportTraceServiceRequest {
	t.Helper()
	if _, err := wire.CountSpans(otlp); err != nil {
		t.Fatalf("the receiver would refuse it: %v", err)
	}
	var request coltrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(otlp, &request); err != nil {
		t.Fatal(err)
	}
	return &request
}

func TestThriftBecomesOTLP(t *testing.T) {
	for name, s := range senders() {
		t.Run(name, func(t *testing.T) {
			payload := s.encode(t, shopBatch())
			before := bytes.Clone(payload)
			otlp, err := s.translate(payload, unlimited)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantShop(), decode(t, otlp), protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
			if !bytes.Equal(payload, before) {
				t.Error("the payload was changed")
			}
		})
	}
}

func TestPostSpansBecomesOTLP(t *testing.T) {
	id := model.NewTraceID(0x0102030405060708, 0x1112131415161718)
	began := model.EpochMicrosecondsAsTime(1_790_000_000_000_000)
	batch := model.Batch{
		Process: model.NewProcess("shop", []model.KeyValue{model.String("hostname", "box"), model.String("version", "1.2")}),
		Spans: []*model.Span{
			{
				TraceID: id, SpanID: 1, OperationName: "GET /orders", Flags: 1, StartTime: began, Duration: 31e6,
				Tags: []model.KeyValue{model.String("span.kind", "server"), model.Bool("error", true), model.Int64("http.status_code", 500)},
				Logs: []model.Log{{Timestamp: began.Add(10e6), Fields: []model.KeyValue{model.String("event", "retry"), model.Int64("attempt", 2)}}},
			},
			{
				TraceID: id, SpanID: 2, OperationName: "query", Flags: 1, StartTime: began.Add(5e6), Duration: 1e6,
				Tags: []model.KeyValue{model.String("span.kind", "client"), model.Float64("ratio", 0.5)},
				References: []model.SpanRef{
					model.NewChildOfRef(id, 1), model.NewFollowsFromRef(model.NewTraceID(7, 8), 9),
				},
			},
		},
	}
	payload, err := (&api_v2.PostSpansRequest{Batch: batch}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	otlp, err := FromPostSpans(payload, unlimited)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantShop(), decode(t, otlp), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}

	// A second batch in the request is one with the first.
	other, err := (&api_v2.PostSpansRequest{Batch: model.Batch{Spans: []*model.Span{{TraceID: id, SpanID: 3}}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	otlp, err = FromPostSpans(append(payload, other...), unlimited)
	if err != nil {
		t.Fatal(err)
	}
	if spans := decode(t, otlp).ResourceSpans[0].ScopeSpans[0].Spans; len(spans) != 3 {
		t.Errorf("%d spans of two batches, want 3", len(spans))
	}
}

func TestBrokenTextIsMended(t *testing.T) {
	const broken, mended = "caf\xe9", "caf\uFFFD"
	batch := shopBatch()
	batch.Process.ServiceName = broken
	span := batch.Spans[0]
	span.OperationName = broken
	span.Tags = append(span.Tags, stringTag(broken, broken), stringTag("otel.status_description", broken))
	span.Logs[0].Fields = []*jaeger.Tag{stringTag("event", broken), stringTag("message", broken)}
	for name, s := range senders() {
		otlp, err := s.translate(s.encode(t, batch), unlimited)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := decode(t, otlp).ResourceSpans[0]
		stored := got.ScopeSpans[0].Spans[0]
		for what, text := range map[string]string{
			"service": got.Resource.Attributes[0].Value.GetStringValue(),
			"name":    stored.Name,
			"key":     stored.Attributes[1].Key,
			"value":   stored.Attributes[1].Value.GetStringValue(),
			"status":  stored.Status.Message,
			"event":   stored.Events[0].Name,
			"field":   stored.Events[0].Attributes[0].Value.GetStringValue(),
		} {
			if text != mended {
				t.Errorf("%s: the %s is %q, want %q", name, what, text, mended)
			}
		}
	}
}

func TestOddBatches(t *testing.T) {
	extreme := shopBatch()
	extreme.Spans[0].StartTime, extreme.Spans[0].Duration = math.MaxInt64, math.MaxInt64
	extreme.Spans[1].StartTime, extreme.Spans[1].Duration = math.MinInt64, math.MinInt64
	unknown := shopBatch()
	unknown.Spans[0].Tags[0].VType = 77
	valueless := shopBatch()
	valueless.Spans[0].Tags = []*jaeger.Tag{{Key: "nothing", VType: jaeger.TagType_STRING}}
	none := shopBatch()
	none.Spans = nil
	for name, batch := range map[string]*jaeger.Batch{
		"times at the end of the world": extreme, "a tag of no known type": unknown, "a tag without a value": valueless, "no spans": none,
	} {
		for sender, s := range senders() {
			otlp, err := s.translate(s.encode(t, batch), unlimited)
			if err != nil {
				t.Errorf("%s, %s: %v", name, sender, err)
				continue
			}
			want := len(batch.Spans)
			if got, err := wire.CountSpans(otlp); err != nil || got != want {
				t.Errorf("%s, %s: %d spans, %v; want %d", name, sender, got, err, want)
			}
		}
	}
}

func TestNothingIsDecodedThatIsNotAdmitted(t *testing.T) {
	full := errors.New("no room")
	for name, s := range senders() {
		payload := s.encode(t, shopBatch())
		for allowed := range 2 {
			asked := 0
			_, err := s.translate(payload, func(bytes int64) error {
				if bytes < int64(len(payload)) {
					t.Errorf("%s: asks for %d bytes to decode %d", name, bytes, len(payload))
				}
				if asked++; asked > allowed {
					return full
				}
				return nil
			})
			if !errors.Is(err, full) || asked != allowed+1 {
				t.Errorf("%s: error %v after asking %d times, want the refusal after %d", name, err, asked, allowed+1)
			}
		}
	}
	if _, err := FromPostSpans(nil, func(int64) error { return full }); !errors.Is(err, full) {
		t.Errorf("PostSpans: error %v, want the refusal", err)
	}
}
