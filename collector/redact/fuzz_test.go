package redact

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// model does to a decoded request what the manual says of rules.
type model struct{ rules []*rule }

func (m model) attributes(around []string, entries []*common.KeyValue) (left []*common.KeyValue) {
	for _, kv := range entries {
		keys := append(slices.Clone(around), kv.Key)
		if !m.entry(keys, kv) {
			left = append(left, kv)
		}
	}
	return left
}

func (m model) entry(keys []string, kv *common.KeyValue) (drop bool) {
	for _, r := range m.rules {
		if r.find != nil || !r.matches([]byte(kv.Key)) {
			continue
		}
		view := view(kv.Value)
		switch {
		case r.action == Keep || r.spares(view):
		case r.action == Drop:
			return true
		default:
			kv.Value = str(string(r.substitute(nil, []byte(view.String()), newEditor(&ruleset{hashKey: hashKey}).mac)))
		}
		return false
	}
	return kv.Value != nil && m.value(keys, kv.Value)
}

// view is how an Editor sees a value.
func view(v *common.AnyValue) (seen wire.Value) {
	if v == nil {
		return seen
	}
	raw, err := proto.Marshal(&coltrace.ExportTraceServiceRequest{ResourceSpans: spans("", attr("k", v)).ResourceSpans})
	if err != nil {
		panic(err)
	}
	_ = wire.WalkSpans(raw, func(r *wire.Resource, _ *wire.Scope, _ *wire.Span) error {
		seen, _ = r.Attributes.Get("k")
		return nil
	})
	return seen
}

func (m model) value(keys []string, v *common.AnyValue) (drop bool) {
	switch x := v.Value.(type) {
	case *common.AnyValue_StringValue:
		x.StringValue, drop = m.text(keys, x.StringValue)
	case *common.AnyValue_BytesValue:
		var text string
		text, drop = m.text(keys, string(x.BytesValue))
		x.BytesValue = []byte(text)
	case *common.AnyValue_ArrayValue:
		x.ArrayValue.Values = slices.DeleteFunc(x.ArrayValue.GetValues(), func(v *common.AnyValue) bool { return m.value(keys, v) })
	case *common.AnyValue_KvlistValue:
		x.KvlistValue.Values = m.attributes(keys, x.KvlistValue.GetValues())
	}
	return drop
}

func (m model) text(keys []string, text string) (string, bool) {
	for _, r := range m.rules {
		if r.find == nil || len(r.keys) > 0 && !slices.ContainsFunc(keys, func(key string) bool { return r.matches([]byte(key)) }) {
			continue
		}
		found := r.find(nil, []byte(text))
		if len(found) > 0 && r.action == Drop {
			return "", true
		}
		for _, s := range slices.Backward(found) {
			put := r.substitute(nil, []byte(text[s.start:s.end]), newEditor(&ruleset{hashKey: hashKey}).mac)
			text = text[:s.start] + string(put) + text[s.end:]
		}
	}
	return text, false
}

func (m model) spans(request *coltrace.ExportTraceServiceRequest) {
	name := func(text *string) { *text, _ = m.text(nil, *text) }
	for _, rs := range request.ResourceSpans {
		if rs.Resource != nil {
			rs.Resource.Attributes = m.attributes(nil, rs.Resource.Attributes)
		}
		for _, ss := range rs.ScopeSpans {
			if ss.Scope != nil {
				ss.Scope.Attributes = m.attributes(nil, ss.Scope.Attributes)
			}
			for _, span := range ss.Spans {
				name(&span.Name)
				span.Attributes = m.attributes(nil, span.Attributes)
				for _, event := range span.Events {
					name(&event.Name)
					event.Attributes = m.attributes(nil, event.Attributes)
				}
				for _, link := range span.Links {
					link.Attributes = m.attributes(nil, link.Attributes)
				}
				if span.Status != nil {
					name(&span.Status.Message)
				}
			}
		}
	}
}

