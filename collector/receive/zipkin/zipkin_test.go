package zipkin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openzipkin/zipkin-go/model"
	"github.com/openzipkin/zipkin-go/proto/zipkin_proto3"
	"github.com/openzipkin/zipkin-go/reporter"
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

// shopSpans are a server's span that failed, and a client's below it.
func shopSpans() []*model.SpanModel {
	id := model.TraceID{High: 0x0102030405060708, Low: 0x1112131415161718}
	began := time.UnixMicro(1_790_000_000_000_000)
	parent := model.ID(1)
	here := &model.Endpoint{ServiceName: "shop", IPv4: net.IPv4(10, 0, 0, 1).To4(), Port: 8080}
	return []*model.SpanModel{
		{
			SpanContext: model.SpanContext{TraceID: id, ID: 1}, Name: "get /orders", Kind: model.Server, Timestamp: began, Duration: 31 * time.Millisecond,
			LocalEndpoint: here, Tags: map[string]string{"error": "no stock"},
			Annotations: []model.Annotation{{Timestamp: began.Add(10 * time.Millisecond), Value: "retry"}},
		},
		{
			SpanContext: model.SpanContext{TraceID: id, ID: 2, ParentID: &parent}, Name: "query", Kind: model.Client,
			Timestamp: began.Add(5 * time.Millisecond), Duration: time.Millisecond,
			LocalEndpoint: here, RemoteEndpoint: &model.Endpoint{ServiceName: "stock"},
		},
	}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func wantShop() *coltrace.ExportTraceServiceRequest {
	id := []byte{1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18}
	const began = 1_790_000_000_000_000_000
	ip := text("network.local.address", "10.0.0.1")
	port := &common.KeyValue{Key: "net.host.port", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: 8080}}}
	return &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "shop")}},
		ScopeSpans: []*trace.ScopeSpans{{Scope: &common.InstrumentationScope{}, Spans: []*trace.Span{
			{
				TraceId: id, SpanId: []byte{7: 1}, Name: "get /orders", Kind: trace.Span_SPAN_KIND_SERVER,
				StartTimeUnixNano: began, EndTimeUnixNano: began + 31e6,
				Attributes: []*common.KeyValue{text("error", "no stock"), ip, port},
				Events:     []*trace.Span_Event{{Name: "retry", TimeUnixNano: began + 10e6}},
				Status:     &trace.Status{Code: trace.Status_STATUS_CODE_ERROR},
			},
			{
				TraceId: id, SpanId: []byte{7: 2}, ParentSpanId: []byte{7: 1}, Name: "query", Kind: trace.Span_SPAN_KIND_CLIENT,
				StartTimeUnixNano: began + 5e6, EndTimeUnixNano: began + 6e6,
				Attributes: []*common.KeyValue{ip, port, text("service.peer.name", "stock")},
				Status:     &trace.Status{},
			},
		}}},
	}}}
}

// sender writes spans in one of the ways that clients do.
type sender struct {
	serializer reporter.SpanSerializer
	translate  func(payload []byte, admit func(int64) error) ([]byte, error)
}

