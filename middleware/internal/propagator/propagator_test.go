package propagator_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	parent  = "00-" + traceID + "-" + spanID + "-01"
)

func header(pairs ...string) propagation.HeaderCarrier {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return propagation.HeaderCarrier(h)
}

func TestTraceContext(t *testing.T) {
	for name, test := range map[string]struct {
		carrier propagation.TextMapCarrier
		valid   bool
		state   string
	}{
		"once":                    {header("traceparent", parent, "tracestate", "a=1"), true, "a=1"},
		"twice":                   {header("traceparent", parent, "traceparent", parent), false, ""},
		"state in parts":          {header("traceparent", parent, "tracestate", "a=1", "tracestate", "b=2,c=3"), true, "a=1,b=2,c=3"},
		"carrier of single lines": {propagation.MapCarrier{"traceparent": parent, "tracestate": "a=1"}, true, "a=1"},
		"nothing":                 {header(), false, ""},
	} {
		sc := trace.SpanContextFromContext(propagator.TraceContext{}.Extract(t.Context(), test.carrier))
		if sc.IsValid() != test.valid || sc.TraceState().String() != test.state {
			t.Errorf("%s: valid %v, state %q; want %v, %q", name, sc.IsValid(), sc.TraceState(), test.valid, test.state)
		}
	}
}

func TestJaegerExtract(t *testing.T) {
	for name, test := range map[string]struct {
		header         string
		traceID        string
		spanID         string
		sampled, valid bool
	}{
		"sampled":       {traceID + ":" + spanID + ":0:1", traceID, spanID, true, true},
		"unsampled":     {traceID + ":" + spanID + ":0:0", traceID, spanID, false, true},
		"debug":         {traceID + ":" + spanID + ":0:2", traceID, spanID, true, true},
		"sampled, hex":  {traceID + ":" + spanID + ":0:0b", traceID, spanID, true, true},
		"encoded":       {traceID + "%3A" + spanID + "%3A0%3A1", traceID, spanID, true, true},
		"64 bits":       {"8448eb211c80319c:" + spanID + ":0:1", "00000000000000008448eb211c80319c", spanID, true, true},
		"without zeros": {"1c:a1:0:1", "0000000000000000000000000000001c", "00000000000000a1", true, true},
		"upper case":    {"1C:A1:0:1", "0000000000000000000000000000001c", "00000000000000a1", true, true},
		"zero":          {"0:0:0:1", "", "", false, false},
		"three parts":   {traceID + ":" + spanID + ":1", "", "", false, false},
		"too long":      {"0" + traceID + ":" + spanID + ":0:1", "", "", false, false},
		"no hex":        {"xyz:" + spanID + ":0:1", "", "", false, false},
		"bad flags":     {traceID + ":" + spanID + ":0:100", "", "", false, false},
		"empty":         {"", "", "", false, false},
	} {
		sc := trace.SpanContextFromContext(propagator.Jaeger{}.Extract(t.Context(), header("uber-trace-id", test.header)))
		if sc.IsValid() != test.valid {
			t.Errorf("%s: valid = %v", name, sc.IsValid())
			continue
		}
		if test.valid && (sc.TraceID().String() != test.traceID || sc.SpanID().String() != test.spanID || sc.IsSampled() != test.sampled || !sc.IsRemote()) {
			t.Errorf("%s: %v %v, sampled %v, remote %v", name, sc.TraceID(), sc.SpanID(), sc.IsSampled(), sc.IsRemote())
		}
	}
	twice := header("uber-trace-id", traceID+":"+spanID+":0:1", "uber-trace-id", traceID+":"+spanID+":0:1")
	if sc := trace.SpanContextFromContext(propagator.Jaeger{}.Extract(t.Context(), twice)); sc.IsValid() {
		t.Error("of two ids one is taken")
	}
}

func members(ctx context.Context) map[string]string {
	m := map[string]string{}
	for _, member := range baggage.FromContext(ctx).Members() {
		m[member.Key()] = member.Value()
	}
	return m
}

func TestJaegerBaggage(t *testing.T) {
	ctx := propagation.Baggage{}.Extract(t.Context(), header("baggage", "user=w3c"))
	ctx = propagator.Jaeger{}.Extract(ctx, header(
		"uberctx-Tenant", "a%20b", "uberctx-user", "jaeger", "jaeger-baggage", "k1=v1, k2=v2, nonsense"))
	if diff := cmp.Diff(map[string]string{"user": "w3c", "tenant": "a b", "k1": "v1", "k2": "v2"}, members(ctx)); diff != "" {
		t.Errorf("baggage (-want +got):\n%s", diff)
	}
	carrier := header()
	propagator.Jaeger{}.Inject(ctx, carrier)
	if got := members(propagator.Jaeger{}.Extract(t.Context(), carrier)); got["tenant"] != "a b" || len(got) != 4 {
		t.Errorf("there and back: %v", got)
	}
}

func TestJaegerThereAndBack(t *testing.T) {
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		id, _ := trace.TraceIDFromHex(traceID)
		span, _ := trace.SpanIDFromHex(spanID)
		want := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: flags, Remote: true})
		carrier := header()
		propagator.Jaeger{}.Inject(trace.ContextWithSpanContext(t.Context(), want), carrier)
		if got := trace.SpanContextFromContext(propagator.Jaeger{}.Extract(t.Context(), carrier)); !got.Equal(want) {
			t.Errorf("%v came back as %v", want, got)
		}
	}
	carrier := header()
	propagator.Jaeger{}.Inject(t.Context(), carrier)
	if len(carrier) != 0 {
		t.Errorf("without a span %v is written", carrier)
	}
}

func TestJaegerDebugID(t *testing.T) {
	ctx := propagator.Jaeger{}.Extract(t.Context(), header("jaeger-debug-id", "case 7"))
	if got := propagator.DebugID(ctx); got != "case 7" {
		t.Errorf("debug id = %q", got)
	}
	if got := propagator.DebugID(t.Context()); got != "" {
		t.Errorf("debug id of nothing = %q", got)
	}
}

// Whatever comes, what is taken can be written and read again.
func FuzzJaeger(f *testing.F) {
	f.Add(traceID+":"+spanID+":0:1", "k", "v", "a=1,b=2")
	f.Add("1:2:3:4", "", "%zz", "=,=")
	f.Fuzz(func(t *testing.T, id, key, value, bag string) {
		in := propagation.MapCarrier{"uber-trace-id": id, "uberctx-" + key: value, "jaeger-baggage": bag}
		ctx := propagator.Jaeger{}.Extract(t.Context(), in)
		out := propagation.MapCarrier{}
		propagator.Jaeger{}.Inject(ctx, out)
		again := propagator.Jaeger{}.Extract(t.Context(), out)
		if before, after := trace.SpanContextFromContext(ctx), trace.SpanContextFromContext(again); !before.Equal(after) {
			t.Errorf("%v became %v", before, after)
		}
	})
}
