package learn_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/tracegen/learn"
	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// s is a span of trace "trace": its id, its parent's, where it is in
// milliseconds.
type s struct {
	trace, id, parent uint64
	service, name     string
	from, to          int
	change            func(*tracepb.Span)
}

func id(n uint64, size int) []byte {
	if n == 0 {
		return nil
	}
	return append(make([]byte, size-8), binary.BigEndian.AppendUint64(nil, n)...)
}

func record(t *testing.T, spans ...s) *recording.Recording {
	t.Helper()
	var data tracepb.TracesData
	for _, span := range spans {
		out := &tracepb.Span{
			TraceId: id(span.trace, 16), SpanId: id(span.id, 8), ParentSpanId: id(span.parent, 8), Name: span.name, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: 1e18 + uint64(span.from)*1e6, EndTimeUnixNano: 1e18 + uint64(span.to)*1e6,
		}
		if span.change != nil {
			span.change(out)
		}
		data.ResourceSpans = append(data.ResourceSpans, &tracepb.ResourceSpans{
			Resource:   &resourcepb.Resource{Attributes: []*commonpb.KeyValue{pair("service.name", span.service), pair("region", "eu")}},
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{out}}},
		})
	}
	encoded, err := proto.Marshal(&data)
	if err != nil {
		t.Fatal(err)
	}
	r := recording.New(0)
	if err := r.Add(encoded); err != nil {
		t.Fatal(err)
	}
	return r
}

func pair(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func failed(span *tracepb.Span) {
	span.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: `it "broke"`}
	span.Attributes = append(span.Attributes, pair("error.type", "timeout"))
}

func from(t *testing.T, r *recording.Recording, o learn.Options) (*topology.Topology, learn.Result) {
	t.Helper()
	result, err := learn.From(r, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, result.YAML)
	}
	learnt, err := topology.Parse("t", result.YAML)
	if err != nil {
		t.Fatal(err)
	}
	return learnt, result
}

// What a trace shows is in the drawing: repeated calls, calls at once, what
// nobody waits for, and who fails.
func TestWhatIsLearnt(t *testing.T) {
	r := record(
		t,
		s{1, 1, 0, "front/1", "GET /", 0, 100, nil},
		s{1, 2, 1, "front/1", "query", 5, 10, nil},
		s{1, 3, 1, "front/1", "query", 11, 16, nil},
		s{1, 4, 1, "back", "front_1/list", 20, 60, failed},
		s{1, 5, 1, "back", "item", 30, 50, nil},
		s{1, 6, 1, "mail", "send", 130, 140, nil}, // 30 ms after its parent
	)
	learnt, result := from(t, r, learn.DefaultOptions())
	var drawn strings.Builder
	if err := learnt.Draw(&drawn); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"front_1: GET / (internal)", "front_1: query (internal) [2 times]", "back: front_1/list (internal) [in parallel, optional]",
		"back: item (internal) [in parallel]", "mail: send (internal) [async]",
	} {
		if !strings.Contains(drawn.String(), want) {
			t.Errorf("no %q in\n%s", want, &drawn)
		}
	}
	for _, want := range []string{
		`latency: {constant: 50ms}`, // 100 less 5, 5 and the longer of 40 and 20
		`async: true, after: {constant: 30ms}`, `errors: {failed: {rate: 1, message: "it \"broke\"", type: "timeout"}}`, `resource: {"region": "eu"}`,
	} {
		if !strings.Contains(string(result.YAML), want) {
			t.Errorf("no %s in\n%s", want, result.YAML)
		}
	}
	made := generate(t, learnt, 1, 1).Traces()[0]
	if len(made.Spans) != 6 || made.End()-made.Spans[0].GetStartTimeUnixNano() != uint64(140*time.Millisecond) {
		t.Errorf("%d spans in %v", len(made.Spans), time.Duration(made.End()-made.Spans[0].GetStartTimeUnixNano()))
	}
}

