package derive

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	serverKind   = tracepb.Span_SPAN_KIND_SERVER
	clientKind   = tracepb.Span_SPAN_KIND_CLIENT
	producerKind = tracepb.Span_SPAN_KIND_PRODUCER
	consumerKind = tracepb.Span_SPAN_KIND_CONSUMER
)

// noon is when the tests' collector receives.
var noon = time.Unix(1_700_000_000, 0)

func spanID(n int) []byte {
	if n == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(n))
}

// option changes a span.
type option func(*tracepb.Span)

func at(id, parent int) option {
	return func(s *tracepb.Span) { s.SpanId, s.ParentSpanId = spanID(id), spanID(parent) }
}

func failed(s *tracepb.Span) { s.Status.Code = tracepb.Status_STATUS_CODE_ERROR }

func tracestate(text string) option { return func(s *tracepb.Span) { s.TraceState = text } }

func took(ms uint64) option {
	return func(s *tracepb.Span) { s.EndTimeUnixNano = s.StartTimeUnixNano + ms*1e6 }
}

func attr(key, value string) option {
	return func(s *tracepb.Span) {
		s.Attributes = append(s.Attributes, &commonpb.KeyValue{
			Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}},
		})
	}
}

// linked points at a span of the same trace, or of another.
func linked(trace string, id int) option {
	return func(s *tracepb.Span) {
		traceID := s.TraceId
		if trace != "" {
			traceID = []byte(trace)
		}
		s.Links = append(s.Links, &tracepb.Span_Link{TraceId: traceID, SpanId: spanID(id)})
	}
}

func inTrace(id string) option { return func(s *tracepb.Span) { s.TraceId = []byte(id) } }

func make1(kind tracepb.Span_SpanKind, options ...option) *tracepb.Span {
	s := span("op", kind, tracepb.Status_STATUS_CODE_UNSET, 10)
	for _, change := range options {
		change(s)
	}
	return s
}

// arrived is a record of one service's spans that came some time after noon.
func arrived(t testing.TB, after time.Duration, service string, spans ...*tracepb.Span) journal.Record {
	r := record(t, service, spans...)
	r.Time = noon.Add(after)
	return r
}

// drawn are the graph's counters, by client, server and type, with what failed
// behind a slash where something did.
func drawn(s *scan) map[string]string {
	got := map[string]string{}
	for k, e := range s.graph.edges.edges {
		name, n := fmt.Sprintf("%s>%s:%s", k.client, k.server, k.kind.label()), strconv.FormatUint(e.requests, 10)
		if e.failed > 0 {
			n += fmt.Sprintf("/%d", e.failed)
		}
		got[name] = n
	}
	return got
}

func newTestGraph(change func(*Config)) *scan {
	cfg := DefaultConfig()
	change(&cfg)
	return newScan(cfg, newMeters())
}

