package tracegen

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/tracegen/recording"
)

func textOf(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

// recorded is two traces with all that a span may have; the second, which ends
// three seconds later, links to the first.
func recorded(t *testing.T) (*recording.Recording, *collector.ExportTraceServiceRequest) {
	t.Helper()
	one, two := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	const second = uint64(time.Second)
	request := &collector.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{
		{
			Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{textOf("service.name", "front")}},
			ScopeSpans: []*tracepb.ScopeSpans{{
				Scope: &commonpb.InstrumentationScope{Name: "lib", Version: "1"},
				Spans: []*tracepb.Span{{
					TraceId: one, SpanId: []byte("aaaaaaaa"), Name: "root", Kind: tracepb.Span_SPAN_KIND_SERVER, TraceState: "a=b", Flags: 257,
					StartTimeUnixNano: 100 * second, EndTimeUnixNano: 101 * second, Attributes: []*commonpb.KeyValue{textOf("k", "v")},
					Events: []*tracepb.Span_Event{{Name: "e", TimeUnixNano: 100*second + 7, Attributes: []*commonpb.KeyValue{textOf("e", "f")}}},
					Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "no"}, DroppedAttributesCount: 3,
				}},
			}},
		},
		{
			Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{textOf("service.name", "back")}},
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{
				{
					TraceId: one, SpanId: []byte("bbbbbbbb"), ParentSpanId: []byte("aaaaaaaa"), Name: "child", Kind: tracepb.Span_SPAN_KIND_CONSUMER,
					StartTimeUnixNano: 101 * second, EndTimeUnixNano: 102 * second,
					Links: []*tracepb.Span_Link{{TraceId: one, SpanId: []byte("aaaaaaaa"), Attributes: []*commonpb.KeyValue{textOf("l", "m")}}},
				},
				{
					TraceId: two, SpanId: []byte("bbbbbbbb"), Name: "other", StartTimeUnixNano: 104 * second, EndTimeUnixNano: 105 * second,
					Links: []*tracepb.Span_Link{{TraceId: one, SpanId: []byte("bbbbbbbb")}},
				},
			}}},
		},
	}}
	encoded, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	r := recording.New(0)
	if err := r.Add(encoded); err != nil {
		t.Fatal(err)
	}
	return r, request
}

// play makes so many traces of a recording.
func play(t *testing.T, r *recording.Recording, copies, n int, now time.Time) *collector.ExportTraceServiceRequest {
	t.Helper()
	made, err := newTape(r, copies)
	if err != nil {
		t.Fatal(err)
	}
	b := (&player{tape: made}).encode(9, order{n: n}, now)
	request := &collector.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(b.request, request); err != nil || b.traces != n {
		t.Fatalf("%d traces, %v", b.traces, err)
	}
	return request
}

func spansOf(r *collector.ExportTraceServiceRequest) (all []*tracepb.Span) {
	for _, rs := range r.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			all = append(all, ss.GetSpans()...)
		}
	}
	return all
}

// Played traces are those recorded, but for ids and times.
func TestPlayedTracesAreThoseRecorded(t *testing.T) {
	r, original := recorded(t)
	now := time.Unix(1_800_000_000, 0)
	played := play(t, r, 1, 2, now)
	blind := protocmp.IgnoreFields(&tracepb.Span{}, "trace_id", "span_id", "parent_span_id", "start_time_unix_nano", "end_time_unix_nano")
	want := spansOf(original)
	got := spansOf(played)
	if diff := cmp.Diff(want, got, protocmp.Transform(), blind,
		protocmp.IgnoreFields(&tracepb.Span_Event{}, "time_unix_nano"), protocmp.IgnoreFields(&tracepb.Span_Link{}, "trace_id", "span_id")); diff != "" {
		t.Fatalf("(-recorded +played):\n%s", diff)
	}
	if diff := cmp.Diff(original.GetResourceSpans()[0].GetResource(), played.GetResourceSpans()[0].GetResource(), protocmp.Transform()); diff != "" {
		t.Errorf("resource (-recorded +played):\n%s", diff)
	}
	// Each trace ends now, and what was apart is as far apart.
	for i, s := range got {
		shift := got[1].GetEndTimeUnixNano() - want[1].GetEndTimeUnixNano()
		if i == 2 {
			shift = got[2].GetEndTimeUnixNano() - want[2].GetEndTimeUnixNano()
		}
		if s.GetStartTimeUnixNano() != want[i].GetStartTimeUnixNano()+shift || s.GetEndTimeUnixNano() != want[i].GetEndTimeUnixNano()+shift {
			t.Errorf("span %d lasts from %d to %d", i, s.GetStartTimeUnixNano(), s.GetEndTimeUnixNano())
		}
	}
	if got[1].GetEndTimeUnixNano() != uint64(now.UnixNano()) || got[2].GetEndTimeUnixNano() != uint64(now.UnixNano()) {
		t.Error("the traces do not end now")
	}
	if e := got[0].GetEvents()[0]; e.GetTimeUnixNano() != got[0].GetStartTimeUnixNano()+7 {
		t.Error("an event is not where it was")
	}
	// Ids are others, and what referred to one another still does.
	if bytes.Equal(got[0].GetTraceId(), want[0].GetTraceId()) || bytes.Equal(got[0].GetSpanId(), want[0].GetSpanId()) {
		t.Error("ids are the recorded ones")
	}
	if !bytes.Equal(got[1].GetParentSpanId(), got[0].GetSpanId()) || !bytes.Equal(got[1].GetTraceId(), got[0].GetTraceId()) {
		t.Error("the child is not its parent's")
	}
	for i, to := range map[int]*tracepb.Span{1: got[0], 2: got[1]} {
		if l := got[i].GetLinks()[0]; !bytes.Equal(l.GetTraceId(), to.GetTraceId()) || !bytes.Equal(l.GetSpanId(), to.GetSpanId()) {
			t.Errorf("span %d does not link to %s", i, to.GetName())
		}
	}
}

