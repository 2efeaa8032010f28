package wire

import (
	"bytes"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// dice is an Editor that decides by a checksum of what it is asked about, so
// that a model of it need not remember anything.
type dice struct {
	salt byte
	// change is how many of 256 are not left alone.
	change uint32
}

func (d dice) roll(kind byte, keys [][]byte, text []byte) uint32 {
	sum := crc32.ChecksumIEEE(append([]byte{d.salt, kind}, bytes.Join(append(slices.Clone(keys), text), []byte{0xff})...))
	return sum >> 24
}

func (d dice) Entry(dst, key []byte, value Value) ([]byte, Decision) {
	return d.decide(dst, d.roll(byte(value.Kind()), [][]byte{key}, []byte(value.String())), value.String())
}

func (d dice) Text(dst []byte, keys [][]byte, text []byte) ([]byte, Decision) {
	if len(keys) == 0 && len(text) == 0 {
		return dst, Look // The model cannot tell an empty name from none.
	}
	return d.decide(dst, d.roll('t', keys, text), string(text))
}

func (d dice) decide(dst []byte, roll uint32, text string) ([]byte, Decision) {
	switch {
	case roll >= d.change:
		return dst, Look
	case roll%4 == 0:
		return dst, Leave
	case roll%4 == 1:
		return dst, Remove
	}
	return append(dst, d.put(text)...), Replace
}

// put is longer or shorter than the text, so that lengths change their length.
func (d dice) put(text string) string {
	if len(text) > 100 {
		return "cut"
	}
	return strings.Repeat(strings.ToValidUTF8(text, "?")+"#", int(d.salt))
}

// The model does to decoded messages what Edits does to encoded ones.

func (d dice) attributes(keys [][]byte, list []*common.KeyValue) (left []*common.KeyValue) {
	for _, kv := range list {
		value := Value{}
		if kv.Value != nil {
			raw, err := proto.Marshal(kv.Value)
			if err != nil {
				panic(err)
			}
			value = parseValue(raw)
		}
		put, decision := d.Entry(nil, []byte(kv.Key), value)
		switch {
		case decision == Remove:
			continue
		case decision == Replace && kv.Value != nil:
			kv.Value = str(string(put))
		case decision == Look && kv.Value != nil:
			if d.value(append(slices.Clone(keys), []byte(kv.Key)), kv.Value) {
				continue
			}
		}
		left = append(left, kv)
	}
	return left
}

func (d dice) value(keys [][]byte, v *common.AnyValue) (remove bool) {
	switch x := v.Value.(type) {
	case *common.AnyValue_StringValue:
		x.StringValue, remove = d.text(keys, x.StringValue)
	case *common.AnyValue_BytesValue:
		var text string
		text, remove = d.text(keys, string(x.BytesValue))
		x.BytesValue = []byte(text)
	case *common.AnyValue_ArrayValue:
		x.ArrayValue.Values = slices.DeleteFunc(x.ArrayValue.GetValues(), func(v *common.AnyValue) bool { return d.value(keys, v) })
	case *common.AnyValue_KvlistValue:
		x.KvlistValue.Values = d.attributes(keys, x.KvlistValue.GetValues())
	}
	return remove
}

func (d dice) text(keys [][]byte, text string) (string, bool) {
	put, decision := d.Text(nil, keys, []byte(text))
	switch decision {
	case Replace:
		return string(put), false
	case Remove:
		return "", true
	}
	return text, false
}

func (d dice) name(text *string) { *text, _ = d.text(nil, *text) }

func (d dice) spans(request *coltrace.ExportTraceServiceRequest) {
	for _, rs := range request.ResourceSpans {
		if rs.Resource != nil {
			rs.Resource.Attributes = d.attributes(nil, rs.Resource.Attributes)
		}
		for _, ss := range rs.ScopeSpans {
			if ss.Scope != nil {
				ss.Scope.Attributes = d.attributes(nil, ss.Scope.Attributes)
			}
			for _, span := range ss.Spans {
				d.name(&span.Name)
				span.Attributes = d.attributes(nil, span.Attributes)
				for _, event := range span.Events {
					d.name(&event.Name)
					event.Attributes = d.attributes(nil, event.Attributes)
				}
				for _, link := range span.Links {
					link.Attributes = d.attributes(nil, link.Attributes)
				}
				if span.Status != nil {
					d.name(&span.Status.Message)
				}
			}
		}
	}
}

func (d dice) logs(request *collogs.ExportLogsServiceRequest) {
	for _, rl := range request.ResourceLogs {
		if rl.Resource != nil {
			rl.Resource.Attributes = d.attributes(nil, rl.Resource.Attributes)
		}
		for _, sl := range rl.ScopeLogs {
			if sl.Scope != nil {
				sl.Scope.Attributes = d.attributes(nil, sl.Scope.Attributes)
			}
			for _, record := range sl.LogRecords {
				d.name(&record.EventName)
				record.Attributes = d.attributes(nil, record.Attributes)
				if record.Body != nil && d.value(nil, record.Body) {
					record.Body = &common.AnyValue{}
				}
			}
		}
	}
}

func (d dice) metrics(request *colmetrics.ExportMetricsServiceRequest) {
	exemplars := func(list []*metrics.Exemplar) {
		for _, e := range list {
			e.FilteredAttributes = d.attributes(nil, e.FilteredAttributes)
		}
	}
	for _, rm := range request.ResourceMetrics {
		if rm.Resource != nil {
			rm.Resource.Attributes = d.attributes(nil, rm.Resource.Attributes)
		}
		for _, sm := range rm.ScopeMetrics {
			if sm.Scope != nil {
				sm.Scope.Attributes = d.attributes(nil, sm.Scope.Attributes)
			}
			for _, m := range sm.Metrics {
				m.Metadata = d.attributes(nil, m.Metadata)
				for _, p := range slices.Concat(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()) {
					p.Attributes = d.attributes(nil, p.Attributes)
					exemplars(p.Exemplars)
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					p.Attributes = d.attributes(nil, p.Attributes)
					exemplars(p.Exemplars)
				}
				for _, p := range m.GetExponentialHistogram().GetDataPoints() {
					p.Attributes = d.attributes(nil, p.Attributes)
					exemplars(p.Exemplars)
				}
				for _, p := range m.GetSummary().GetDataPoints() {
					p.Attributes = d.attributes(nil, p.Attributes)
				}
			}
		}
	}
}

// edited is the request as Edits leave it.
func edited(t *testing.T, e *Edits, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	out := e.AppendTo([]byte("before"))
	if len(out) != len("before")+e.Size() || !bytes.HasPrefix(out, []byte("before")) {
		t.Errorf("%d bytes, of which Size told %d", len(out)-len("before"), e.Size())
	}
	return out[len("before"):]
}

func sameMessage(t *testing.T, want proto.Message, raw []byte) {
	t.Helper()
	got := want.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(raw, got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(want, got) {
		t.Error(cmp.Diff(want, got, protocmp.Transform()))
	}
}

func FuzzEditSpans(f *testing.F) {
	f.Fuzz(fuzzEdits(f, traceRequest(spanOf(1), spanOf(2)), CountSpans, (*Edits).Spans, func(d dice, m proto.Message) {
		d.spans(m.(*coltrace.ExportTraceServiceRequest))
	}))
}

func FuzzEditLogs(f *testing.F) {
	f.Fuzz(fuzzEdits(f, logRequest(), CountLogs, (*Edits).Logs, func(d dice, m proto.Message) {
		d.logs(m.(*collogs.ExportLogsServiceRequest))
	}))
}

func FuzzEditPoints(f *testing.F) {
	f.Fuzz(fuzzEdits(f, metricRequest(), CountPoints, (*Edits).Points, func(d dice, m proto.Message) {
		d.metrics(m.(*colmetrics.ExportMetricsServiceRequest))
	}))
}

// fuzzEdits compares Edits with the model, and holds them to changing nothing
// unless they are told to.
func fuzzEdits(f *testing.F, request proto.Message, count func([]byte) (int, error),
	edit func(*Edits, []byte, Editor) error, model func(dice, proto.Message),
) func(*testing.T, []byte, byte, byte) {
	raw := encode(f, request)
	for salt := range byte(3) {
		for _, change := range []byte{0, 20, 128, 255} {
			f.Add(raw, salt, change)
			f.Add(append(raw, raw...), salt, change)
		}
	}
	for _, odd := range oddEntries() {
		// In a resource, whichever request it is of.
		f.Add(appendField(nil, 1, appendField(nil, 1, odd)), byte(1), byte(200))
	}
	var e Edits
	return func(t *testing.T, raw []byte, salt, change byte) {
		d := dice{salt: salt % 4, change: uint32(change)}
		before := slices.Clone(raw)
		items, invalid := count(raw)
		err := edit(&e, raw, d)
		if invalid != nil {
			return // It must not panic, no more.
		}
		out := edited(t, &e, err)
		if !bytes.Equal(raw, before) {
			t.Fatal("the request itself was changed")
		}
		want := request.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(raw, want); err != nil {
			t.Fatal(err)
		}
		if change == 0 && e.None() && !bytes.Equal(out, raw) {
			t.Error("it differs although nothing was changed")
		}
		model(d, want)
		sameMessage(t, want, out)
		if after, err := count(out); err != nil || after != items {
			// Of a metric with several kinds of data all count.
			t.Errorf("%d items became %d, %v", items, after, err)
		}
	}
}

// oddEntries are attributes as nobody sends them.
func oddEntries() [][]byte {
	text := func(s string) []byte { return appendField(nil, 1, []byte(s)) }
	entry := func(parts ...[]byte) []byte { return appendField(nil, 1, bytes.Join(parts, nil)) }
	key := func(s string) []byte { return appendField(nil, 1, []byte(s)) }
	value := func(raw ...[]byte) []byte { return appendField(nil, 2, bytes.Join(raw, nil)) }
	list := func(s string) []byte { return appendField(nil, 5, appendField(nil, 1, text(s))) }
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 5)
	return [][]byte{
		entry(key("twice"), value(text("dead")), value(text("alive"))),
		entry(key("dead"), key("alive"), value(text("x"))),
		entry(value(text("before its key")), key("k")),
		entry(key("k"), value(text("dead"), text("alive"))),
		entry(key("k"), value(list("merged"), list("with"))),
		entry(key("k"), value(list("merged")), value(list("with"))),
		entry(key("k"), value(text("dead"), []byte{0x10, 1})),
		entry(key("k"), value([]byte{0x21, 1, 2, 3, 4, 5, 6, 7, 8}, text("dead"), appendField(nil, 7, []byte{1}))),
		entry(unknown, key("k"), unknown, value(unknown, text("x"), unknown)),
		entry(unknown, key("k"), key("k"), value(unknown, text("x"), text("y"), unknown)),
		entry(value(text("no key"))),
		entry(key("no value")),
		entry(),
	}
}

func TestOddEntries(t *testing.T) {
	for _, odd := range oddEntries() {
		raw := appendField(nil, 1, appendField(nil, 1, odd))
		for salt := range byte(4) {
			for _, change := range []uint32{0, 100, 200, 256} {
				d := dice{salt, change}
				var e Edits
				out := edited(t, &e, e.Spans(raw, d))
				var want coltrace.ExportTraceServiceRequest
				if err := proto.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
				d.spans(&want)
				sameMessage(t, &want, out)
				if change == 0 && bytes.Contains(out, []byte("dead")) {
					t.Errorf("what does not count is still there: %q", out)
				}
			}
		}
	}
}

func TestABodyInTwoPieces(t *testing.T) {
	piece := func(s string) []byte {
		return appendField(nil, 5, appendField(nil, 5, appendField(nil, 1, appendField(nil, 1, []byte(s)))))
	}
	record := slices.Concat(piece("one"), appendField(nil, 3, []byte("WARN")), piece("two"))
	raw := appendField(nil, 1, appendField(nil, 2, appendField(nil, 2, record)))
	for change := range uint32(257) {
		d := dice{2, change}
		var e Edits
		out := edited(t, &e, e.Logs(raw, d))
		var want collogs.ExportLogsServiceRequest
		if err := proto.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		d.logs(&want)
		sameMessage(t, &want, out)
	}
}

// still is an Editor that changes nothing.
type still struct{}

func (still) Entry(dst, _ []byte, _ Value) ([]byte, Decision)          { return dst, Look }
func (still) Text(dst []byte, _ [][]byte, _ []byte) ([]byte, Decision) { return dst, Look }

func TestEditsChangeNothingUnlessTold(t *testing.T) {
	raw := encode(t, traceRequest(spanOf(1), spanOf(2)))
	var e Edits
	if out := edited(t, &e, e.Spans(raw, dice{})); !e.None() || !bytes.Equal(out, raw) {
		t.Error("it differs")
	}
	if allocs := testing.AllocsPerRun(20, func() { _ = e.Spans(raw, still{}) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestEditsOfWhatIsMalformed(t *testing.T) {
	raw := encode(t, traceRequest(spanOf(1)))
	var e Edits
	for n := range len(raw) {
		if _, invalid := CountSpans(raw[:n]); invalid != nil && e.Spans(raw[:n], dice{1, 128}) == nil && !e.None() {
			out := e.AppendTo(nil)
			if len(out) != e.Size() {
				t.Errorf("%d bytes: Size tells %d of %d", n, e.Size(), len(out))
			}
		}
	}
	deep := str("x")
	for range maxDepth {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	span := spanOf(1)
	span.Attributes = []*common.KeyValue{attribute("deep", deep)}
	if err := e.Spans(encode(t, traceRequest(span)), dice{}); err == nil {
		t.Error("it went as deep as it was sent")
	}
}