func TestGraph(t *testing.T) {
	const otherTrace = "fedcba9876543210"
	late := 11 * time.Second
	for name, test := range map[string]struct {
		records           []journal.Record
		want              map[string]string
		unpaired, pending int
	}{
		"client first": {
			records: []journal.Record{
				arrived(t, 0, "a", make1(clientKind, at(1, 0), attr("server.address", "b.internal"))),
				arrived(t, time.Second, "b", make1(serverKind, at(2, 1))),
			},
			want: map[string]string{"a>b:": "1"},
		},
		"server first": {
			records: []journal.Record{
				arrived(t, 0, "b", make1(serverKind, at(2, 1), failed)),
				arrived(t, 9*time.Second, "a", make1(clientKind, at(1, 0), attr("server.address", "b.internal"))),
			},
			want: map[string]string{"a>b:": "1/1"},
		},
		"too late": {
			records: []journal.Record{
				arrived(t, 0, "b", make1(serverKind, at(2, 1))),
				arrived(t, late, "a", make1(clientKind, at(1, 0), attr("server.address", "b.internal"))),
				arrived(t, 2*late, "c"),
			},
			want: map[string]string{"a>b.internal:virtual_node": "1"}, unpaired: 1,
		},
		"a clock that is set back": {
			records: []journal.Record{
				arrived(t, 0, "b", make1(serverKind, at(2, 1))),
				arrived(t, -time.Hour, "a", make1(clientKind, at(1, 0))),
				arrived(t, -time.Hour, "a", make1(clientKind, at(3, 0), attr("server.address", "b"))),
				arrived(t, -time.Hour+late, "c"),
			},
			want: map[string]string{"a>b:": "1", "a>b:virtual_node": "1"},
		},
		"records that overtake each other make no time": {
			records: func() (records []journal.Record) {
				records = append(records, arrived(t, 0, "b", make1(serverKind, at(2, 1))))
				for i := range 100 {
					records = append(records, arrived(t, time.Duration(i%2)*time.Second, "c"))
				}
				return records
			}(),
			want: map[string]string{}, pending: 1,
		},
		"one service calls itself": {
			records: []journal.Record{arrived(t, 0, "a", make1(clientKind, at(1, 0)), make1(serverKind, at(2, 1)))},
			want:    map[string]string{"a>a:": "1"},
		},
		"hedged: two servers before their client": {
			records: []journal.Record{
				arrived(t, 0, "b", make1(serverKind, at(2, 1)), make1(serverKind, at(3, 1))),
				arrived(t, 0, "a", make1(clientKind, at(1, 0))),
			},
			want: map[string]string{"a>b:": "2"},
		},
		"user": {
			records: []journal.Record{arrived(t, 0, "a", make1(serverKind, at(1, 0), failed), make1(serverKind, at(2, 0)))},
			want:    map[string]string{"user>a:virtual_node": "2/1"},
		},
		"databases do not wait": {
			records: []journal.Record{arrived(t, 0, "a",
				make1(clientKind, at(1, 0), attr("server.address", "10.0.0.1"), attr("db.system.name", "postgresql")),
				make1(clientKind, at(2, 0), attr("db.system", "redis")),
				make1(clientKind, at(3, 0), attr("db.system.name", "postgresql"), attr("peer.service", "orders-db"), failed))},
			want: map[string]string{"a>postgresql:database": "1", "a>redis:database": "1", "a>orders-db:database": "1/1"},
		},
		"nobody answers": {
			records: []journal.Record{
				arrived(t, 0, "a", make1(clientKind, at(1, 0), attr("server.address", "api.bank"), failed),
					make1(clientKind, at(2, 0)), make1(clientKind, at(3, 0), attr("server.address", "")),
					make1(clientKind, at(4, 0), attr("server.address", "10.0.0.9"), attr("peer.service", "bank"))),
				arrived(t, late, "c"),
			},
			want: map[string]string{"a>api.bank:virtual_node": "1/1", "a>bank:virtual_node": "1"}, unpaired: 2,
		},
		"messages by parent, by link, and by both": {
			records: []journal.Record{
				arrived(t, 0, "a", make1(producerKind, at(1, 0), attr("messaging.system", "nats"))),
				arrived(t, 0, "b", make1(consumerKind, at(2, 1))),
				arrived(t, 0, "c", make1(consumerKind, at(3, 0), inTrace(otherTrace), linked("0123456789abcdef", 1))),
				arrived(t, 0, "d", make1(consumerKind, at(4, 1), linked("", 1), failed)),
				arrived(t, 3*late, "z"),
			},
			want: map[string]string{"a>b:messaging_system": "1", "a>c:messaging_system": "1", "a>d:messaging_system": "1/1"},
		},
		"a batch of messages comes before its producers": {
			records: []journal.Record{
				arrived(t, 0, "b", make1(consumerKind, at(9, 8), linked("", 1), linked("", 2), linked("", 3), linked("", 0), linked("x", 1))),
				arrived(t, 0, "a", make1(producerKind, at(1, 0)), make1(producerKind, at(2, 0))),
				arrived(t, late, "z"),
			},
			// Of the third no producer came; that the parent did not is no news.
			want: map[string]string{"a>b:messaging_system": "2"}, unpaired: 1,
		},
		"a queue": {
			records: []journal.Record{
				arrived(t, 0, "a", make1(producerKind, at(1, 0), attr("messaging.system", "kafka"), attr("server.address", "10.0.0.3"))),
				arrived(t, 0, "b", make1(consumerKind, at(2, 0), attr("messaging.system", "kafka")), make1(consumerKind, at(3, 0))),
				arrived(t, late, "z"),
			},
			want: map[string]string{"a>kafka:messaging_system": "1", "kafka>b:messaging_system": "1", "user>b:virtual_node": "1"},
		},
		"what comes twice": {
			records: []journal.Record{
				arrived(t, 0, "a", make1(clientKind, at(1, 0), attr("server.address", "x")), make1(clientKind, at(1, 0), attr("server.address", "x"))),
				arrived(t, late, "z"),
			},
			want: map[string]string{"a>x:virtual_node": "1"},
		},
		"other kinds, and spans without ids": {
			records: []journal.Record{arrived(t, 0, "a",
				make1(tracepb.Span_SPAN_KIND_INTERNAL, at(1, 0)), make1(tracepb.Span_SPAN_KIND_UNSPECIFIED, at(2, 0)), make1(77, at(3, 0)),
				make1(serverKind, at(0, 0)), make1(serverKind, at(1, 0), inTrace("short")))},
			want: map[string]string{},
		},
		"sampled": {
			records: []journal.Record{
				arrived(t, 0, "a", make1(clientKind, at(1, 0), tracestate("ot=th:8"))),
				arrived(t, 0, "b", make1(serverKind, at(2, 1), tracestate("ot=th:c"))),
				arrived(t, 0, "b", make1(serverKind, at(3, 0), tracestate("ot=th:8"), failed)),
			},
			want: map[string]string{"a>b:": "4", "user>b:virtual_node": "2/2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestGraph(func(*Config) {})
			for i := range test.records {
				s.count(time.Now(), test.records[i:i+1])
			}
			if diff := cmp.Diff(test.want, drawn(s)); diff != "" {
				t.Error(diff)
			}
			if got := testutil.ToFloat64(s.meters.unpaired); got != float64(test.unpaired) {
				t.Errorf("%v spans unpaired, want %d", got, test.unpaired)
			}
			s.idle(noon.Add(time.Second)) // No time passes by it in any case.
			recount(t, s.graph.pairs)
			if strings.HasPrefix(name, "records that") && s.graph.pairs.held != test.pending {
				t.Errorf("%d spans wait, want %d", s.graph.pairs.held, test.pending)
			}
		})
	}
}

