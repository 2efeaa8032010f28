package propagator_test

import (
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

func TestPlainExtract(t *testing.T) {
	for name, test := range map[string]struct {
		carrier propagation.TextMapCarrier
		traceID string // empty if nothing is to be taken
		spanID  string
	}{
		"both":                {header("X-Trace-ID", traceID, "X-Parent-Span-ID", spanID), traceID, spanID},
		"single lines":        {propagation.MapCarrier{"x-trace-id": traceID, "x-parent-span-id": spanID}, traceID, spanID},
		"upper case":          {header("x-trace-id", "0AF7651916CD43DD8448EB211C80319C", "x-parent-span-id", "B7AD6B7169203331"), traceID, spanID},
		"a UUID":              {header("x-trace-id", "0af76519-16cd-43dd-8448-eb211c80319c", "x-parent-span-id", spanID), traceID, spanID},
		"64 bits":             {header("x-trace-id", "8448eb211c80319c", "x-parent-span-id", spanID), "00000000000000008448eb211c80319c", spanID},
		"no parent":           {header("x-trace-id", traceID), traceID, "8448eb211c80319c"},
		"parent that is none": {header("x-trace-id", traceID, "x-parent-span-id", "checkout"), traceID, "8448eb211c80319c"},
		"parent twice":        {header("x-trace-id", traceID, "x-parent-span-id", spanID, "x-parent-span-id", spanID), traceID, "8448eb211c80319c"},
		"trace twice":         {header("x-trace-id", traceID, "x-trace-id", traceID), "", ""},
		"trace that is none":  {header("x-trace-id", "order-4711-of-the-north-of-town!", "x-parent-span-id", spanID), "", ""},
		"another length":      {header("x-trace-id", "abc", "x-parent-span-id", spanID), "", ""},
		"zero":                {header("x-trace-id", "00000000000000000000000000000000"), "", ""},
		"half zero":           {header("x-trace-id", "0af7651916cd43dd0000000000000000"), "", ""},
		"parent alone":        {header("x-parent-span-id", spanID), "", ""},
		"nothing":             {header(), "", ""},
	} {
		sc := trace.SpanContextFromContext(propagator.Plain{}.Extract(t.Context(), test.carrier))
		if test.traceID == "" {
			if sc.IsValid() {
				t.Errorf("%s: %v is taken", name, sc)
			}
			continue
		}
		if sc.TraceID().String() != test.traceID || sc.SpanID().String() != test.spanID || !sc.IsSampled() || !sc.IsRemote() {
			t.Errorf("%s: %v %v, sampled %v, remote %v", name, sc.TraceID(), sc.SpanID(), sc.IsSampled(), sc.IsRemote())
		}
	}
}

func TestPlainThereAndBack(t *testing.T) {
	ctx := propagation.TraceContext{}.Extract(t.Context(), header("traceparent", parent))
	carrier := propagation.HeaderCarrier(http.Header{})
	propagator.Plain{}.Inject(ctx, carrier)
	if carrier.Get("x-trace-id") != traceID || carrier.Get("x-parent-span-id") != spanID {
		t.Errorf("wrote %v", carrier)
	}
	if got := trace.SpanContextFromContext(propagator.Plain{}.Extract(t.Context(), carrier)); !got.Equal(trace.SpanContextFromContext(ctx)) {
		t.Errorf("came back as %v", got)
	}
	empty := propagation.HeaderCarrier(http.Header{})
	propagator.Plain{}.Inject(t.Context(), empty)
	if len(empty) > 0 {
		t.Errorf("without a span %v is written", empty)
	}
}

func TestPlainGivesWayToTraceparent(t *testing.T) {
	ctx := propagation.TraceContext{}.Extract(t.Context(), header("traceparent", parent))
	ctx = propagator.Plain{}.Extract(ctx, header("x-trace-id", "11111111111111111111111111111111"))
	if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != traceID {
		t.Errorf("the trace is %s, want that of traceparent", got)
	}
}
