package tracegen

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
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

func TestTracesAreWhole(t *testing.T) {
	now := time.Now()
	request, spans := newEncoder(newShop()).request(1, order{n: 500}, now)
	traces := decode(t, request)
	if len(traces) != 500 {
		t.Fatalf("got %d traces, want 500", len(traces))
	}
	total := 0
	for _, trace := range traces {
		total += len(trace)
		checkTrace(t, trace, now)
	}
	if total != spans {
		t.Errorf("the request holds %d spans, and says %d", total, spans)
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

// An order that is confirmed passes all services, and its declined card is an
// error where the shop has one.
func TestScenarios(t *testing.T) {
	s := newShop()
	for _, test := range []struct {
		scenario string
		services []string
		failed   []string
	}{
		{"confirmed", []string{"gateway", "inventory", "notification", "order", "payment", "psp", "user"}, nil},
		{
			"declined",
			[]string{"gateway", "inventory", "notification", "order", "payment", "psp", "user"},
			[]string{
				"gateway shop.order.v1.OrderService/CreateOrder", "order place order",
				"order shop.payment.v1.PaymentService/Charge", "payment POST",
			},
		},
		{
			"out of stock",
			[]string{"gateway", "inventory", "notification", "order", "user"},
			[]string{
				"gateway shop.order.v1.OrderService/CreateOrder", "order place order",
				"order shop.inventory.v1.InventoryService/Reserve",
			},
		},
		{"looked at", []string{"gateway", "order"}, nil},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			i := slices.IndexFunc(s.scenarios, func(c scenario) bool { return c.name == test.scenario })
			e := newEncoder(&shop{scenarios: s.scenarios[i : i+1], services: s.services, weights: s.scenarios[i].weight})
			request, _ := e.request(1, order{n: 1}, time.Now())
			services, failed := map[string]bool{}, []string(nil)
			for _, trace := range decode(t, request) {
				for _, s := range trace {
					services[s.service] = true
					if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
						failed = append(failed, s.service+" "+s.GetName())
					}
				}
			}
			slices.Sort(failed)
			if diff := cmp.Diff(test.failed, failed); diff != "" {
				t.Errorf("failed spans (-want +got):\n%s", diff)
			}
			for _, service := range test.services {
				if !services[service] {
					t.Errorf("%s has no span", service)
				}
			}
			if len(services) != len(test.services) {
				t.Errorf("services = %v, want %v", services, test.services)
			}
		})
	}
}

func TestTheSameSeedMakesTheSameTraces(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	whole, _ := newEncoder(newShop()).request(7, order{first: 0, n: 20}, now)
	// Whoever makes a trace, and beside which others, it is the same.
	e := newEncoder(newShop())
	_, _ = e.request(99, order{first: 3, n: 5}, now)
	part, _ := e.request(7, order{first: 11, n: 1}, now)
	all := decode(t, whole)
	for id, got := range decode(t, part) {
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
	other, _ := newEncoder(newShop()).request(8, order{first: 11, n: 1}, now)
	if bytes.Equal(part, other) {
		t.Error("another seed makes the same trace")
	}
}

func TestEncodingUsesItsMemoryAgain(t *testing.T) {
	e := newEncoder(newShop())
	now := time.Now()
	o := order{n: 25}
	for range 5 {
		e.request(1, o, now)
	}
	// What is drawn for each trace, its spans and their event times: nothing
	// for an attribute.
	if perTrace := testing.AllocsPerRun(20, func() { e.request(1, o, now) }) / 25; perTrace > 30 {
		t.Errorf("%.0f allocations a trace, want 30 at most", perTrace)
	}
}

func BenchmarkEncode(b *testing.B) {
	e := newEncoder(newShop())
	now := time.Now()
	b.ReportAllocs()
	spans := 0
	for b.Loop() {
		request, n := e.request(1, order{n: 25}, now)
		spans += n
		b.SetBytes(int64(len(request)))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(spans), "ns/span")
}
