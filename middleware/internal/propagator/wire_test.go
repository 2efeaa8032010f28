package propagator_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// propagators are those that Wire speaks itself, and some that it must not.
func propagators() map[string]propagation.TextMapPropagator {
	composite := propagation.NewCompositeTextMapPropagator
	return map[string]propagation.TextMapPropagator{
		"Trace Context":            propagation.TraceContext{},
		"ours":                     propagator.TraceContext{},
		"both":                     composite(propagation.TraceContext{}, propagation.Baggage{}),
		"nested, other way around": composite(propagation.Baggage{}, composite(propagator.TraceContext{})),
		"Baggage alone":            propagation.Baggage{},
		"nothing":                  composite(),
		"Jaeger, too":              composite(propagation.TraceContext{}, propagator.Jaeger{}),
		"B3, too":                  composite(b3.New(), propagation.TraceContext{}, propagation.Baggage{}),
		"hidden":                   hidden{propagation.TraceContext{}},
	}
}

// hidden is a propagator that Wire can't know.
type hidden struct{ propagation.TextMapPropagator }

// extracts checks that Wire reads from the carrier what the propagator reads.
func extracts(t *testing.T, p propagation.TextMapPropagator, carrier propagator.Carrier) {
	t.Helper()
	ctx := context.WithValue(t.Context(), testKey{}, "kept")
	got, want := propagator.NewWire(p).Extract(ctx, carrier, &propagator.Remote{}), p.Extract(ctx, carrier)
	gotSpan, wantSpan := trace.SpanContextFromContext(got), trace.SpanContextFromContext(want)
	if !gotSpan.Equal(wantSpan) || gotSpan.TraceState().String() != wantSpan.TraceState().String() {
		t.Errorf("span %v, want %v", gotSpan, wantSpan)
	}
	if diff := cmp.Diff(members(want), members(got)); diff != "" {
		t.Errorf("baggage (-want +got):\n%s", diff)
	}
	if got.Value(testKey{}) != "kept" {
		t.Error("the context's other values are lost")
	}
}

type testKey struct{}

func TestWireReadsWhatThePropagatorReads(t *testing.T) {
	for name, p := range propagators() {
		for what, carrier := range map[string]propagation.HeaderCarrier{
			"none":            header(),
			"sampled":         header("traceparent", parent),
			"state":           header("traceparent", parent, "tracestate", "a=1,b=2"),
			"bad state":       header("traceparent", parent, "tracestate", "a"),
			"baggage":         header("baggage", "k=v,l=w"),
			"all":             header("traceparent", parent, "tracestate", "a=1", "baggage", "k=v"),
			"state alone":     header("tracestate", "a=1"),
			"version to come": header("traceparent", "cc-"+parent[3:]+"-more"),
			"random":          header("traceparent", parent[:53]+"03"),
			"upper case":      header("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"),
			"zero trace":      header("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
			"zero span":       header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"),
			"short":           header("traceparent", parent[:54]),
			"B3 and Uber":     header("b3", traceID+"-"+spanID+"-1", "uber-trace-id", traceID+":"+spanID+":0:1"),
			"W3C and B3":      header("traceparent", parent, "b3", spanID+spanID+"-"+spanID+"-1"),
		} {
			t.Run(name+"/"+what, func(t *testing.T) { extracts(t, p, carrier) })
		}
	}
}

func TestWireTrustsNoTraceparentThatCameTwice(t *testing.T) {
	wire := propagator.NewWire(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	twice := header("traceparent", parent, "traceparent", parent, "baggage", "k=v")
	ctx := wire.Extract(t.Context(), twice, &propagator.Remote{})
	if trace.SpanContextFromContext(ctx).IsValid() || baggage.FromContext(ctx).String() != "k=v" {
		t.Errorf("span %v, baggage %v; want no span, and k=v", trace.SpanContextFromContext(ctx), baggage.FromContext(ctx))
	}
}

func TestWireWritesWhatThePropagatorWrites(t *testing.T) {
	state, _ := trace.ParseTraceState("a=1,b=2")
	bag, _ := baggage.Parse("k=v")
	id := trace.SpanContextConfig{TraceID: trace.TraceID{0xab, 15: 1}, SpanID: trace.SpanID{0xcd, 7: 2}}
	random, stated := id, id
	random.TraceFlags = trace.FlagsSampled | trace.FlagsRandom | 0x80
	stated.TraceState = state
	for name, p := range propagators() {
		for what, config := range map[string]trace.SpanContextConfig{"none": {}, "unsampled": id, "random": random, "state": stated} {
			for _, b := range []baggage.Baggage{{}, bag} {
				ctx := baggage.ContextWithBaggage(trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(config)), b)
				got, want := propagation.HeaderCarrier(http.Header{}), propagation.HeaderCarrier(http.Header{})
				propagator.NewWire(p).Inject(ctx, got, &propagator.Traceparent{})
				p.Inject(ctx, want)
				for _, key := range want.Keys() {
					if got.Get(key) != want.Get(key) {
						t.Errorf("%s, %s: %s is %q, want %q", name, what, key, got.Get(key), want.Get(key))
					}
				}
				if len(got) != len(want) {
					t.Errorf("%s, %s: wrote %v, want %v", name, what, got, want)
				}
			}
		}
	}
}

// exact is a carrier that costs nothing itself.
type exact map[string][]string

func (e exact) Values(key string) []string { return e[key] }
func (exact) Keys() []string               { return nil }
func (exact) Get(string) string            { return "" }
func (e exact) Set(key, value string)      { e[key][0] = value }

func TestWireAllocatesNothing(t *testing.T) {
	wire := propagator.NewWire(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	from, to := exact{"traceparent": {parent}}, exact{"traceparent": {""}}
	var remote propagator.Remote
	var text propagator.Traceparent
	ctx := t.Context()
	if got := testing.AllocsPerRun(100, func() { wire.Inject(wire.Extract(ctx, from, &remote), to, &text) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
	if got := to["traceparent"][0]; got != parent {
		t.Errorf("passed on %q, want %q", got, parent)
	}
}

func FuzzWireExtract(f *testing.F) {
	for _, seed := range []string{parent, parent[:53] + "ff", "01-" + parent[3:], "", "00-x", parent + "-"} {
		f.Add(seed, "a=1", "k=v")
	}
	p := propagation.NewCompositeTextMapPropagator(propagator.TraceContext{}, propagation.Baggage{})
	f.Fuzz(func(t *testing.T, traceparent, tracestate, bag string) {
		extracts(t, p, header("traceparent", traceparent, "tracestate", tracestate, "baggage", bag))
	})
}
