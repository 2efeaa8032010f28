package middleware

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// observation is all that a library has recorded of one request, taken apart
// into lines that can be compared: what it is by what it says. Ids that the
// library has made and durations are not in it.
type observation map[string]string

// observe has do run with one of the libraries, and tells what it recorded.
func observe(t *testing.T, library string, do func(to telemetry)) observation {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	to := newTelemetry(sampled, spans)
	do(to)
	o := observation{}
	for i, span := range spans.Started() {
		prefix := "span."
		if i > 0 {
			prefix = fmt.Sprintf("span %d.", i+1)
		}
		o.span(prefix, span)
	}
	if library == waybill {
		o.families(t, to)
	} else {
		o.reader(t, to)
	}
	return o
}

func (o observation) span(prefix string, span sdktrace.ReadOnlySpan) {
	o[prefix+"name"] = span.Name()
	o[prefix+"kind"] = span.SpanKind().String()
	o[prefix+"status"] = span.Status().Code.String()
	o[prefix+"message"] = span.Status().Description
	o[prefix+"parent"] = parentOf(span)
	o[prefix+"tracestate"] = span.SpanContext().TraceState().String()
	if span.EndTime().IsZero() {
		o[prefix+"open"] = "true"
	}
	for _, kv := range span.Attributes() {
		o[prefix+"attribute "+string(kv.Key)] = kv.Value.String()
	}
	for _, event := range span.Events() {
		o[prefix+"event "+event.Name] = "true"
	}
}

// parentOf is the caller by name.
func parentOf(span sdktrace.ReadOnlySpan) string {
	switch parent := span.Parent(); {
	case !parent.IsValid():
		return "none"
	case parent.SpanID() == caller(sampled).SpanID():
		return "caller"
	default:
		return "another"
	}
}

// series adds one series of a metric.
func (o observation) series(metric string, labels map[string]string, value string) {
	o[metric+" series"] += "+"
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		o[metric+" label "+key] = labels[key]
	}
	o[metric+" value"] = value
}

// spelled are the names of ours, which are Prometheus's, in OpenTelemetry's
// spelling.
func spelled(prometheus string) string {
	for _, name := range []string{
		"http.server.request.duration", "http.server.active_requests", "http.server.request.body.size", "http.server.response.body.size",
		"http.client.request.duration", "http.client.request.body.size", "rpc.server.call.duration", "rpc.client.call.duration",
		"http.request.method", "http.response.status_code", "http.route", "url.scheme", "server.address", "server.port", "error.type",
		"network.protocol.version", "rpc.system.name", "rpc.method", "rpc.response.status_code",
	} {
		plain := strings.ReplaceAll(name, ".", "_")
		if prometheus == plain || prometheus == plain+"_seconds" || prometheus == plain+"_bytes" {
			return name
		}
	}
	return prometheus
}

// families adds what our registry has.
func (o observation) families(t *testing.T, to telemetry) {
	t.Helper()
	families, err := to.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		name := spelled(family.GetName())
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				if label.GetValue() != "" {
					labels[spelled(label.GetName())] = label.GetValue()
				}
			}
			if h := metric.GetHistogram(); h != nil {
				o.series(name, labels, histogram(name, h.GetSampleCount(), h.GetSampleSum()))
				o[name+" bounds"] = fmt.Sprint(bounds(h))
			} else {
				o.series(name, labels, fmt.Sprint(metric.GetGauge().GetValue()))
			}
		}
	}
}

// histogram is what a histogram has counted, and the sum if it is one of sizes.
func histogram(name string, count uint64, sum float64) string {
	if strings.HasSuffix(name, "duration") {
		return strconv.FormatUint(count, 10)
	}
	return fmt.Sprint(count, " of ", sum, " bytes")
}

func bounds(h *dto.Histogram) (list []float64) {
	for _, bucket := range h.GetBucket() {
		list = append(list, bucket.GetUpperBound())
	}
	return list
}

// reader adds what OpenTelemetry's reader has.
func (o observation) reader(t *testing.T, to telemetry) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := to.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				points(o, m.Name, data.DataPoints)
			case metricdata.Histogram[int64]:
				points(o, m.Name, data.DataPoints)
			default:
				t.Fatalf("%s is a %T", m.Name, m.Data)
			}
		}
	}
}

func points[N int64 | float64](o observation, name string, list []metricdata.HistogramDataPoint[N]) {
	for _, point := range list {
		o.series(name, labels(point.Attributes), histogram(name, point.Count, float64(point.Sum)))
		o[name+" bounds"] = fmt.Sprint(point.Bounds)
	}
}

