package tracegen

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestThresholds(t *testing.T) {
	report := Report{
		Made: Amount{Spans: 1000}, Acknowledged: Amount{Spans: 990, Traces: 99}, Failed: Amount{Spans: 10},
		Elapsed: 9 * time.Second, P99: 200 * time.Millisecond, Late: Quantiles{Max: time.Second},
	}
	for text, broken := range map[string]bool{
		"loss>0": true, "loss > 0.5%": true, "loss>1%": false, "loss>=0.01": true, "loss<0.02": true,
		"p99>250ms": false, "p99>0.1": true, "late_max>=1s": true, "failed>9": true, "failed>10": false,
		"spans/s<110": false, "spans/s<=110": true, "traces/s<12": true, "retries>0": false, "incomplete>0": true,
	} {
		thresholds, err := ParseThresholds(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := thresholds[0].Broken(report); got != broken {
			t.Errorf("%s; broken: %t", thresholds[0].Describe(report), got)
		}
	}
	if several, err := ParseThresholds("loss>0, p99>250ms"); err != nil || len(several) != 2 {
		t.Errorf("%v, %v", several, err)
	}
	for text, want := range map[string]string{
		"": "want one of >= <= > <", "loss": "want one of >=", "los>0": "want one of failed,", "loss>x": "want a number", "loss>0,": "want one of >=",
	} {
		if _, err := ParseThresholds(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error = %v", text, err)
		}
	}
}

func TestRanges(t *testing.T) {
	got := merged([]Range{{50, 10}, {0, 25}, {25, 5}, {80, 1}, {55, 2}})
	if diff := cmp.Diff([]Range{{0, 30}, {50, 10}, {80, 1}}, got); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	for i, want := range map[uint64]bool{0: true, 29: true, 30: false, 49: false, 50: true, 59: true, 60: false, 80: true, 81: false} {
		if contains(got, i) != want {
			t.Errorf("contains %d: %t", i, !want)
		}
	}
	if contains(nil, 0) {
		t.Error("nothing contains 0")
	}
}

// A report counts refusals by reason, and says which traces were lost.
func TestRefusalsAndLostTraces(t *testing.T) {
	r := &receiver{refuse: func(n int64) error {
		switch {
		case n <= 3:
			return status.Error(codes.Unavailable, "busy")
		case n == 5:
			return status.Error(codes.InvalidArgument, "malformed")
		}
		return nil
	}}
	cfg := config(GRPC, overGRPC(t, r))
	cfg.Workers, cfg.Batch, cfg.Traces = 1, 10, 50
	registry := prometheus.NewRegistry()
	seen := ""
	r.refuse, cfg.Registerer = func(refuse func(int64) error) func(int64) error {
		return func(n int64) error {
			if n == 8 {
				if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP tracegen_retries_total Requests that were sent again.
# TYPE tracegen_retries_total counter
tracegen_retries_total 3
# HELP tracegen_traces_total Traces by what became of them.
# TYPE tracegen_traces_total counter
tracegen_traces_total{outcome="acknowledged"} 30
tracegen_traces_total{outcome="failed"} 10
tracegen_traces_total{outcome="made"} 50
tracegen_traces_total{outcome="rejected"} 0
`), "tracegen_retries_total", "tracegen_traces_total"); err != nil {
					t.Error(err)
				}
				seen = "yes"
			}
			return refuse(n)
		}
	}(r.refuse), registry
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Refusal{{"gRPC Unavailable: busy", 3}, {"gRPC InvalidArgument: malformed", 1}}
	if diff := cmp.Diff(want, report.Refusals); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Range{{10, 10}}, report.Lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	if families, err := registry.Gather(); seen == "" || err != nil || len(families) > 0 {
		t.Errorf("metrics were looked at: %q; %d are left, %v", seen, len(families), err)
	}
}

func TestRecordMakesTheTracesAgain(t *testing.T) {
	r := &receiver{}
	cfg := config(GRPC, overGRPC(t, r))
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	record, err := NewRecord(cfg, report)
	if err != nil {
		t.Fatal(err)
	}
	remaker, err := NewRemaker(record)
	if err != nil {
		t.Fatal(err)
	}
	for i := range record.Made.Traces {
		if e := remaker.At(i); r.traces[string(e.ID[:])] != len(e.Spans) || !remaker.Certain(i) {
			t.Fatalf("trace %d has %d spans, of which %d have arrived", i, len(e.Spans), r.traces[string(e.ID[:])])
		}
	}
	if remaker.Certain(record.Made.Traces) {
		t.Error("a trace is certain that was never made")
	}
	if _, err := ReadRecord(strings.NewReader(`{"format":"other"}`)); err == nil {
		t.Error("another format is read")
	}
}
