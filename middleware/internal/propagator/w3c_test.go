package propagator_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// The cases of the W3C's own test suite for Trace Context, level 2.
const (
	w3cTrace = "12345678901234567890123456789012"
	w3cSpan  = "1234567890123456"
	w3c      = "00-" + w3cTrace + "-" + w3cSpan + "-01"
)

func members32() string {
	var list []string
	for i := range 32 {
		list = append(list, fmt.Sprintf("bar%02d=%02d", i, i))
	}
	return strings.Join(list, ",")
}

func TestTraceContextLevel2(t *testing.T) {
	for name, test := range map[string]struct {
		headers []string
		taken   bool
		state   string // what is passed on
	}{
		"nothing":                           {nil, false, ""},
		"traceparent alone":                 {[]string{"traceparent", w3c}, true, ""},
		"name in capitals":                  {[]string{"TRACEPARENT", w3c}, true, ""},
		"name in mixed case":                {[]string{"TraceParent", w3c}, true, ""},
		"twice, the same":                   {[]string{"traceparent", w3c, "traceparent", w3c}, false, ""},
		"twice, different":                  {[]string{"traceparent", w3c, "traceparent", parent}, false, ""},
		"twice, once malformed":             {[]string{"traceparent", w3c, "traceparent", "00-x"}, false, ""},
		"two in one":                        {[]string{"traceparent", w3c + "," + w3c}, false, ""},
		"empty":                             {[]string{"traceparent", ""}, false, ""},
		"version 00 with more":              {[]string{"traceparent", w3c + "-what-the-future-will-be-like"}, false, ""},
		"version 00 with a point":           {[]string{"traceparent", w3c + "."}, false, ""},
		"version cc":                        {[]string{"traceparent", "cc" + w3c[2:]}, true, ""},
		"version cc with more":              {[]string{"traceparent", "cc" + w3c[2:] + "-what-the-future-will-be-like"}, true, ""},
		"version cc with more, no dash":     {[]string{"traceparent", "cc" + w3c[2:] + ".what-the-future-will-be-like"}, false, ""},
		"version ff":                        {[]string{"traceparent", "ff" + w3c[2:]}, false, ""},
		"version .0":                        {[]string{"traceparent", ".0" + w3c[2:]}, false, ""},
		"version 0.":                        {[]string{"traceparent", "0." + w3c[2:]}, false, ""},
		"version of three":                  {[]string{"traceparent", "0" + w3c}, false, ""},
		"version of one":                    {[]string{"traceparent", w3c[1:]}, false, ""},
		"trace of zeros":                    {[]string{"traceparent", "00-" + strings.Repeat("0", 32) + "-" + w3cSpan + "-01"}, false, ""},
		"trace with a point":                {[]string{"traceparent", "00-." + w3cTrace[1:] + "-" + w3cSpan + "-01"}, false, ""},
		"trace in capitals":                 {[]string{"traceparent", strings.ToUpper(parent)}, false, ""},
		"trace of 33":                       {[]string{"traceparent", "00-" + w3cTrace + "3-" + w3cSpan + "-01"}, false, ""},
		"trace of 31":                       {[]string{"traceparent", "00-" + w3cTrace[1:] + "-" + w3cSpan + "-01"}, false, ""},
		"parent of zeros":                   {[]string{"traceparent", "00-" + w3cTrace + "-0000000000000000-01"}, false, ""},
		"parent with a point":               {[]string{"traceparent", "00-" + w3cTrace + "-." + w3cSpan[1:] + "-01"}, false, ""},
		"parent of 17":                      {[]string{"traceparent", "00-" + w3cTrace + "-" + w3cSpan + "7-01"}, false, ""},
		"parent of 15":                      {[]string{"traceparent", "00-" + w3cTrace + "-" + w3cSpan[1:] + "-01"}, false, ""},
		"flags .0":                          {[]string{"traceparent", w3c[:53] + ".0"}, false, ""},
		"flags 0.":                          {[]string{"traceparent", w3c[:53] + "0."}, false, ""},
		"flags of three":                    {[]string{"traceparent", w3c[:53] + "001"}, false, ""},
		"flags of one":                      {[]string{"traceparent", w3c[:53] + "1"}, false, ""},
		"no flags":                          {[]string{"traceparent", w3c[:52]}, false, ""},
		"state without traceparent":         {[]string{"tracestate", "foo=1"}, false, ""},
		"state with a malformed one":        {[]string{"traceparent", "00-x", "tracestate", "foo=1"}, false, ""},
		"state with two traceparents":       {[]string{"traceparent", w3c, "traceparent", w3c, "tracestate", "foo=1"}, false, ""},
		"state":                             {[]string{"traceparent", w3c, "tracestate", "foo=1,bar=2"}, true, "foo=1,bar=2"},
		"state in three headers":            {[]string{"traceparent", w3c, "tracestate", "foo=1", "tracestate", "bar=2", "tracestate", "baz=3"}, true, "foo=1,bar=2,baz=3"},
		"state, name in capitals":           {[]string{"traceparent", w3c, "TRACESTATE", "foo=1"}, true, "foo=1"},
		"state with spaces":                 {[]string{"traceparent", w3c, "tracestate", "foo=1 \t , \t bar=2, \t baz=3"}, true, "foo=1,bar=2,baz=3"},
		"empty state":                       {[]string{"traceparent", w3c, "tracestate", ""}, true, ""},
		"empty header among states":         {[]string{"traceparent", w3c, "tracestate", "foo=1", "tracestate", "", "tracestate", "bar=2"}, true, "foo=1,bar=2"},
		"empty member":                      {[]string{"traceparent", w3c, "tracestate", "foo=1,,bar=2"}, true, "foo=1,bar=2"},
		"the same key twice":                {[]string{"traceparent", w3c, "tracestate", "foo=1,foo=2"}, true, ""},
		"the same key in two headers":       {[]string{"traceparent", w3c, "tracestate", "foo=1", "tracestate", "foo=2"}, true, ""},
		"key of a tenant":                   {[]string{"traceparent", w3c, "tracestate", "foo@vendor=1"}, true, "foo@vendor=1"},
		"key with all characters":           {[]string{"traceparent", w3c, "tracestate", "a0_-*/=1"}, true, "a0_-*/=1"},
		"key that begins with a digit":      {[]string{"traceparent", w3c, "tracestate", "1a=1,foo=2"}, true, "1a=1,foo=2"},
		"key of digits, in two headers":     {[]string{"traceparent", w3c, "tracestate", "1=1", "tracestate", "foo=2 , 3=3"}, true, "1=1,foo=2,3=3"},
		"digit first, tenant of digits":     {[]string{"traceparent", w3c, "tracestate", "1a@2b=1"}, true, "1a@2b=1"},
		"digit first, key of 257":           {[]string{"traceparent", w3c, "tracestate", strings.Repeat("1", 257) + "=1"}, true, ""},
		"digit first, value with equals":    {[]string{"traceparent", w3c, "tracestate", "1=bar=baz"}, true, ""},
		"digit first, the same key twice":   {[]string{"traceparent", w3c, "tracestate", "1=1,1=2"}, true, ""},
		"digit first, 33 members":           {[]string{"traceparent", w3c, "tracestate", members32() + ",1=1"}, true, ""},
		"digit first, no value":             {[]string{"traceparent", w3c, "tracestate", "1="}, true, ""},
		"digit first, key in capitals":      {[]string{"traceparent", w3c, "tracestate", "1A=1"}, true, ""},
		"key that begins with a dash":       {[]string{"traceparent", w3c, "tracestate", "-a=1"}, true, ""},
		"version cc, digit first":           {[]string{"traceparent", "cc" + w3c[2:], "tracestate", "1=1"}, true, "1=1"},
		"key in capitals":                   {[]string{"traceparent", w3c, "tracestate", "Foo=1"}, true, ""},
		"key with a space":                  {[]string{"traceparent", w3c, "tracestate", "foo =1"}, true, ""},
		"key of 256":                        {[]string{"traceparent", w3c, "tracestate", strings.Repeat("z", 256) + "=1"}, true, strings.Repeat("z", 256) + "=1"},
		"key of 257":                        {[]string{"traceparent", w3c, "tracestate", strings.Repeat("z", 257) + "=1"}, true, ""},
		"no value":                          {[]string{"traceparent", w3c, "tracestate", "foo"}, true, ""},
		"value with all but comma, equals":  {[]string{"traceparent", w3c, "tracestate", "foo=!\"#$%&'()*+-./0:;<>?@A[\\]^_`a{|}~"}, true, "foo=!\"#$%&'()*+-./0:;<>?@A[\\]^_`a{|}~"},
		"value with equals":                 {[]string{"traceparent", w3c, "tracestate", "foo=bar=baz"}, true, ""},
		"value of 256":                      {[]string{"traceparent", w3c, "tracestate", "foo=" + strings.Repeat("v", 256)}, true, "foo=" + strings.Repeat("v", 256)},
		"value of 257":                      {[]string{"traceparent", w3c, "tracestate", "foo=" + strings.Repeat("v", 257)}, true, ""},
		"32 members":                        {[]string{"traceparent", w3c, "tracestate", members32()}, true, members32()},
		"33 members":                        {[]string{"traceparent", w3c, "tracestate", members32() + ",bar32=32"}, true, ""},
		"33 members in two headers":         {[]string{"traceparent", w3c, "tracestate", members32(), "tracestate", "bar32=32"}, true, ""},
		"version cc with state":             {[]string{"traceparent", "cc" + w3c[2:], "tracestate", "foo=1"}, true, "foo=1"},
		"reserved flags with split state":   {[]string{"traceparent", w3c[:53] + "ff", "tracestate", "foo=1", "tracestate", "bar=2"}, true, "foo=1,bar=2"},
		"version cc with two traceparents":  {[]string{"traceparent", "cc" + w3c[2:], "traceparent", "cc" + w3c[2:]}, false, ""},
		"a future version with split state": {[]string{"traceparent", "cc" + w3c[2:] + "-x", "tracestate", "foo=1", "tracestate", "bar=2"}, true, "foo=1,bar=2"},
	} {
		wire := propagator.NewWire(propagation.NewCompositeTextMapPropagator(propagator.TraceContext{}, propagation.Baggage{}))
		for way, carry := range map[string]func() (context.Context, propagation.HeaderCarrier){
			"quickly": func() (context.Context, propagation.HeaderCarrier) {
				ctx, out := wire.Extract(t.Context(), header(test.headers...), &propagator.Remote{}), propagation.HeaderCarrier(http.Header{})
				wire.Inject(ctx, out, &propagator.Traceparent{})
				return ctx, out
			},
			"as propagators do": func() (context.Context, propagation.HeaderCarrier) {
				ctx, out := propagator.TraceContext{}.Extract(t.Context(), header(test.headers...)), propagation.HeaderCarrier(http.Header{})
				propagator.TraceContext{}.Inject(ctx, out)
				return ctx, out
			},
		} {
			ctx, out := carry()
			sc := trace.SpanContextFromContext(ctx)
			if taken := sc.TraceID().String() == w3cTrace && sc.SpanID().String() == w3cSpan && sc.IsRemote(); taken != test.taken || sc.IsValid() != test.taken {
				t.Errorf("%s, %s: %v is taken, want %v", name, way, sc, test.taken)
			}
			if got := strings.Join(out.Values("tracestate"), " and "); got != test.state {
				t.Errorf("%s, %s: tracestate %q is passed on, want %q", name, way, got, test.state)
			}
		}
	}
}

