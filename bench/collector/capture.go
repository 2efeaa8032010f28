package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/tracegen"
)

// tracesPerRequest is how many traces have spansPerRequest spans for certain.
const tracesPerRequest = 40

const (
	// slowTrace is what makes a trace slow.
	slowTrace = 500 * time.Millisecond
	// One trace in everyError is made to have an error, and another in everySlow
	// to be slow, where enough of them are neither by themselves.
	everyError, everySlow = 20, 25
)

// captured are the spans of some traces, in the order of their traces.
type captured []capturedSpan

type capturedSpan struct {
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
	span     *tracepb.Span
	service  int // a number for resource and scope, in the order in which they came
}

// capture has tracegen make the traces of so many groups.
func capture(ctx context.Context, groups, parts int) ([]captured, error) {
	var mu sync.Mutex
	var requests [][]byte
	s, err := startSink(ctx, endpoints{}, func(_ string, payload []byte) error {
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, slices.Clone(payload))
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	cfg := tracegen.DefaultConfig()
	cfg.Protocol, cfg.Endpoint = tracegen.GRPC, s.at.grpc
	cfg.Rate, cfg.Workers = 0, 1
	cfg.Batch, cfg.Traces = tracesPerRequest, uint64(groups*parts*tracesPerRequest)
	report, err := tracegen.Run(ctx, cfg, nil)
	if err == nil && !report.Complete() {
		err = fmt.Errorf("some were not taken: %v", report.Errors)
	}
	if err != nil {
		return nil, fmt.Errorf("have traces made: %w", err)
	}
	traces, err := gather(requests)
	if err != nil {
		return nil, err
	}
	var all []captured
	for group := range slices.Chunk(traces, parts*tracesPerRequest) {
		all = append(all, slices.Concat(group...))
	}
	return all, nil
}

// gather puts together what requests have of each trace.
func gather(requests [][]byte) ([]captured, error) {
	var traces []captured
	known, services := map[string]int{}, map[string]int{}
	for _, request := range requests {
		var decoded coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(request, &decoded); err != nil {
			return nil, fmt.Errorf("decode a request of tracegen: %w", err)
		}
		for _, resource := range decoded.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				key := resource.GetResource().String() + scope.GetScope().String()
				if _, ok := services[key]; !ok {
					services[key] = len(services)
				}
				for _, span := range scope.GetSpans() {
					id := string(span.GetTraceId())
					if _, ok := known[id]; !ok {
						known[id] = len(traces)
						traces = append(traces, nil)
					}
					t := &traces[known[id]]
					*t = append(*t, capturedSpan{resource.GetResource(), scope.GetScope(), span, services[key]})
				}
			}
		}
	}
	for i, t := range traces {
		t.change(i)
	}
	return traces, nil
}

// change gives the spans of one trace the attributes that the instrumentation
// of a busier shop would add, and makes some traces fail, and some slow.
func (c captured) change(trace int) {
	for _, s := range c {
		s.span.Attributes = append(s.span.GetAttributes(), busier(s.span)...)
	}
	last := c[len(c)-1].span
	switch {
	case trace%everyError == 3:
		last.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
	case trace%everySlow == 4:
		last.EndTimeUnixNano = max(last.GetEndTimeUnixNano(), c[0].span.GetStartTimeUnixNano()+2*uint64(slowTrace))
	}
}

func busier(span *tracepb.Span) []*commonpb.KeyValue {
	text := func(key, value string) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
	}
	return []*commonpb.KeyValue{
		text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"),
		text("network.peer.address", fmt.Sprintf("10.42.%d.%d", span.GetSpanId()[6], span.GetSpanId()[7])),
	}
}

// split makes requests of spansPerRequest spans, service by service, so that a
// trace is in several where there are several. It says which of the traces are
// wanted. What is too much is left out, so the last trace may lack spans.
func (c captured) split(parts int) (requests [][]byte, wanted map[string]bool, err error) {
	if len(c) < parts*spansPerRequest {
		return nil, nil, fmt.Errorf("tracegen made %d of %d spans", len(c), parts*spansPerRequest)
	}
	c = c[:parts*spansPerRequest]
	wanted = c.wanted()
	slices.SortStableFunc(c, func(a, b capturedSpan) int { return a.service - b.service })
	for spans := range slices.Chunk(c, spansPerRequest) {
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(spans.request())
		if err != nil {
			return nil, nil, err
		}
		requests = append(requests, encoded)
	}
	return requests, wanted, nil
}

// wanted are the ids of traces with an error, and of those that are slow.
func (c captured) wanted() map[string]bool {
	type extent struct{ start, end uint64 }
	wanted, extents := map[string]bool{}, map[string]extent{}
	for _, s := range c {
		id := string(s.span.GetTraceId())
		if s.span.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			wanted[id] = true
		}
		e, known := extents[id]
		if !known || s.span.GetStartTimeUnixNano() < e.start {
			e.start = s.span.GetStartTimeUnixNano()
		}
		e.end = max(e.end, s.span.GetEndTimeUnixNano())
		extents[id] = e
		if e.end-e.start > uint64(slowTrace) {
			wanted[id] = true
		}
	}
	return wanted
}

func (c captured) request() *coltracepb.ExportTraceServiceRequest {
	r := &coltracepb.ExportTraceServiceRequest{}
	var scope *tracepb.ScopeSpans
	for i, s := range c {
		if i == 0 || s.service != c[i-1].service {
			scope = &tracepb.ScopeSpans{Scope: s.scope}
			r.ResourceSpans = append(r.ResourceSpans, &tracepb.ResourceSpans{Resource: s.resource, ScopeSpans: []*tracepb.ScopeSpans{scope}})
		}
		scope.Spans = append(scope.Spans, s.span)
	}
	return r
}