// Copies, and rounds, have ids of their own; a seed has the same again.
func TestCopiesAreOthers(t *testing.T) {
	r, _ := recorded(t)
	now := time.Unix(1_800_000_000, 0)
	ids := map[string]int{}
	for _, s := range spansOf(play(t, r, 3, 12, now)) {
		ids[string(s.GetTraceId())]++
	}
	if len(ids) != 12 {
		t.Errorf("12 traces have %d ids", len(ids))
	}
	if !proto.Equal(play(t, r, 3, 12, now), play(t, r, 3, 12, now)) {
		t.Error("the same seed plays others")
	}
}

// What was recorded comes when it came, so much faster, and the run ends with
// the last.
func TestReplayKeepsThePace(t *testing.T) {
	r, _ := recorded(t)
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Recording, cfg.Speed, cfg.Copies, cfg.Rate, cfg.Duration = r, 2, 2, 0, 0
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		s, err := newSchedule(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		p := newPlan(s, 25, began)
		var times []time.Duration
		for {
			o, ok := p.claim(context.Background())
			if !ok {
				break
			}
			for range o.n {
				times = append(times, time.Since(began).Round(time.Millisecond))
			}
		}
		if want := []time.Duration{0, 0, 1500 * time.Millisecond, 1500 * time.Millisecond}; !slices.Equal(times, want) {
			t.Errorf("traces came after %v, want %v", times, want)
		}
	})
}

func TestReplayIsAccountedForAndMadeAgain(t *testing.T) {
	recorded, _ := recorded(t)
	r := &receiver{}
	cfg := config(GRPC, overGRPC(t, r))
	cfg.Recording, cfg.Copies, cfg.Traces = recorded, 5, 25
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() || report.Acknowledged.Traces != 25 || len(r.traces) != 25 {
		t.Fatalf("%d traces have arrived; report = %+v, %v", len(r.traces), report, err)
	}
	record, err := NewRecord(cfg, report)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRemaker(record); !errors.Is(err, ErrRecording) {
		t.Errorf("without the recording: %v", err)
	}
	if _, err := NewReplayRemaker(record, recording.New(0)); err == nil {
		t.Error("another recording is taken for it")
	}
	remaker, err := NewReplayRemaker(record, recorded)
	if err != nil {
		t.Fatal(err)
	}
	for i := range record.Made.Traces {
		if e := remaker.At(i); r.traces[string(e.ID[:])] != len(e.Spans) {
			t.Errorf("trace %d has %d spans, of which %d have arrived", i, len(e.Spans), r.traces[string(e.ID[:])])
		}
	}
}

func TestALargeRecordedTraceIsSplit(t *testing.T) {
	long := recording.New(0)
	spans := make([]*tracepb.Span, 0, 12_000)
	for i := range 12_000 {
		spans = append(spans, &tracepb.Span{
			TraceId: []byte("0123456789abcdef"), SpanId: []byte{1, 0, 0, 0, 0, 0, byte(i >> 8), byte(i)}, Name: "span",
			StartTimeUnixNano: 1, EndTimeUnixNano: 2, Attributes: []*commonpb.KeyValue{textOf("text", strings.Repeat("x", 1000))},
		})
	}
	encoded, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := long.Add(encoded); err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	cfg := config(GRPC, overGRPC(t, r)) // which takes 4 MiB
	cfg.Recording, cfg.Traces = long, 2
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() || report.Acknowledged.Requests != 8 || r.spans != 24_000 {
		t.Errorf("%d spans have arrived; report = %+v, %v", r.spans, report.Acknowledged, err)
	}
}

func TestReplaysAreChecked(t *testing.T) {
	r, _ := recorded(t)
	for want, change := range map[string]func(*Config){
		"no traces":         func(c *Config) { c.Recording = recording.New(0) },
		"copies":            func(c *Config) { c.Copies = -1 },
		"speed":             func(c *Config) { c.Speed = -1 },
		"but not both":      func(c *Config) { c.Speed, c.Rate = 1, 10 },
		"would never end":   func(c *Config) { c.Traces = 0 },
		"requests in fligh": func(c *Config) { c.InFlight = -1 },
	} {
		cfg := config(HTTP, "http://127.0.0.1:1")
		cfg.Recording = r
		change(&cfg)
		if _, err := Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v", want, err)
		}
	}
}