func (s sender) encode(t testing.TB, spans []*model.SpanModel) []byte {
	t.Helper()
	payload, err := s.serializer.Serialize(spans)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func senders() map[string]sender {
	return map[string]sender{
		"json":     {reporter.JSONSerializer{}, FromJSON},
		"protobuf": {zipkin_proto3.SpanSerializer{}, FromProtobuf},
	}
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

func TestSpansBecomeOTLP(t *testing.T) {
	inAnyOrder := []cmp.Option{
		protocmp.Transform(),
		protocmp.SortRepeated(func(a, b *common.KeyValue) bool { return a.Key < b.Key }),
		protocmp.SortRepeated(func(a, b *trace.Span) bool { return bytes.Compare(a.SpanId, b.SpanId) < 0 }),
	}
	for name, s := range senders() {
		payload := s.encode(t, shopSpans())
		before := bytes.Clone(payload)
		otlp, err := s.translate(payload, unlimited)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(wantShop(), decode(t, otlp), inAnyOrder...); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if !bytes.Equal(payload, before) {
			t.Errorf("%s: the payload was changed", name)
		}
	}
}

// TestAnnotationsWithBars: the translator would refuse the request.
func TestAnnotationsWithBars(t *testing.T) {
	tests := map[string]*trace.Span_Event{
		"plain":               {Name: "plain"},
		"one|bar":             {Name: "one"},
		"cache|miss|users":    {Name: "cache", Attributes: []*common.KeyValue{text("zipkin.annotation", "cache|miss|users")}},
		"||":                  {Attributes: []*common.KeyValue{text("zipkin.annotation", "||")}},
		`sql|{"a":1}|rows`:    {Name: "sql", Attributes: []*common.KeyValue{text("zipkin.annotation", `sql|{"a":1}|rows`)}},
		`sent|{"to":"a|b"}|2`: {Name: "sent", Attributes: []*common.KeyValue{text("to", "a|b")}, DroppedAttributesCount: 2},
	}
	for name, s := range senders() {
		for value, want := range tests {
			spans := shopSpans()[:1]
			spans[0].Annotations[0].Value = value
			otlp, err := s.translate(s.encode(t, spans), unlimited)
			if err != nil {
				t.Errorf("%s, %q: %v", name, value, err)
				continue
			}
			got := decode(t, otlp).ResourceSpans[0].ScopeSpans[0].Spans[0].Events[0]
			want.TimeUnixNano = got.TimeUnixNano
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s, %q: %s", name, value, diff)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, payload := range []string{
		"", "null x", "{}", `[{"id":"1"`, `[{"traceId":"xyz","id":"1"}]`, `[{"traceId":"1"}]`, `["span"]`, `[[]]`, "\x0a\x00",
	} {
		if _, err := FromJSON([]byte(payload), unlimited); err == nil {
			t.Errorf("JSON %q: no error", payload)
		}
	}
	for _, payload := range []string{"\x0a\x00", "\x0a\x05", "\x0a\x03\x0a\x01a", "[]", "\x0a\x14\x0a\x10aaaaaaaaaaaaaaaa\x2a\x01\xff"} {
		if _, err := FromProtobuf([]byte(payload), unlimited); err == nil {
			t.Errorf("protobuf %q: no error", payload)
		}
	}
	for _, payload := range []string{"[]", "[null]", "null"} {
		otlp, err := FromJSON([]byte(payload), unlimited)
		if n, _ := wire.CountSpans(otlp); err != nil || n != 0 {
			t.Errorf("JSON %q: %d spans, %v", payload, n, err)
		}
	}
}

func TestNothingIsDecodedThatIsNotAdmitted(t *testing.T) {
	full := errors.New("no room")
	for name, s := range senders() {
		if _, err := s.translate(s.encode(t, shopSpans()), func(int64) error { return full }); !errors.Is(err, full) {
			t.Errorf("%s: error %v, want the refusal", name, err)
		}
	}
}

// ledger adds up what was admitted.
type ledger struct{ admitted int64 }

func (l *ledger) admit(n int64) error {
	l.admitted += n
	return nil
}

// allocated is how many bytes f allocates, garbage included.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestManySmallThings: what is as small as it can be takes no more than was
// admitted.
func TestManySmallThings(t *testing.T) {
	repeat := func(n int, element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }
	span := func(rest string) string { return `[{"traceId":"1","id":"1",` + rest + `}]` }
	tests := map[string]string{
		"spans":       "[" + repeat(5_000, `{"traceId":"1","id":"1"}`) + "]",
		"nulls":       "[" + repeat(50_000, "null") + "]",
		"annotations": span(`"annotations":[` + repeat(5_000, `{"timestamp":1,"value":""}`) + "]"),
		"objects":     span(`"annotations":[{"value":"a|{` + repeat(3_000, `\"\":{}`) + `}|0"}]`),
		"lists":       span(`"annotations":[{"value":"a|{\"\":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}|0"}]`),
		"unknown":     span(`"unknown":` + strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000)),
	}
	var tags []string
	for i := range 4_000 {
		tags = append(tags, fmt.Sprintf(`"%d":""`, i))
	}
	tests["tags"] = span(`"tags":{` + strings.Join(tags, ",") + "}")
	for name, payload := range tests {
		if !json.Valid([]byte(payload)) {
			t.Fatalf("%s: the test's JSON is malformed", name)
		}
		var l ledger
		var err error
		grown := allocated(func() { _, err = FromJSON([]byte(payload), l.admit) })
		if grown > l.admitted {
			t.Errorf("%s: allocated %d bytes for %d, of which %d were admitted (%v)", name, grown, len(payload), l.admitted, err)
		}
	}
	spans := make([]*model.SpanModel, 5_000)
	for i := range spans {
		spans[i] = &model.SpanModel{SpanContext: model.SpanContext{TraceID: model.TraceID{Low: 1}, ID: 1}}
	}
	payload := senders()["protobuf"].encode(t, spans)
	var l ledger
	grown := allocated(func() { _, _ = FromProtobuf(payload, l.admit) })
	if grown > l.admitted {
		t.Errorf("protobuf: allocated %d bytes for %d, of which %d were admitted", grown, len(payload), l.admitted)
	}
}

// TestTooManyTags: a span of some hundred kilobytes must not take minutes.
func TestTooManyTags(t *testing.T) {
	tags, text := map[string]string{}, strings.Repeat(`,`, 20_000)
	for i := range 20_000 {
		tags[strconv.Itoa(i)] = ""
	}
	for name, s := range senders() {
		for _, change := range []func(s *model.SpanModel){
			func(s *model.SpanModel) { s.Tags = tags },
			func(s *model.SpanModel) { s.Tags["otlp.link.0"] = text },
			func(s *model.SpanModel) { s.Annotations[0].Value = "a|" + text + "|0" },
		} {
			spans := shopSpans()
			change(spans[0])
			if _, err := s.translate(s.encode(t, spans), unlimited); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add(senders()["json"].encode(f, shopSpans()))
	f.Add([]byte(`[{"traceId":"1","id":"1","annotations":[{"value":"a|{\"b\":1.5}|3"}],"tags":{"otlp.link.0":"01|02|a=b|{}|0"}},null]`))
	f.Fuzz(func(t *testing.T, payload []byte) { checkTranslation(t, payload, FromJSON) })
}

func FuzzProtobuf(f *testing.F) {
	f.Add(senders()["protobuf"].encode(f, shopSpans()))
	f.Fuzz(func(t *testing.T, payload []byte) { checkTranslation(t, payload, FromProtobuf) })
}

// checkTranslation: nothing panics, the payload stays as it is, and what comes
// out is what the receiver takes.
func checkTranslation(t *testing.T, payload []byte, translate func([]byte, func(int64) error) ([]byte, error)) {
	t.Helper()
	before := bytes.Clone(payload)
	otlp, err := translate(payload, unlimited)
	if !bytes.Equal(payload, before) {
		t.Fatal("the payload was changed")
	}
	if err == nil {
		if _, err := wire.CountSpans(otlp); err != nil {
			t.Fatalf("what came out is refused: %v", err)
		}
	}
}
