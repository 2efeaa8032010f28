package derive

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/tracegen"
)

// shopLoad has the generator make traces of the shop, and returns the requests
// as the journal would hold them, a millisecond apart.
func shopLoad(t testing.TB, traces uint64) ([]journal.Record, tracegen.Report) {
	t.Helper()
	var mu sync.Mutex
	var records []journal.Record
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		at := noon.Add(time.Duration(len(records)) * time.Millisecond)
		records = append(records, journal.Record{Signal: journal.Traces, Time: at, Payload: body})
	}))
	defer server.Close()
	cfg := tracegen.DefaultConfig()
	cfg.Endpoint, cfg.Rate, cfg.Traces, cfg.Duration = server.URL, 0, traces, 0
	report, err := tracegen.Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() {
		t.Fatalf("%+v, %v", report, err)
	}
	return records, report
}

// tally is what one set of labels comes to.
type tally struct {
	Count   uint64
	Seconds float64
}

func (a *tally) add(s *tracepb.Span) {
	a.Count++
	a.Seconds += float64(s.GetEndTimeUnixNano()-s.GetStartTimeUnixNano()) / 1e9
}

// truth counts in the plainest way, with all of the load at hand.
type truth struct {
	red   map[string]tally
	edges map[string]tally
}

type sent struct {
	*tracepb.Span
	service string
}

func (s sent) attribute(key string) string {
	for _, a := range s.GetAttributes() {
		if a.GetKey() == key {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

func countPlainly(t *testing.T, records []journal.Record) truth {
	t.Helper()
	spans := map[string]sent{}
	for _, r := range records {
		var request coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(r.Payload, &request); err != nil {
			t.Fatal(err)
		}
		for _, rs := range request.GetResourceSpans() {
			service := ""
			for _, a := range rs.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, ss := range rs.GetScopeSpans() {
				for _, s := range ss.GetSpans() {
					spans[string(s.GetTraceId())+string(s.GetSpanId())] = sent{s, service}
				}
			}
		}
	}
	found := truth{map[string]tally{}, map[string]tally{}}
	count := func(m map[string]tally, key string, s sent) {
		a := m[key]
		a.add(s.Span)
		m[key] = a
	}
	for _, s := range spans {
		count(found.red, fmt.Sprint(s.service, "|", s.GetKind(), "|", s.GetName(), "|", s.GetStatus().GetCode()), s)
		caller, called := spans[string(s.GetTraceId())+string(s.GetParentSpanId())]
		switch s.GetKind() {
		case serverKind:
			if !called {
				count(found.edges, "user (virtual)>"+s.service+":virtual_node", s) // The shop has a service user.
			} else if caller.GetKind() == clientKind {
				count(found.edges, caller.service+">"+s.service+":", s)
			}
		case consumerKind:
			count(found.edges, caller.service+">"+s.service+":messaging_system", s)
		case clientKind:
			if system := s.attribute("db.system.name"); system != "" {
				count(found.edges, s.service+">"+system+"/"+s.attribute("db.namespace")+":database", s)
			}
		}
	}
	return found
}

// TestCountsAreTheLoads holds every series and edge against a plain count of
// what the generator has sent.
func TestCountsAreTheLoads(t *testing.T) {
	records, report := shopLoad(t, 400)
	want := countPlainly(t, records)
	s := newTestGraph(func(*Config) {})
	for i := range records {
		s.count(time.Now(), records[i:i+1])
	}
	red := map[string]tally{}
	sum := uint64(0)
	for k, series := range s.red.table.series {
		red[fmt.Sprint(k.service, "|", kindLabel(k.kind), "|", k.name, "|", codeLabel(k.code))] = tally{series.count, series.sum}
		sum += series.count
	}
	edges := map[string]tally{}
	for k, e := range s.graph.edges.edges {
		if e.requests != e.server.count {
			t.Errorf("%v: %d requests, %d durations", k, e.requests, e.server.count)
		}
		edges[k.client+">"+k.server+":"+k.kind.label()] = tally{e.requests, e.server.sum}
	}
	near := cmpopts.EquateApprox(1e-9, 0)
	if diff := cmp.Diff(want.red, red, near); diff != "" {
		t.Errorf("RED (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.edges, edges, near); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	if sum != report.Acknowledged.Spans || testutil.ToFloat64(s.meters.spans) != float64(sum) {
		t.Errorf("%d spans counted, %d acknowledged", sum, report.Acknowledged.Spans)
	}
	if len(edges) != 13 || testutil.ToFloat64(s.meters.unpaired)+testutil.ToFloat64(s.meters.evicted) > 0 {
		t.Errorf("%d edges, %v spans unpaired", len(edges), testutil.ToFloat64(s.meters.unpaired))
	}
}

// TestSampledCountsAreTheLoads keeps the part of the traces whose random bits
// allow it, and has those that are left stand for all.
func TestSampledCountsAreTheLoads(t *testing.T) {
	all, report := shopLoad(t, 2000)
	s := newTestGraph(func(*Config) {})
	kept := 0
	for _, r := range all {
		var request coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(r.Payload, &request); err != nil {
			t.Fatal(err)
		}
		for _, rs := range request.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				spans := ss.GetSpans()[:0]
				for _, span := range ss.GetSpans() {
					if span.GetTraceId()[9]&3 == 3 { // One of four.
						span.TraceState = "other=1,ot=rv:ffffffffffffff;th:c"
						spans = append(spans, span)
					}
				}
				ss.Spans = spans
				kept += len(spans)
			}
		}
		payload, err := proto.Marshal(&request)
		if err != nil {
			t.Fatal(err)
		}
		s.count(time.Now(), []journal.Record{{Signal: journal.Traces, Time: r.Time, Payload: payload}})
	}
	sum := uint64(0)
	for _, series := range s.red.table.series {
		sum += series.count
	}
	if sum != uint64(4*kept) {
		t.Errorf("%d spans count as %d, want four times as many", kept, sum)
	}
	// 2,000 traces, a quarter of them: five standard deviations are 20 %.
	if off := math.Abs(float64(sum)/float64(report.Made.Spans) - 1); off > 0.2 {
		t.Errorf("%d spans are estimated as %d", report.Made.Spans, sum)
	}
}
