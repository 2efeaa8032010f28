package interop

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/grafana/loki-client-go/loki"
	"github.com/grafana/loki/pkg/push"
	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/opentracing/opentracing-go/log"
	"github.com/prometheus/common/model"
	jaegerclient "github.com/uber/jaeger-client-go"
	jaegerconfig "github.com/uber/jaeger-client-go/config"
)

// legacyCollector is a collector that retired clients send to.
type legacyCollector struct {
	compact, http, sampling, loki string
}

// startLegacyCollector runs cmd/collector until the test ends. It forwards
// traces and logs to those URLs; an empty one is none.
func startLegacyCollector(t *testing.T, traces, logs string) legacyCollector {
	t.Helper()
	c := legacyCollector{compact: freeAddress(t), http: freeAddress(t), sampling: freeAddress(t), loki: freeAddress(t)}
	admin := freeAddress(t)
	config := writeFile(t, "collector.yaml", fmt.Sprintf(`
receive:
  otlp: {grpc: {address: "off"}, http: {address: "off"}}
  jaeger:
    thrift_compact: {address: %q}
    thrift_binary: {address: "off"}
    thrift_http: {address: %q}
    grpc: {address: "off"}
    sampling: {address: %q}
  zipkin: {address: "off"}
  loki: {address: %q}
journal: {dir: %q}
derive: {address: "off"}
export:
  traces: {endpoint: %q}
  logs: {endpoint: %q}
admin: {address: %q}
`, c.compact, c.http, c.sampling, c.loki, t.TempDir(), traces, logs, admin))
	p := launch(t, nil, buildCommand(t, "collector"), "--config", config)
	eventually(t, "the collector is there", func() error {
		if err := p.running(); err != nil {
			t.Fatal(err)
		}
		return alive(t, "http://"+admin+"/livez")
	})
	return c
}

// newTracer is jaeger-client-go as a program sets it up that was written years
// ago. flush sends what it has, and ends it.
func newTracer(t *testing.T, service, sampling string, reporter *jaegerconfig.ReporterConfig) (tracer opentracing.Tracer, flush io.Closer) {
	t.Helper()
	cfg := jaegerconfig.Configuration{
		ServiceName: service,
		Gen128Bit:   true,
		Sampler: &jaegerconfig.SamplerConfig{
			Type: jaegerclient.SamplerTypeRemote, Param: 0, SamplingRefreshInterval: 20 * time.Millisecond,
			SamplingServerURL: "http://" + sampling + "/sampling",
		},
		Reporter: reporter,
		Tags:     []opentracing.Tag{{Key: "version", Value: "1.2"}},
	}
	tracer, flush, err := cfg.NewTracer()
	if err != nil {
		t.Fatal(err)
	}
	return tracer, flush
}

// legacySpan is what trace_test.go's span leaves out.
type legacySpan struct {
	OperationName string `json:"operationName"`
	Duration      int64  `json:"duration"` // µs
	Logs          []struct {
		Fields []tag `json:"fields"`
	} `json:"logs"`
}

// TestJaegerClientGo: two programs with Jaeger's retired client, one of which
// sends datagrams and the other requests, make one trace in the real Jaeger.
func TestJaegerClientGo(t *testing.T) {
	j := newJaeger(t, "http://"+freeAddress(t))
	j.start(t)
	c := startLegacyCollector(t, j.otlp, "")
	front, flushFront := newTracer(t, "front", c.sampling, &jaegerconfig.ReporterConfig{LocalAgentHostPort: c.compact})
	back, flushBack := newTracer(t, "back", c.sampling, &jaegerconfig.ReporterConfig{CollectorEndpoint: "http://" + c.http + "/api/traces?format=jaeger.thrift"})

	// Each begins with a probability of 0, and samples when it has been told to.
	for _, tracer := range []opentracing.Tracer{front, back} {
		eventually(t, "the client has its strategy", func() error {
			span := tracer.StartSpan("probe")
			if context, ok := span.Context().(jaegerclient.SpanContext); !ok || !context.IsSampled() {
				return fmt.Errorf("the span %v is not sampled", span)
			}
			return nil
		})
	}

	began := time.Now()
	call := front.StartSpan("GET /orders", ext.SpanKindRPCClient)
	header := http.Header{}
	if err := front.Inject(call.Context(), opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(header)); err != nil {
		t.Fatal(err)
	}
	sent := header.Get("uber-trace-id")
	// The client does not write the leading zeros of an id.
	if !regexp.MustCompile(`^[0-9a-f]{17,32}:`).MatchString(sent) {
		t.Errorf("uber-trace-id %q has no id of 128 bits", sent)
	}
	remote, err := back.Extract(opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(header))
	if err != nil {
		t.Fatal(err)
	}
	handle := back.StartSpan("GET /orders", ext.RPCServerOption(remote), opentracing.Tag{Key: "order.id", Value: "7"})
	query := back.StartSpan("query", opentracing.ChildOf(handle.Context()))
	query.LogFields(log.Event("retry"), log.Int("attempt", 2))
	query.SetTag("error", true)
	time.Sleep(2 * time.Millisecond) // long enough to be seen in the span's duration
	query.Finish()
	handle.Finish()
	call.Finish()
	took := time.Since(began)
	for _, flush := range []io.Closer{flushBack, flushFront} {
		if err := flush.Close(); err != nil {
			t.Error(err)
		}
	}

	id, _, _ := strings.Cut(sent, ":")
	id = strings.Repeat("0", 32-len(id)) + id
	var got trace
	eventually(t, "the trace is in Jaeger", func() (err error) {
		if got, err = getTrace(t, j.query, id); err == nil && len(got.Spans) != 3 {
			err = fmt.Errorf("%d spans, want 3", len(got.Spans))
		}
		return err
	})
	if diff := got.differs("front client GET /orders\n  back server GET /orders\n    back internal query ERROR\n"); diff != "" {
		t.Error(diff)
	}
	for _, s := range got.Spans {
		if s.tag("span.kind") == "server" && s.tag("order.id") != "7" {
			t.Errorf("the server's span has the tags %v", s.Tags)
		}
	}
	checkQuery(t, j, id, took)
}

