package middleware_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware"
)

// Who makes an id says how; who passes it on says what it was told.
func TestTracesThatBeginHereSayThatTheirIDsAreRandom(t *testing.T) {
	const remote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	for name, test := range map[string]struct{ sampler, parent, want string }{
		"a root":                      {"always_on", "", "03"},
		"a root that is not sampled":  {"always_off", "", "02"},
		"another's":                   {"always_on", remote + "01", "01"},
		"another's that is random":    {"parentbased_always_on", remote + "03", "03"},
		"another's that is unsampled": {"parentbased_always_on", remote + "02", "02"},
		"one that is no trace":        {"always_on", strings.ToUpper(remote) + "01", "03"},
	} {
		tel := setup(t, middleware.WithGetenv(environ("OTEL_TRACES_SAMPLER", test.sampler, "OTEL_TRACES_EXPORTER", "none")))
		ctx := tel.Propagator().Extract(t.Context(), propagation.MapCarrier{"traceparent": test.parent})
		ctx, span := tel.TracerProvider().Tracer("test").Start(ctx, "span")
		defer span.End()
		_, child := tel.TracerProvider().Tracer("test").Start(ctx, "child", trace.WithSpanKind(trace.SpanKindClient))
		defer child.End()
		for _, sc := range []trace.SpanContext{span.SpanContext(), child.SpanContext()} {
			sent := propagation.MapCarrier{}
			tel.Propagator().Inject(trace.ContextWithSpanContext(t.Context(), sc), sent)
			if got := sent["traceparent"]; !strings.HasSuffix(got, "-"+test.want) {
				t.Errorf("%s: %q is passed on, want flags %s", name, got, test.want)
			}
		}
	}
}