func (m model) logs(request *collogs.ExportLogsServiceRequest) {
	for _, rl := range request.ResourceLogs {
		if rl.Resource != nil {
			rl.Resource.Attributes = m.attributes(nil, rl.Resource.Attributes)
		}
		for _, sl := range rl.ScopeLogs {
			if sl.Scope != nil {
				sl.Scope.Attributes = m.attributes(nil, sl.Scope.Attributes)
			}
			for _, record := range sl.LogRecords {
				record.EventName, _ = m.text(nil, record.EventName)
				record.Attributes = m.attributes(nil, record.Attributes)
				if record.Body != nil && m.value(nil, record.Body) {
					record.Body = &common.AnyValue{}
				}
			}
		}
	}
}

func fuzzConfig() Config {
	return Config{Enabled: true, Defaults: true, HashKey: hashKey, Rules: []Rule{
		{Key: "k*", Action: Keep},
		{Key: "d?", Action: Drop},
		{Key: "h*", Action: Hash},
		{Key: "q*", Pattern: `i(\d+)`, Action: Hash},
		{Pattern: `joe`, Action: Mask, KeepLast: 1},
		{Pattern: `(?i)top`, Action: Drop},
	}}
}

func seedAttributes() []*common.KeyValue {
	return []*common.KeyValue{
		attr("keep", str("4111111111111111")), attr("do", number(5)), attr("hash", list(str("x"), number(1))), attr("q", str("i5 joe i6")),
		attr("password", str("x")), attr("m", mapOf(attr("q", list(str("i7"), str("TOP"))), attr("token", truth(false)))),
		attr("t", str("Bearer abc123def456 pwd=5 http://a:b@c")), attr("none", nil),
	}
}

func FuzzRedactSpans(f *testing.F) {
	raw := encode(f, spans("joe pays with 4111 1111 1111 1111", seedAttributes()...))
	f.Add(raw)
	f.Add(append(raw, raw...))
	f.Fuzz(fuzzRedact(journal.Traces, wire.CountSpans, &coltrace.ExportTraceServiceRequest{}, func(m model, request proto.Message) {
		m.spans(request.(*coltrace.ExportTraceServiceRequest))
	}))
}

func FuzzRedactLogs(f *testing.F) {
	f.Add(encode(f, records(str("top secret"), seedAttributes()...)))
	f.Add(encode(f, records(mapOf(seedAttributes()...))))
	event := records(nil)
	event.ResourceLogs[0].ScopeLogs[0].LogRecords[0].EventName = "joe pays with 4111 1111 1111 1111"
	f.Add(encode(f, event))
	f.Fuzz(fuzzRedact(journal.Logs, wire.CountLogs, &collogs.ExportLogsServiceRequest{}, func(m model, request proto.Message) {
		m.logs(request.(*collogs.ExportLogsServiceRequest))
	}))
}

// fuzzRedact compares with the model, and sees that nothing is left to redact.
func fuzzRedact(signal journal.Signal, count func([]byte) (int, error), kind proto.Message, redact func(model, proto.Message)) func(*testing.T, []byte) {
	rules := newRuleset(fuzzConfig())
	e := newEditor(rules)
	return func(t *testing.T, raw []byte) {
		if _, err := count(raw); err != nil {
			return
		}
		defer e.forget()
		if err := e.apply(signal, raw); err != nil {
			t.Fatal(err)
		}
		out := e.edits.AppendTo(nil)
		untouched := !slices.ContainsFunc(e.counts, func(n int) bool { return n > 0 })
		if e.edits.None() && !bytes.Equal(out, raw) {
			t.Error("it differs although nothing was redacted")
		}
		want, got := kind.ProtoReflect().New().Interface(), kind.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(raw, want); err != nil {
			t.Fatal(err)
		}
		if err := proto.Unmarshal(out, got); err != nil {
			t.Fatal(err)
		}
		if untouched && !proto.Equal(want, got) {
			t.Error("it means something else although nothing was redacted")
		}
		redact(model{rules.all}, want)
		if !proto.Equal(want, got) {
			t.Error(cmp.Diff(want, got, protocmp.Transform()))
		}
	}
}