func labels(set attribute.Set) map[string]string {
	list := map[string]string{}
	for _, kv := range set.ToSlice() {
		list[string(kv.Key)] = kv.Value.String()
	}
	return list
}

// sent adds what the other side is told of the trace.
func (o observation) sent(traceparent, baggage []string) {
	switch {
	case len(traceparent) != 1:
		o["sent traceparent"] = fmt.Sprint(len(traceparent), " times")
	case strings.Contains(traceparent[0], caller(sampled).SpanID().String()):
		o["sent traceparent"] = "the caller's"
	case strings.Contains(traceparent[0], caller(sampled).TraceID().String()):
		o["sent traceparent"] = "a new span in the caller's trace"
	default:
		o["sent traceparent"] = "a new trace"
	}
	o["sent baggage"] = strings.Join(baggage, ",")
}

// rule is a difference that is meant to be.
type rule struct {
	// line is that of the observation, or a pattern of path.Match.
	line string
	// when says of what requests and values; nil is of all.
	when func(c circumstances) bool
	// why ours is right.
	why string
}

// circumstances are what a difference came about in.
type circumstances struct {
	request      string
	ours, theirs string
}

// onlyOurs and onlyTheirs say that the other has nothing there.
func onlyOurs(c circumstances) bool   { return c.theirs == "" }
func onlyTheirs(c circumstances) bool { return c.ours == "" }

// says is that the values are these.
func says(ours, theirs string) func(circumstances) bool {
	return func(c circumstances) bool { return c.ours == ours && c.theirs == theirs }
}

// in is that the request has one of the words, and that all of the conditions hold.
func in(words string, conditions ...func(circumstances) bool) func(circumstances) bool {
	return func(c circumstances) bool {
		return slices.ContainsFunc(strings.Split(words, "|"), func(word string) bool { return strings.Contains(c.request, word) }) &&
			!slices.ContainsFunc(conditions, func(holds func(circumstances) bool) bool { return !holds(c) })
	}
}

func (r rule) covers(line string, c circumstances) bool {
	matches, err := path.Match(r.line, line)
	return err == nil && matches && (r.when == nil || r.when(c))
}

// comparison finds for each difference the rule that allows it. A rule that has
// allowed none is out of date.
type comparison struct {
	rules []rule
	used  map[int]int
	count int
}

func newComparison(rules []rule) *comparison { return &comparison{rules: rules, used: map[int]int{}} }

func (c *comparison) compare(t *testing.T, request string, ours, theirs observation) {
	t.Helper()
	c.count++
	lines := maps.Clone(ours)
	maps.Copy(lines, theirs)
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		if ours[line] == theirs[line] {
			continue
		}
		found := slices.IndexFunc(c.rules, func(r rule) bool {
			return r.covers(line, circumstances{request, ours[line], theirs[line]})
		})
		if found < 0 {
			t.Errorf("%s\n%s: ours says %q, theirs %q, and no rule says why", request, line, ours[line], theirs[line])
			continue
		}
		c.used[found]++
	}
}

// finish reports which rule has allowed how many differences.
func (c *comparison) finish(t *testing.T) {
	t.Helper()
	for i, r := range c.rules {
		if c.used[i] == 0 {
			t.Errorf("no request shows the difference in %s: %s", r.line, r.why)
		}
		t.Logf("%4d× %s: %s", c.used[i], r.line, r.why)
	}
	t.Logf("%d requests", c.count)
}

// traces are what requests tell of their trace, by name.
func traces() map[string][][2]string {
	parent := traceparent(sampled)
	other := strings.Replace(parent, caller(sampled).TraceID().String(), trace.TraceID{1}.String(), 1)
	return map[string][][2]string{
		"no trace":              nil,
		"a trace":               {{"traceparent", parent}},
		"a trace with state":    {{"traceparent", parent}, {"tracestate", "a=1,b=2"}},
		"state in two headers":  {{"traceparent", parent}, {"tracestate", "a=1"}, {"tracestate", "b=2"}},
		"unsampled":             {{"traceparent", traceparent(unsampled)}},
		"two traces":            {{"traceparent", parent}, {"traceparent", other}},
		"the same trace twice":  {{"traceparent", parent}, {"traceparent", parent}},
		"a malformed trace":     {{"traceparent", parent[:54]}},
		"upper-case trace":      {{"traceparent", strings.ToUpper(parent)}},
		"a trace and baggage":   {{"traceparent", parent}, {"baggage", "tenant=north"}},
		"a version yet to come": {{"traceparent", "cc" + parent[2:] + "-more"}},
		"flags yet to come":     {{"traceparent", parent[:53] + "05"}},
		"version ff":            {{"traceparent", "ff" + parent[2:]}},
	}
}
