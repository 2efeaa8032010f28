package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// series is what spans are counted by: for calls a service, a span's name, its
// kind and its status; for the service graph a client and a server.
type series [4]string

// counts are of spans, or of requests between services.
type counts map[series]uint64

// differ says in how many series two counts are not the same, and how many spans
// are too few and too many together.
func (c counts) differ(other counts) (in int, by uint64) {
	for s, n := range c {
		if m := other[s]; m != n {
			in++
			by += max(m, n) - min(m, n)
		}
	}
	for s, m := range other {
		if _, ok := c[s]; !ok {
			in++
			by += m
		}
	}
	return in, by
}

// of is those of the series that other has, too.
func (c counts) of(other counts) counts {
	both := counts{}
	for s, n := range c {
		if _, ok := other[s]; ok {
			both[s] = n
		}
	}
	return both
}

// expected are the calls that were acknowledged, and the requests from service to
// service of which both spans were.
func (l *ledger) expected(w *work) (calls, edges counts, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := make([]uint64, len(w.templates))
	for n := range l.requests {
		if l.requests[n].acknowledged {
			times[n%len(times)]++
		}
	}
	calls, edges = counts{}, counts{}
	for i, t := range w.templates {
		var request coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(t.bytes, &request); err != nil {
			return nil, nil, err
		}
		once, pairs := count(&request)
		for s, n := range once {
			calls[s] += n * times[i]
		}
		for s, n := range pairs {
			edges[s] += n * times[i]
		}
	}
	return calls, edges, nil
}

// count counts what one request has.
func count(request *coltracepb.ExportTraceServiceRequest) (calls, edges counts) {
	calls, edges = counts{}, counts{}
	clients := map[string]string{}
	each := func(visit func(service string, span *tracepb.Span)) {
		for _, resource := range request.GetResourceSpans() {
			service := text(resource.GetResource().GetAttributes(), "service.name")
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					visit(service, span)
				}
			}
		}
	}
	each(func(service string, span *tracepb.Span) {
		calls[series{service, span.GetName(), span.GetKind().String(), span.GetStatus().GetCode().String()}]++
		if span.GetKind() == tracepb.Span_SPAN_KIND_CLIENT {
			clients[string(span.GetTraceId())+string(span.GetSpanId())] = service
		}
	})
	each(func(service string, span *tracepb.Span) {
		client, ok := clients[string(span.GetTraceId())+string(span.GetParentSpanId())]
		if ok && span.GetKind() == tracepb.Span_SPAN_KIND_SERVER {
			edges[series{client, service}]++
		}
	})
	return calls, edges
}

func text(attributes []*commonpb.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// exported has the counts that were sent last as OTLP metrics. It is safe for
// concurrent use.
type exported struct {
	mu    sync.Mutex
	calls counts
}

// take takes what a sink was sent: cumulative sums, all that there are. Two
// instances of a service have two of the same name.
func (e *exported) take(request []byte) error {
	var decoded colmetricspb.ExportMetricsServiceRequest
	if err := proto.Unmarshal(request, &decoded); err != nil {
		return err
	}
	calls := counts{}
	for _, resource := range decoded.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				if metric.GetName() != "traces.span.metrics.calls" {
					continue
				}
				for _, p := range metric.GetSum().GetDataPoints() {
					of := func(key string) string { return text(p.GetAttributes(), key) }
					calls[series{of("service.name"), of("span.name"), of("span.kind"), of("status.code")}] += uint64(p.GetAsInt())
				}
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = calls
	return nil
}

func (e *exported) read(context.Context) (calls, edges counts, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.calls), nil, nil
}

// scrape reads the counts at an address, as Prometheus does.
func scrape(ctx context.Context, address string) (calls, edges counts, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("a scrape is answered %s", response.Status)
	}
	decoder := expfmt.NewDecoder(response.Body, expfmt.ResponseFormat(response.Header))
	calls, edges = counts{}, counts{}
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
			return calls, edges, nil
		} else if err != nil {
			return nil, nil, err
		}
		for _, m := range family.GetMetric() {
			of := func(name string) string {
				for _, l := range m.GetLabel() {
					if l.GetName() == name {
						return l.GetValue()
					}
				}
				return ""
			}
			switch family.GetName() {
			case "traces_span_metrics_calls_total":
				calls[series{of("service_name"), of("span_name"), of("span_kind"), of("status_code")}] += uint64(m.GetCounter().GetValue())
			case "traces_service_graph_request_total":
				if of("connection_type") == "" {
					edges[series{of("client"), of("server")}] += uint64(m.GetCounter().GetValue())
				}
			}
		}
	}
}
