package tracegen

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

const logging = `
services:
  a:
    instances: 2
    metrics:
      requests: {type: counter, unit: "1", rate: 100, attributes: {code: {one_of: [200, 500]}, shard: {pattern: "s{n}", cardinality: 3}}}
      level: {type: gauge, between: [-5, 5]}
      took: {type: histogram, unit: s, rate: 30, latency: {constant: 20ms}}
    operations:
      x:
        attributes: {user: {pattern: "u-{id}"}}
        logs:
          - {body: began, severity: debug}
          - {body: half way, after: 1, attributes: {user: {pattern: "u-{id}"}, n: 7}}
        errors: {broken: {logs: [{body: it broke, severity: error}]}}
        calls: [b/y, b/y]
  b: {operations: {y: {errors: {broken: {rate: 0.3}}}}}
traces: [{start: a/x}]
`

// catcher takes OTLP over HTTP, and keeps what comes by path.
type catcher struct {
	mu   sync.Mutex
	came map[string][][]byte
}

func (c *catcher) serve(t *testing.T) string {
	t.Helper()
	c.came = map[string][][]byte{}
	server := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.came[r.URL.Path] = append(c.came[r.URL.Path], body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (c *catcher) logs(t *testing.T) (all []*logspb.LogRecord) {
	t.Helper()
	for _, body := range c.came["/v1/logs"] {
		var request collogs.ExportLogsServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Fatal(err)
		}
		for _, rl := range request.GetResourceLogs() {
			if service := rl.GetResource().GetAttributes()[0].GetValue().GetStringValue(); service != "a" {
				t.Errorf("a log record of %s", service)
			}
			for _, sl := range rl.GetScopeLogs() {
				all = append(all, sl.GetLogRecords()...)
			}
		}
	}
	return all
}

// text is the text of an attribute.
func text(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// Log records are of their span: its ids, within its time, after its calls.
func TestLogs(t *testing.T) {
	var c catcher
	cfg := config(HTTP, c.serve(t))
	cfg.Topology, cfg.Logs, cfg.Traces = parse(t, logging), true, 200
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() {
		t.Fatalf("report = %+v, %v", report, err)
	}
	spans := map[string]placed{}
	failed := 0
	for _, body := range c.came["/v1/traces"] {
		for _, trace := range decode(t, body) {
			for _, s := range trace {
				spans[string(s.GetSpanId())] = s
				if s.service == "a" && s.GetName() == "x" && s.GetStatus().GetCode() == 2 {
					failed++
				}
			}
		}
	}
	bodies := map[string]int{}
	for _, l := range c.logs(t) {
		bodies[l.GetBody().GetStringValue()]++
		s, ok := spans[string(l.GetSpanId())]
		if !ok || !bytes.Equal(s.GetTraceId(), l.GetTraceId()) || s.GetName() != "x" {
			t.Fatalf("a log record of no span: %v", l)
		}
		at := l.GetTimeUnixNano()
		if at < s.GetStartTimeUnixNano() || at > s.GetEndTimeUnixNano() || l.GetObservedTimeUnixNano() != at || l.GetFlags() != sampled {
			t.Errorf("%v is not within its span", l)
		}
		switch l.GetBody().GetStringValue() {
		case "half way":
			if l.GetSeverityText() != "INFO" || l.GetSeverityNumber() != 9 {
				t.Errorf("severity of %v", l)
			}
			// What is written alike is the same in span and record.
			if user := text(l.GetAttributes(), "user"); !strings.HasPrefix(user, "u-") || user != text(s.GetAttributes(), "user") {
				t.Errorf("user %s of a span of %v", user, s.GetAttributes())
			}
		case "it broke":
			if s.GetStatus().GetCode() != 2 || at != s.GetEndTimeUnixNano() || l.GetSeverityText() != "ERROR" {
				t.Errorf("%v of %v", l, s)
			}
		}
	}
	if bodies["began"] != 200 || bodies["it broke"] != failed || failed == 0 || bodies["half way"] <= 200-failed || bodies["half way"] >= 200 {
		t.Errorf("%d traces have failed; log records: %v", failed, bodies)
	}
	if survey := NewSurvey(cfg.Topology, 200, cfg.Seed); survey.Logs != float64(report.Logs.Made)/200 || survey.Series != 16 {
		t.Errorf("the survey has %v log records a trace, and %d series", survey.Logs, survey.Series)
	}
	if n := uint64(bodies["began"] + bodies["half way"] + bodies["it broke"]); report.Logs != (Tally{Made: n, Acknowledged: n}) {
		t.Errorf("report = %+v, want %d", report.Logs, n)
	}
}

// Points are cumulative, and as many as the topology has series.
func TestMetrics(t *testing.T) {
	var c catcher
	cfg := config(HTTP, c.serve(t))
	cfg.Topology, cfg.Metrics, cfg.MetricInterval = parse(t, logging), true, 100*time.Millisecond
	cfg.Rate, cfg.Traces, cfg.Duration = 20, 0, 1050*time.Millisecond
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() {
		t.Fatalf("report = %+v, %v", report, err)
	}
	exports := c.came["/v1/metrics"]
	const series = 2 * (6 + 1 + 1)
	if n := uint64(len(exports) * series); len(exports) < 2 || report.Points != (Tally{Made: n, Acknowledged: n}) {
		t.Fatalf("%d exports; report = %+v", len(exports), report.Points)
	}
	last := map[string]float64{}
	for _, body := range exports {
		var request colmetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Fatal(err)
		}
		for _, rm := range request.GetResourceMetrics() {
			instance := rm.GetResource().GetAttributes()[1].GetValue().GetStringValue()
			for _, metric := range rm.GetScopeMetrics()[0].GetMetrics() {
				checkMetric(t, metric, instance, last)
			}
		}
	}
	if len(last) != series {
		t.Errorf("%d series, want %d", len(last), series)
	}
}

// checkMetric holds the points of a metric to what a receiver may expect.
func checkMetric(t *testing.T, metric *metricspb.Metric, instance string, last map[string]float64) {
	t.Helper()
	grows := func(key string, v float64) {
		key = metric.GetName() + " " + instance + " " + key
		if v < last[key] {
			t.Errorf("%s falls from %v to %v", key, last[key], v)
		}
		last[key] = v
	}
	for _, p := range metric.GetSum().GetDataPoints() {
		grows(strings.ReplaceAll(p.GetAttributes()[0].String()+p.GetAttributes()[1].String(), " ", ""), float64(p.GetAsInt()))
		if p.GetStartTimeUnixNano() == 0 || p.GetTimeUnixNano() < p.GetStartTimeUnixNano() {
			t.Errorf("times of %v", p)
		}
	}
	for _, p := range metric.GetGauge().GetDataPoints() {
		if v := p.GetAsDouble(); v < -5 || v > 5 {
			t.Errorf("level is %v", v)
		}
		last[metric.GetName()+" "+instance] = 0
	}
	for _, p := range metric.GetHistogram().GetDataPoints() {
		grows("", float64(p.GetCount()))
		total := uint64(0)
		for _, n := range p.GetBucketCounts() {
			total += n
		}
		// All are of 20 ms: in the bucket up to 25.
		if total != p.GetCount() || p.GetBucketCounts()[2] != total || math.Abs(p.GetSum()-0.02*float64(total)) > 1e-6 {
			t.Errorf("histogram %v", p)
		}
	}
}

// A meter counts as much as the rate says, the same for the same seed.
func TestMeterKeepsTheRate(t *testing.T) {
	counted := func(seed uint64) float64 {
		began := time.Unix(1_800_000_000, 0)
		top := parse(t, logging)
		m, err := newMeter(top, newProgram(top), seed, began)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if _, _, err := m.encode(began.Add(time.Duration(i+1) * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		total := 0.0
		for _, s := range m.resources[0].metrics[0].series {
			total += s.value
		}
		return total
	}
	if total := counted(1); math.Abs(total-10_000) > 500 || total != counted(1) || total == counted(2) {
		t.Errorf("100 s at 100 a second: %v, then %v; another seed: %v", total, counted(1), counted(2))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, expected := range []float64{0, 0.5, 20, 300} {
		sum := 0
		for range 2000 {
			sum += poisson(r, expected)
		}
		if mean := float64(sum) / 2000; math.Abs(mean-expected) > 5*math.Sqrt(expected/2000)+1e-9 {
			t.Errorf("mean %v, want %v", mean, expected)
		}
	}
}

// Who has no place for logs and metrics says so; the traces have arrived.
func TestOthersAreRefusedAlone(t *testing.T) {
	url, _, _ := listening(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/v1/traces" {
			nethttp.NotFound(w, r)
		}
	})
	cfg := config(HTTP, url)
	cfg.Topology, cfg.Logs, cfg.Metrics, cfg.Traces = parse(t, logging), true, true, 20
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || report.Complete() || report.Acknowledged.Traces != 20 || report.Failed.Traces != 0 {
		t.Fatalf("report = %+v, %v", report, err)
	}
	if report.Logs.Failed != report.Logs.Made || report.Logs.Made < 20 || report.Points.Failed != 16 {
		t.Errorf("logs = %+v, points = %+v", report.Logs, report.Points)
	}
	var text strings.Builder
	if err := report.WriteTable(&text); err != nil || !strings.Contains(text.String(), "metric points: 16 made, 0 acknowledged, 0 rejected, 16 failed") {
		t.Errorf("table:\n%s", &text)
	}
	cfg.Protocol = Zipkin
	if _, err := Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), "go by OTLP") {
		t.Errorf("error = %v", err)
	}
}
