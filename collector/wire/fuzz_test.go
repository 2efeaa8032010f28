package wire

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The fuzz tests hold this package against the generated decoder: both accept
// the same bytes, and read the same out of them. The one difference allowed is
// our tighter limit of nesting.

// seeds adds a request, its like with fields merged and reordered, and
// truncations of it.
func seeds(f *testing.F, request proto.Message) {
	raw := encode(f, request)
	f.Add(raw)
	f.Add(append(raw, raw...))
	f.Add(raw[:len(raw)/2])
	f.Add(raw[:len(raw)-1])
	f.Add([]byte{})
	f.Add([]byte{0x0b, 0x0c, 0x0a, 0x00})
	// A resource that comes in two pieces, behind the scope.
	f.Add([]byte("\x0a\x1e\x12\x00\x0a\x0c\x0a\x0a\x0a\x01a\x12\x05\x0a\x03one\x0a\x0c\x0a\x0a\x0a\x01b\x12\x05\x0a\x03two"))
}

// sameVerdict says whether decoding goes on: both accepted.
func sameVerdict(t *testing.T, ours, theirs error) bool {
	t.Helper()
	if ours != nil && strings.Contains(ours.Error(), "nested too deeply") {
		return false
	}
	if (ours == nil) != (theirs == nil) {
		t.Fatalf("we say %v, the generated decoder says %v", ours, theirs)
	}
	return ours == nil
}

func FuzzSpans(f *testing.F) {
	seeds(f, traceRequest(spanOf(1), spanOf(2)))
	seeds(f, traceRequest(&trace.Span{SpanId: make([]byte, 8), Attributes: []*common.KeyValue{
		attribute("a", str("b")), attribute("ä", str("b")), attribute("a", str("ö")), attribute("n", number(-1)), attribute("", nil),
		attribute("a", nil), attribute(strings.Repeat("k", 70), str(strings.Repeat("v", 200))),
	}}))
	for _, odd := range oddities(encode(f, traceRequest(spanOf(1)))) {
		f.Add(odd)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want coltrace.ExportTraceServiceRequest
		count, nameless, err := InspectSpans(raw)
		theirs := proto.Unmarshal(raw, &want)
		got := spansAsText(raw)
		sameWithoutScopes(t, raw)
		if !sameVerdict(t, err, theirs) {
			return
		}
		var expected []string
		expectedNameless := 0
		for _, rs := range want.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, span := range ss.Spans {
					expected = append(expected, wantSpan(rs, ss, span))
					if !valid(span.TraceId, 16) || !valid(span.SpanId, 8) {
						expectedNameless++
					}
				}
			}
		}
		if count != len(expected) || nameless != expectedNameless {
			t.Errorf("InspectSpans = %d, %d; want %d, %d", count, nameless, len(expected), expectedNameless)
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("spans differ (-generated +ours):\n%s", diff)
		}
	})
}

// oddities are requests as no sender makes them, but may.
func oddities(plain []byte) [][]byte {
	within := func(b ...byte) []byte { return append([]byte{10, byte(len(b))}, b...) }
	return [][]byte{
		slices.Concat(plain, []byte{0x9a, 1, 2, 'h', 'i'}, plain), // An unknown field between.
		slices.Concat(plain, []byte{0x1b, 8, 1, 0x1c}, plain),     // A group.
		slices.Concat(plain, []byte{0x0c}),                        // The end of none.
		slices.Concat(plain, []byte{0x80, 0x80, 0x80, 0x80, 0x40, 1}),
		within(18, 2, 18, 0, 10, 4, 10, 2, 10, 0),                                       // A resource behind its span.
		within(10, 5, 10, 3, 10, 1, 'k', 10, 0, 18, 2, 18, 0, 10, 5, 10, 3, 10, 1, 'l'), // Two of them.
		within(18, 4, 18, 2, 7<<3|1, 0),                                                 // A time that is cut off.
		within(18, 13, 18, 11, 7<<3|0x81, 0, 1, 2, 3, 4, 5, 6, 7, 8<<3|1, 9),            // A time whose tag is longer than it needs.
		within(18, 5, 18, 3, 6<<3, 0x83, 0),                                             // A kind in more bytes than it needs.
		within(18, 6, 18, 4, 0x82, 0, 1, 1),                                             // A tag in more bytes than it needs.
		within(18, 5, 18, 3, 9<<3|2, 0x82, 0),                                           // A length in more bytes than it needs, and nothing.
		within(18, 11, 18, 9, 9<<3|2, 7, 10, 1, 'a', 18, 2, 10, 0),                      // An entry of two fields.
		within(18, 12, 18, 10, 9<<3|2, 8, 10, 1, 'a', 18, 0, 10, 1, 'b'),                // And of two keys.
	}
}

// sameWithoutScopes holds a SpanPass against WalkSpans, on bytes of any kind.
func sameWithoutScopes(t *testing.T, raw []byte) {
	t.Helper()
	type seen struct {
		resource Resource
		span     Span
	}
	var walked, passed []seen
	walk := WalkSpans(raw, func(r *Resource, _ *Scope, s *Span) error {
		walked = append(walked, seen{*r, *s})
		sameFound(t, s.Attributes)
		sameFound(t, r.Attributes)
		if id, state, err := Identity(s.Raw); id != s.TraceID || string(state) != string(s.TraceState) || err != nil {
			t.Errorf("identity %x, %q, %v; want %x, %q", id, state, err, s.TraceID, s.TraceState)
		}
		return nil
	})
	pass := new(SpanPass).Over(raw, &visits{span: func(r *Resource, s *Span) error { passed = append(passed, seen{*r, *s}); return nil }})
	if (walk == nil) != (pass == nil) || !reflect.DeepEqual(walked, passed) {
		t.Errorf("spans differ without scopes, %v and %v:\n%+v\n%+v", walk, pass, walked, passed)
	}
}