func TestGraphDurations(t *testing.T) {
	s := newTestGraph(func(*Config) {})
	s.count(time.Now(), []journal.Record{
		arrived(t, 0, "a", make1(clientKind, at(1, 0), took(30)), make1(clientKind, at(5, 0), took(70), attr("db.system.name", "sqlite"))),
		arrived(t, 0, "b", make1(serverKind, at(2, 1), took(20)), make1(serverKind, at(3, 0), took(50))),
	})
	type sides struct{ client, server float64 }
	got := map[string]sides{}
	for k, e := range s.graph.edges.edges {
		got[k.client+">"+k.server] = sides{e.client.sum, e.server.sum}
	}
	want := map[string]sides{"a>b": {0.03, 0.02}, "a>sqlite": {0.07, 0.07}, "user>b": {0, 0.05}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sides{})); diff != "" {
		t.Error(diff)
	}
	e := s.graph.edges.edges[edgeKey{"a", "b", call}]
	for side, id := range map[*histogram]int{&e.client: 1, &e.server: 2} {
		if got := side.newest(s.graph.edges.scale).GetLabel()[0].GetValue(); got != fmt.Sprintf("%016x", id) {
			t.Errorf("the exemplar leads to span %s, want %d", got, id)
		}
	}
}

// TestGraphSeesTimeByOtherSignals has nothing but logs come.
func TestGraphSeesTimeByOtherSignals(t *testing.T) {
	s := newTestGraph(func(*Config) {})
	s.count(noon, []journal.Record{
		arrived(t, 0, "a", make1(clientKind, at(1, 0), attr("server.address", "x"))),
		{Signal: journal.Logs, Time: noon.Add(10 * time.Second)},
	})
	if diff := cmp.Diff(map[string]string{"a>x:virtual_node": "1"}, drawn(s)); diff != "" {
		t.Error(diff)
	}
}

