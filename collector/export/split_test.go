package export

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// paths are the items of a request of traces, each with who it belongs to.
func paths(t testing.TB, payload []byte) []string {
	t.Helper()
	var request coltracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(payload, &request); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range request.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				all = append(all, fmt.Sprint(r.GetResource(), r.GetSchemaUrl(), s.GetScope(), s.GetSchemaUrl(), span.GetName()))
			}
		}
	}
	return all
}

// nested is a request with so many resources, scopes in each, and spans in each
// of those.
func nested(t testing.TB, resources, scopes, spans int) []byte {
	t.Helper()
	request := &coltracepb.ExportTraceServiceRequest{}
	for r := range resources {
		rs := &tracepb.ResourceSpans{
			Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: fmt.Sprint("resource ", r)}}},
			SchemaUrl: "schema",
		}
		for s := range scopes {
			ss := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: fmt.Sprint("scope ", s)}, SchemaUrl: "scoped"}
			for i := range spans {
				ss.Spans = append(ss.Spans, &tracepb.Span{Name: fmt.Sprint("span ", r, s, i, strings.Repeat("x", i*10))})
			}
			rs.ScopeSpans = append(rs.ScopeSpans, ss)
		}
		request.ResourceSpans = append(request.ResourceSpans, rs)
	}
	payload, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestSplit(t *testing.T) {
	for _, shape := range [][3]int{{2, 1, 1}, {5, 2, 3}, {1, 2, 1}, {1, 3, 4}, {1, 1, 2}, {1, 1, 9}} {
		record := journal.Record{
			Offset: 10, Next: 20, Signal: journal.Traces, Items: uint32(shape[0] * shape[1] * shape[2]),
			Payload: nested(t, shape[0], shape[1], shape[2]),
		}
		first, second, ok := split(record)
		if !ok {
			t.Errorf("%v: not split", shape)
			continue
		}
		if diff := cmp.Diff(paths(t, record.Payload), append(paths(t, first.Payload), paths(t, second.Payload)...)); diff != "" {
			t.Errorf("%v: %s", shape, diff)
		}
		for _, part := range []journal.Record{first, second} {
			if n, err := wire.CountSpans(part.Payload); err != nil || n != int(part.Items) || n == 0 || len(part.Payload) >= len(record.Payload) {
				t.Errorf("%v: a part of %d spans, said to be %d, in %d of %d bytes: %v", shape, n, part.Items, len(part.Payload), len(record.Payload), err)
			}
		}
		if first.Next != 10 || second.Next != 20 {
			t.Errorf("%v: the cursor moves to %d, then to %d", shape, first.Next, second.Next)
		}
	}
	for name, payload := range map[string][]byte{
		"one span": nested(t, 1, 1, 1), "no span": nested(t, 1, 1, 0), "nothing": nil, "garbage": []byte("\x0a\xff"),
	} {
		if _, _, ok := split(journal.Record{Signal: journal.Traces, Items: 1, Payload: payload}); ok {
			t.Errorf("%s: split", name)
		}
	}
}

func TestSplitCountsEachSignal(t *testing.T) {
	payload, err := proto.Marshal(&collogspb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: []*logspb.LogRecord{{SeverityText: "a"}, {SeverityText: "b"}, {SeverityText: "c"}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	first, second, ok := split(journal.Record{Signal: journal.Logs, Items: 3, Payload: payload})
	if !ok || first.Items != 2 || second.Items != 1 {
		t.Errorf("%v %v %v", first, second, ok)
	}
}

// TestARequestThatIsTooLarge comes from a client that may send more than the
// backend takes.
func TestARequestThatIsTooLarge(t *testing.T) {
	r := newRigWith(t, GRPC, exporttest.NewGRPC(t, grpc.MaxRecvMsgSize(100<<10)))
	r.cfg.Traces[0].Compression = NoCompression
	var names, want []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("%010000d", i))
		want = append(want, names[i])
		if i == 50 {
			names[i], want = strings.Repeat("x", 200<<10), want[:50]
		}
	}
	r.append(names...)
	r.start()
	r.waitFor(want...)
	r.waitCommitted()
	if sent, aside := r.items("sent"), r.items("dead_lettered"); sent != 99 || aside != 1 {
		t.Errorf("%v items sent and %v set aside, want 99 and 1", sent, aside)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(nested(f, 2, 2, 2))
	f.Add(nested(f, 1, 1, 3))
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, err := wire.CountSpans(payload)
		if err != nil {
			_, _, _ = split(journal.Record{Signal: journal.Traces, Payload: payload}) // It must not panic.
			return
		}
		first, second, ok := split(journal.Record{Signal: journal.Traces, Items: uint32(n), Payload: payload})
		if !ok {
			return
		}
		if diff := cmp.Diff(paths(t, payload), append(paths(t, first.Payload), paths(t, second.Payload)...)); diff != "" {
			t.Error(diff)
		}
	})
}