// A state that OpenTelemetry's type does not take goes with its own trace only,
// and behind what a sampler has added.
func TestForeignStateGoesWithItsTrace(t *testing.T) {
	w := propagator.NewWire(propagator.TraceContext{})
	ctx := w.Extract(t.Context(), header("traceparent", w3c, "tracestate", "1=1,foo=2"), &propagator.Remote{})
	remote := trace.SpanContextFromContext(ctx)
	added, err := trace.ParseTraceState("ot=th:8,foo=3")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		sc   trace.SpanContext
		want string
	}{
		"a child":            {remote.WithSpanID(trace.SpanID{7}).WithRemote(false), "1=1,foo=2"},
		"a child with more":  {remote.WithSpanID(trace.SpanID{7}).WithTraceState(added), "ot=th:8,foo=3,1=1"},
		"a trace of its own": {remote.WithTraceID(trace.TraceID{7}), ""},
	} {
		out := propagation.HeaderCarrier(http.Header{})
		w.Inject(trace.ContextWithSpanContext(ctx, test.sc), out, &propagator.Traceparent{})
		if got := out.Get("tracestate"); got != test.want {
			t.Errorf("%s: tracestate %q, want %q", name, got, test.want)
		}
	}
}

// Level 2: the flag random goes on with the trace, and what is reserved does not.
func TestTraceContextLevel2Flags(t *testing.T) {
	for in, want := range map[string]string{
		"00": "00", "01": "01", "02": "02", "03": "03", "04": "00", "07": "03", "08": "00", "ff": "03", "fe": "02",
	} {
		wire := propagator.NewWire(propagator.TraceContext{})
		ctx := wire.Extract(t.Context(), header("traceparent", w3c[:53]+in), &propagator.Remote{})
		out := propagation.HeaderCarrier(http.Header{})
		wire.Inject(ctx, out, &propagator.Traceparent{})
		if got := out.Get("traceparent"); got != w3c[:53]+want {
			t.Errorf("flags %s are passed on as %q, want %s", in, got, want)
		}
	}
}
