package propagator

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The headers of Jaeger's clients.
const (
	jaegerHeader        = "uber-trace-id"
	jaegerBaggageHeader = "jaeger-baggage"
	jaegerBaggagePrefix = "uberctx-"
	jaegerDebugHeader   = "jaeger-debug-id"
)

// Jaeger speaks with services that still use a Jaeger client, such as
// jaeger-client-go:
//
//	uber-trace-id: {trace-id}:{span-id}:{parent-span-id}:{flags}
//
// Ids may lack leading zeros, and the whole may be percent-encoded. Unlike
// OpenTelemetry's propagator of that name it carries baggage, in uberctx-
// headers, reads jaeger-baggage, and knows of jaeger-debug-id.
type Jaeger struct{}

// Fields are the headers that Inject writes, those of baggage aside.
func (Jaeger) Fields() []string { return []string{jaegerHeader} }

// Inject writes the trace and the baggage.
func (Jaeger) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if sc.IsValid() {
		carrier.Set(jaegerHeader, fmt.Sprintf("%s:%s:0:%x", sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags()&trace.FlagsSampled)))
	}
	for _, member := range baggage.FromContext(ctx).Members() {
		carrier.Set(jaegerBaggagePrefix+member.Key(), url.QueryEscape(member.Value()))
	}
}

// Extract reads the trace and the baggage. The baggage that ctx has already
// goes before a member of the same key.
func (Jaeger) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	ctx = withJaegerBaggage(ctx, carrier)
	if id := carrier.Get(jaegerDebugHeader); id != "" {
		ctx = context.WithValue(ctx, debugKey{}, id)
	}
	if getter, several := carrier.(propagation.ValuesGetter); several && len(getter.Values(jaegerHeader)) > 1 {
		return ctx
	}
	if sc, ok := parseJaeger(carrier.Get(jaegerHeader)); ok {
		return trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	return ctx
}

type debugKey struct{}

// DebugID is the jaeger-debug-id that a request came with: its sender asks for
// its trace to be recorded, and found by that id.
func DebugID(ctx context.Context) string {
	id, _ := ctx.Value(debugKey{}).(string)
	return id
}

const (
	jaegerSampled = 1
	jaegerDebug   = 2
)

func parseJaeger(header string) (trace.SpanContext, bool) {
	if plain, err := url.QueryUnescape(header); err == nil {
		header = plain
	}
	parts := strings.Split(header, ":")
	if len(parts) != 4 || len(parts[0]) > 32 || len(parts[1]) > 16 {
		return trace.SpanContext{}, false
	}
	traceID, traceErr := trace.TraceIDFromHex(leftPadded(parts[0], 32))
	spanID, spanErr := trace.SpanIDFromHex(leftPadded(parts[1], 16))
	flags, flagsErr := strconv.ParseUint(parts[3], 16, 8)
	if traceErr != nil || spanErr != nil || flagsErr != nil {
		return trace.SpanContext{}, false
	}
	config := trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, Remote: true}
	if flags&(jaegerSampled|jaegerDebug) != 0 {
		config.TraceFlags = trace.FlagsSampled
	}
	return trace.NewSpanContext(config), true
}

// leftPadded is in lower case, as OpenTelemetry wants ids.
func leftPadded(id string, length int) string {
	return strings.Repeat("0", length-len(id)) + strings.ToLower(id)
}

func withJaegerBaggage(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	bag, changed := baggage.FromContext(ctx), false
	add := func(key, value string) {
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		member, err := baggage.NewMemberRaw(key, value)
		if err != nil || bag.Member(key).Key() != "" {
			return
		}
		if larger, err := bag.SetMember(member); err == nil {
			bag, changed = larger, true
		}
	}
	for _, key := range carrier.Keys() {
		if name, is := cutPrefixFold(key, jaegerBaggagePrefix); is {
			add(strings.ToLower(name), carrier.Get(key))
		}
	}
	for pair := range strings.SplitSeq(carrier.Get(jaegerBaggageHeader), ",") {
		if key, value, found := strings.Cut(strings.TrimSpace(pair), "="); found {
			add(key, value)
		}
	}
	if !changed {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

// cutPrefixFold is strings.CutPrefix in any case, as HTTP spells headers its
// own way.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