// TestGraphIdle has nothing come any more.
func TestGraphIdle(t *testing.T) {
	s := newTestGraph(func(*Config) {})
	s.count(noon, []journal.Record{arrived(t, 0, "a", make1(clientKind, at(1, 0), attr("server.address", "x")))})
	s.idle(noon.Add(9 * time.Second))
	if got := drawn(s); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	s.idle(noon.Add(10 * time.Second))
	if diff := cmp.Diff(map[string]string{"a>x:virtual_node": "1"}, drawn(s)); diff != "" {
		t.Error(diff)
	}
}

func TestGraphEdgesAreBoundedAndExpire(t *testing.T) {
	s := newTestGraph(func(c *Config) { c.Graph.MaxEdges, c.ExpireAfter = 100, time.Minute })
	for i := range 500 { // Two of each, one after the other.
		database := make1(clientKind, at(1+i, 0), attr("db.system.name", fmt.Sprint("db-", i/2)))
		s.count(noon, []journal.Record{arrived(t, 0, "a", database, make1(serverKind, at(1000+i, 0)))})
	}
	sum := uint64(0)
	for _, e := range s.graph.edges.edges {
		sum += e.requests
	}
	if n := len(s.graph.edges.edges); sum != 1000 || n > 100 {
		t.Errorf("%d requests at %d edges", sum, n)
	}
	over := s.graph.edges.edges[edgeKey{overflow, overflow, database}]
	if over == nil || over.requests != uint64(testutil.ToFloat64(s.meters.overflowedRequests)) || over.requests < 300 {
		t.Errorf("beyond the limit: %+v", over)
	}
	s.count(noon.Add(50*time.Second), []journal.Record{arrived(t, 0, "a", make1(serverKind, at(1, 0)))})
	if got := s.graph.snapshot(noon.Add(70 * time.Second)); len(got) != 3 {
		t.Errorf("after expiry %d metrics are there, want those of one edge with a server alone", len(got))
	}
	if got := testutil.ToFloat64(s.meters.expiredEdges); got < 90 {
		t.Errorf("%v edges expired", got)
	}
}

// TestTheUserIsNoService has a service of the name that the graph has for
// whoever sends no spans, before and after others called.
func TestTheUserIsNoService(t *testing.T) {
	first := arrived(t, 0, "gateway", make1(serverKind, at(1, 0)), make1(clientKind, at(2, 1)))
	second := arrived(t, 0, "user", make1(serverKind, at(3, 2)), make1(serverKind, at(4, 0)), make1(clientKind, at(5, 3), attr("db.system.name", "sqlite"), attr("db.namespace", "user")))
	third := arrived(t, 0, "user", make1(clientKind, at(6, 0), attr("server.address", "gateway")), make1(consumerKind, at(7, 0)))
	want := map[string]string{
		"user (virtual)>gateway:virtual_node": "1", "user (virtual)>user:virtual_node": "2", "gateway>user:": "1",
		"user>sqlite/user:database": "1", "user>gateway:virtual_node": "1",
	}
	for _, records := range [][]journal.Record{{first, second, third}, {third, second, first}} {
		s := newTestGraph(func(c *Config) { c.ExpireAfter = 0 })
		s.count(noon, records)
		s.idle(noon.Add(time.Hour))
		if diff := cmp.Diff(want, drawn(s)); diff != "" {
			t.Error(diff)
		}
		requests := families(t, s)["traces_service_graph_request_total"].GetMetric()
		if len(requests) != len(want) {
			t.Errorf("%d series of %d edges: %v", len(requests), len(want), requests)
		}
	}
	s := newTestGraph(func(c *Config) { c.Graph.UserNode = "browser" })
	s.count(noon, []journal.Record{first, second})
	if got := drawn(s); got["browser>gateway:virtual_node"] != "1" || got["browser>user:virtual_node"] != "1" || got["gateway>user:"] != "1" {
		t.Errorf("with another name: %v", got)
	}
}