// checkQuery looks at the parts of the span "query" that are not in its place
// in the trace.
func checkQuery(t *testing.T, j jaeger, id string, most time.Duration) {
	t.Helper()
	found, err := fetch[[]struct {
		Spans     []legacySpan `json:"spans"`
		Processes map[string]struct {
			Tags []tag `json:"tags"`
		} `json:"processes"`
	}](t, j.query+"/api/traces/"+id)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found[0].Spans {
		if s.OperationName != "query" {
			continue
		}
		if s.Duration < 2000 || s.Duration > most.Microseconds() {
			t.Errorf("the span took %d µs, want 2000 to %d", s.Duration, most.Microseconds())
		}
		if len(s.Logs) != 1 {
			t.Fatalf("the span has the logs %v", s.Logs)
		}
		fields := map[string]string{}
		for _, f := range s.Logs[0].Fields {
			fields[f.Key] = fmt.Sprint(f.Value)
		}
		if diff := gocmp.Diff(map[string]string{"event": "retry", "attempt": "2"}, fields); diff != "" {
			t.Error(diff)
		}
	}
	for name, p := range found[0].Processes {
		if (span{Tags: p.Tags}).tag("version") != "1.2" {
			t.Errorf("process %s has the tags %v", name, p.Tags)
		}
	}
}

// TestLokiClientGo: what the retired client pushes, in both of its encodings,
// is forwarded as OTLP, and is in the real Loki with its labels and its time.
func TestLokiClientGo(t *testing.T) {
	backend := startLoki(t)
	c := startLegacyCollector(t, "", string(backend)+"/otlp")
	at := time.Now()
	want := map[string]line{}
	for _, encoding := range []string{"snappy", "json"} {
		cfg, err := loki.NewDefaultConfig("http://" + c.loki + "/loki/api/v1/push")
		if err != nil {
			t.Fatal(err)
		}
		cfg.TenantID, cfg.EncodeJson, cfg.BatchWait = "team-a", encoding == "json", 10*time.Millisecond
		client, err := loki.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		labels := model.LabelSet{"job": "shop", "encoding": model.LabelValue(encoding)}
		text := "order placed, as " + encoding
		if err := client.HandleWithMetadata(labels, at, text, push.LabelsAdapter{{Name: "order", Value: "7"}}); err != nil {
			t.Fatal(err)
		}
		client.Stop() // it sends what it has
		want[text] = line{Text: text, At: time.Unix(0, at.UnixNano()), Labels: map[string]string{
			"job": "shop", "encoding": encoding, "loki_tenant": "team-a", "service_name": "shop",
		}}
		if encoding == "snappy" {
			want[text].Labels["order"] = "7" // the client leaves metadata out of JSON
		}
	}
	eventually(t, "Loki has both lines", func() error {
		lines, err := backend.lines(t, `{service_name="shop"}`)
		if err != nil {
			return err
		}
		got := map[string]line{}
		for _, l := range lines {
			for name := range l.Labels { // what Loki itself adds is its own affair
				if strings.HasPrefix(name, "detected_") || strings.HasPrefix(name, "__") {
					delete(l.Labels, name)
				}
			}
			got[l.Text] = l
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			return fmt.Errorf("lines differ (-want +got):\n%s", diff)
		}
		return nil
	})
}