// Values are constants, or drawn from what there was.
func TestAttributesAreLearnt(t *testing.T) {
	var spans []s
	for i := range uint64(40) {
		spans = append(spans, s{i + 1, i + 1, 0, "a", "x", 0, 1, func(span *tracepb.Span) {
			span.Attributes = []*commonpb.KeyValue{
				pair("constant", `with "quotes" and {id}`), pair("user", fmt.Sprintf("user-%d", 100+i)), pair("method", []string{"GET", "PUT"}[i%2]),
				{Key: "port", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(1000 + i)}}},
				{Key: "share", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 2}}},
				{Key: "ok", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}},
				{Key: "list", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{}}}},
			}
			if i%3 == 0 {
				span.Attributes = append(span.Attributes, pair("rare", "yes"))
			}
			span.Events = []*tracepb.Span_Event{{Name: "e", TimeUnixNano: span.GetStartTimeUnixNano(), Attributes: []*commonpb.KeyValue{pair("k", "v")}}}
		}})
	}
	learnt, result := from(t, record(t, spans...), learn.DefaultOptions())
	for _, want := range []string{
		`"constant": "with \"quotes\" and {id}"`, `"user": {pattern: "user-1{id}", cardinality: 40}`, `"method": {one_of: [`,
		`"port": {int: [1000, 1039], per: span}`, `"share": 2.0`, `"ok": true`, `events: [{name: "e", after: 0, attributes: {"k": "v"}}]`,
	} {
		if !strings.Contains(string(result.YAML), want) {
			t.Errorf("no %s in\n%s", want, result.YAML)
		}
	}
	if strings.Contains(string(result.YAML), "rare") || len(result.Dropped) != 1 || result.Dropped[0] != "list" {
		t.Errorf("dropped = %q; topology:\n%s", result.Dropped, result.YAML)
	}
	if spans := generate(t, learnt, 3, 1).Traces(); len(spans) != 3 {
		t.Errorf("%d traces", len(spans))
	}
}

// Traces that are no tree are counted.
func TestWhatIsNoTree(t *testing.T) {
	good := s{9, 1, 0, "a", "x", 0, 1, nil}
	for name, bad := range map[string][]s{
		"two roots":   {{1, 1, 0, "a", "x", 0, 1, nil}, {1, 2, 0, "a", "x", 0, 1, nil}},
		"no parent":   {{1, 1, 0, "a", "x", 0, 1, nil}, {1, 2, 77, "a", "x", 0, 1, nil}},
		"no root":     {{1, 1, 2, "a", "x", 0, 1, nil}, {1, 2, 1, "a", "x", 0, 1, nil}},
		"a ring":      {{1, 1, 0, "a", "x", 0, 1, nil}, {1, 2, 3, "a", "x", 0, 1, nil}, {1, 3, 2, "a", "x", 0, 1, nil}},
		"its own":     {{1, 1, 1, "a", "x", 0, 1, nil}},
		"lost parent": {{1, 1, 5, "a", "x", 0, 1, nil}, {1, 2, 6, "a", "y", 0, 1, nil}},
	} {
		_, result := from(t, record(t, append(bad, good)...), learn.DefaultOptions())
		if result.LeftOut != 1 || result.Traces != 1 {
			t.Errorf("%s: %d left out, %d learnt", name, result.LeftOut, result.Traces)
		}
	}
	if _, err := learn.From(record(t, s{1, 1, 1, "a", "x", 0, 1, nil}), learn.DefaultOptions()); !errors.Is(err, learn.ErrNothing) {
		t.Errorf("error = %v", err)
	}
	// A trace whose root is missing has one all the same when only one span
	// lacks its parent.
	if _, result := from(t, record(t, s{1, 1, 5, "a", "", 0, 1, nil}), learn.DefaultOptions()); result.Traces != 1 {
		t.Errorf("%d learnt", result.Traces)
	}
}

// When there are too many shapes, rare ones stand for those that are left out.
func TestRareShapesStandForOthers(t *testing.T) {
	var spans []s
	trace := uint64(0)
	for i := range 20 {
		for range max(1, 10-10*i) { // one shape ten times, nineteen once
			trace++
			spans = append(spans, s{trace, trace, 0, "a", fmt.Sprintf("op %d", i), 0, 1, nil})
		}
	}
	learnt, result := from(t, record(t, spans...), learn.Options{Name: "few", Kinds: 5, Tempi: 1})
	if result.Shapes != 20 || result.Kinds != 5 || len(learnt.Traces) != 5 || result.Kept < 0.48 || result.Kept > 0.49 {
		t.Errorf("result = %+v", result)
	}
	total := 0.0
	for _, trace := range learnt.Traces {
		total += trace.Weight
	}
	if learnt.Traces[0].Weight != 10 || total < 28.99 || total > 29.01 {
		t.Errorf("weights are %v and %v together, want 10 and 29", learnt.Traces[0].Weight, total)
	}
}
