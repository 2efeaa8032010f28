package tracegen

import (
	"bytes"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

// placed is a span as its receiver sees it.
type placed struct {
	*tracepb.Span
	service string
}

// decode reads a request with the generated decoder.
func decode(t *testing.T, request []byte) map[string][]placed {
	t.Helper()
	var message collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(request, &message); err != nil {
		t.Fatal(err)
	}
	traces := map[string][]placed{}
	for _, rs := range message.GetResourceSpans() {
		attributes := rs.GetResource().GetAttributes()
		if attributes[0].GetKey() != "service.name" {
			t.Fatalf("resource = %v", attributes)
		}
		service := attributes[0].GetValue().GetStringValue()
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				traces[string(s.GetTraceId())] = append(traces[string(s.GetTraceId())], placed{s, service})
			}
		}
	}
	return traces
}

func shop(t testing.TB) *program {
	t.Helper()
	shop, err := topology.Builtin("shop")
	if err != nil {
		t.Fatal(err)
	}
	return newProgram(shop)
}

func TestTracesAreWhole(t *testing.T) {
	now := time.Now()
	e := newEncoder(shop(t))
	for o := (order{n: 500}); o.n > 0; {
		b := e.encode(1, o, now)
		traces := decode(t, b.request)
		if len(traces) != b.traces || b.traces == 0 || len(b.request) > maxRequest*11/10 {
			t.Fatalf("%d bytes hold %d traces, and say %d", len(b.request), len(traces), b.traces)
		}
		total := 0
		for _, trace := range traces {
			total += len(trace)
			checkTrace(t, trace, now)
		}
		if total != b.spans {
			t.Errorf("the request holds %d spans, and says %d", total, b.spans)
		}
		o.first, o.n = o.first+uint64(b.traces), o.n-b.traces
	}
}

// checkTrace holds a trace to what any receiver may expect of one.
func checkTrace(t *testing.T, trace []placed, now time.Time) {
	t.Helper()
	byID := map[string]placed{}
	for _, s := range trace {
		if len(s.GetTraceId()) != 16 || len(s.GetSpanId()) != 8 || byID[string(s.GetSpanId())].Span != nil {
			t.Fatalf("%s has bad ids", s.GetName())
		}
		byID[string(s.GetSpanId())] = s
	}
	roots := 0
	for _, s := range trace {
		if s.GetStartTimeUnixNano() >= s.GetEndTimeUnixNano() || s.GetEndTimeUnixNano() > uint64(now.UnixNano()) {
			t.Errorf("%s lasts from %d to %d, and it is %d", s.GetName(), s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano(), now.UnixNano())
		}
		if len(s.GetParentSpanId()) == 0 {
			roots++
			continue
		}
		parent := byID[string(s.GetParentSpanId())]
		if parent.Span == nil {
			t.Fatalf("%s has no parent", s.GetName())
		}
		if later := len(s.GetLinks()) > 0; later {
			if !bytes.Equal(s.GetLinks()[0].GetSpanId(), parent.GetSpanId()) || s.GetStartTimeUnixNano() < parent.GetEndTimeUnixNano() {
				t.Errorf("%s does not link to what caused it, or comes before its end", s.GetName())
			}
			continue
		}
		if s.GetStartTimeUnixNano() < parent.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() > parent.GetEndTimeUnixNano() {
			t.Errorf("%s is not within %s", s.GetName(), parent.GetName())
		}
		if crosses := s.service != parent.service; crosses != (s.GetKind() == tracepb.Span_SPAN_KIND_SERVER) {
			t.Errorf("%s of %s is a child of %s of %s", s.GetName(), s.service, parent.GetName(), parent.service)
		}
	}
	if roots != 1 {
		t.Errorf("the trace has %d roots", roots)
	}
}

func TestTheSameSeedMakesTheSameTraces(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	whole := newEncoder(shop(t)).encode(7, order{first: 0, n: 20}, now)
	// Whoever makes a trace, and beside which others, it is the same.
	e := newEncoder(shop(t))
	_ = e.encode(99, order{first: 3, n: 5}, now)
	part := e.encode(7, order{first: 11, n: 1}, now)
	all := decode(t, whole.request)
	for id, got := range decode(t, part.request) {
		want := all[id]
		if len(want) != len(got) {
			t.Fatalf("trace %x has %d spans, then %d", id, len(want), len(got))
		}
		for i := range got {
			if !proto.Equal(want[i].Span, got[i].Span) {
				t.Errorf("span %d differs:\n%v\n%v", i, want[i].Span, got[i].Span)
			}
		}
	}
	other := newEncoder(shop(t)).encode(8, order{first: 11, n: 1}, now)
	if bytes.Equal(part.request, other.request) {
		t.Error("another seed makes the same trace")
	}
}

func TestEncodingUsesItsMemoryAgain(t *testing.T) {
	e := newEncoder(shop(t))
	now := time.Now()
	o := order{n: 25}
	for range 5 {
		e.encode(1, o, now)
	}
	if allocs := testing.AllocsPerRun(20, func() { e.encode(1, o, now) }); allocs > 0 {
		t.Errorf("%.0f allocations a request, want none", allocs)
	}
}