// visits are of spans with their resources.
type visits struct {
	span func(*Resource, *Span) error
	at   *Resource
}

func (v *visits) Enter(r *Resource)   { v.at = r }
func (v *visits) Visit(s *Span) error { return v.span(v.at, s) }

// sameFound holds a Finder against Get.
func sameFound(t *testing.T, a Attributes) {
	t.Helper()
	f := NewFinder([]string{"a", "missing", "", "n", "ä", "a", strings.Repeat("k", 70)})
	for range 2 { // What was found before is forgotten.
		found := 0
		f.Find(a)
		for i, key := range f.keys {
			want, there := a.Get(key)
			if there {
				found++
			}
			if got := f.Value(i); !reflect.DeepEqual(got, want) {
				t.Errorf("key %q has %+v, want %+v", key, got, want)
			}
			if text := f.Text(i); string(text) != string(want.Str()) && want.Kind() == String || want.Kind() != String && text != nil {
				t.Errorf("key %q has the text %q, want that of %+v", key, text, want)
			}
		}
		if f.found != found {
			t.Errorf("%d keys are found, want %d", f.found, found)
		}
	}
}

// valid says whether an id has that length and is not zero.
func valid(id []byte, length int) bool {
	return len(id) == length && len(bytes.TrimLeft(id, "\x00")) > 0
}

func FuzzLogs(f *testing.F) {
	seeds(f, logRequest())
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want collogs.ExportLogsServiceRequest
		count, err := CountLogs(raw)
		theirs := proto.Unmarshal(raw, &want)
		got := logsAsText(raw)
		if !sameVerdict(t, err, theirs) {
			return
		}
		var expected []string
		for _, rl := range want.ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				for _, record := range sl.LogRecords {
					expected = append(expected, wantLog(rl, record))
				}
			}
		}
		if count != len(expected) {
			t.Errorf("CountLogs = %d, want %d", count, len(expected))
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("log records differ (-generated +ours):\n%s", diff)
		}
	})
}

func FuzzPoints(f *testing.F) {
	seeds(f, metricRequest())
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want colmetrics.ExportMetricsServiceRequest
		_, err := CountPoints(raw)
		if !sameVerdict(t, err, proto.Unmarshal(raw, &want)) {
			return
		}
		// Of a metric that is sent with several kinds of data only the last
		// counts; encoded again, there is one.
		count, err := CountPoints(encode(t, &want))
		if points := wantPoints(&want); err != nil || count != points {
			t.Errorf("CountPoints = %d, %v; want %d", count, err, points)
		}
	})
}

func FuzzDropSpans(f *testing.F) {
	seeds(f, traceRequest(spanOf(1), &trace.Span{}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before, err := CountSpans(raw)
		if err != nil {
			return
		}
		rest, dropped, err := DropSpans(nil, raw, func(s *Span) bool { return !s.HasIDs() })
		if err != nil {
			t.Fatal(err)
		}
		if after, err := CountSpans(rest); err != nil || after != before-dropped {
			t.Errorf("%d spans without %d leave %d, %v", before, dropped, after, err)
		}
	})
}

func wantPoints(request *colmetrics.ExportMetricsServiceRequest) int {
	n := 0
	for _, rm := range request.ResourceMetrics {
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				n += len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints()) + len(m.GetHistogram().GetDataPoints()) +
					len(m.GetExponentialHistogram().GetDataPoints()) + len(m.GetSummary().GetDataPoints())
			}
		}
	}
	return n
}

// sameBits keeps NaNs comparable.
func sameBits(f float64) uint64 { return math.Float64bits(f) }

func wantValue(v *common.AnyValue) any {
	switch x := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return x.StringValue
	case *common.AnyValue_BoolValue:
		return x.BoolValue
	case *common.AnyValue_IntValue:
		return x.IntValue
	case *common.AnyValue_DoubleValue:
		return sameBits(x.DoubleValue)
	case *common.AnyValue_BytesValue:
		return []byte(string(x.BytesValue))
	case *common.AnyValue_ArrayValue:
		list := []any{"array"}
		for _, element := range x.ArrayValue.GetValues() {
			list = append(list, wantValue(element))
		}
		return list
	case *common.AnyValue_KvlistValue:
		return wantAttributes(x.KvlistValue.GetValues())
	}
	return nil
}

func wantAttributes(entries []*common.KeyValue) any {
	list := []any{"map"}
	for _, entry := range entries {
		list = append(list, entry.GetKey(), wantValue(entry.GetValue()))
	}
	return list
}

func gotValue(v Value) any {
	switch v.Kind() {
	case String:
		return string(v.Str())
	case Bool:
		return v.Bool()
	case Int:
		return v.Int()
	case Double:
		return sameBits(v.Double())
	case Bytes:
		return []byte(string(v.Bytes()))
	case Array:
		list := []any{"array"}
		for element := range v.Values() {
			list = append(list, gotValue(element))
		}
		return list
	case Map:
		return gotAttributes(v.Map())
	}
	return nil
}

func gotAttributes(a Attributes) any {
	list := []any{"map"}
	for key, value := range a.All() {
		list = append(list, string(key), gotValue(value))
	}
	return list
}
