package sample

import (
	"encoding/binary"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// idOf is the id of trace n, with randomness that is spread evenly.
func idOf(n int) (id wire.TraceID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	binary.BigEndian.PutUint64(id[8:], uint64(n)*0x9e3779b97f4a7c15)
	return id
}

type option func(*tracepb.Span)

func failed(s *tracepb.Span) { s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR} }

func child(s *tracepb.Span) { s.ParentSpanId = []byte("parent!!") }

func took(d time.Duration) option {
	return func(s *tracepb.Span) { s.EndTimeUnixNano = s.StartTimeUnixNano + uint64(d) }
}

func with(key, value string) option {
	return func(s *tracepb.Span) { s.Attributes = append(s.Attributes, text(key, value)) }
}

func state(text string) option { return func(s *tracepb.Span) { s.TraceState = text } }

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// spanOf is span k of trace n.
func spanOf(n, k int, options ...option) *tracepb.Span {
	id := idOf(n)
	s := &tracepb.Span{
		TraceId: id[:], SpanId: binary.BigEndian.AppendUint64(nil, uint64(n)<<20|uint64(k+1)), Name: "op",
		StartTimeUnixNano: 1e18, EndTimeUnixNano: 1e18 + 1e6,
	}
	for _, o := range options {
		o(s)
	}
	return s
}

// request has spans of one service.
func request(t testing.TB, service string, spans ...*tracepb.Span) []byte {
	t.Helper()
	data, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", service)}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "test"}, Spans: spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// began is when the tests' records begin.
func began() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

// tape feeds an engine with records.
type tape struct {
	t      testing.TB
	engine *engine
	offset journal.Offset
	now    time.Time
}

func (tp *tape) play(after time.Duration, service string, spans ...*tracepb.Span) {
	tp.t.Helper()
	tp.now = tp.now.Add(after)
	payload := request(tp.t, service, spans...)
	r := journal.Record{Offset: tp.offset, Next: tp.offset + journal.Offset(len(payload)), Time: tp.now, Signal: journal.Traces, Payload: payload}
	tp.offset = r.Next
	if err := tp.engine.take(&r); err != nil {
		tp.t.Fatal(err)
	}
}

// tailOf has short waits and policies.
func tailOf(policies ...Policy) Config {
	cfg := DefaultConfig()
	cfg.Tail.Policies = policies
	return cfg
}

func newTape(t testing.TB, cfg Config) (*tape, *pending) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	m := newMeters(cfg.Tail.Policies)
	p := newPending(m)
	p.engine = newEngine(cfg, newBench(cfg.Tail.Policies), p, m.evicted.Inc)
	return &tape{t: t, engine: p.engine, now: began()}, p
}
