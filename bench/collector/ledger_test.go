package main

import (
	"bytes"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestLedger sends requests past any subject: what is left out is lost, what
// comes again is a duplicate, and what nobody sent is refused.
func TestLedger(t *testing.T) {
	w, err := newWork(t.Context(), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	templates := w.templates
	l := &ledger{}
	var sent [][]byte
	for i := range 4 {
		template, n := templates[i%2].clone(), l.claim()
		template.number(n)
		sent = append(sent, template.bytes)
		if i < 3 {
			l.acknowledge(n)
		}
	}
	half := cut(t, sent[1], spansPerRequest/2)
	// Requests end to end are one, as a batch has them.
	for _, request := range [][]byte{bytes.Join([][]byte{sent[0], sent[3]}, nil), half, half, sent[0]} {
		if err := l.arrive(request); err != nil {
			t.Fatal(err)
		}
	}
	want := tally{
		acknowledged: 3 * spansPerRequest,
		arrived:      2*spansPerRequest + spansPerRequest/2,
		lost:         spansPerRequest + spansPerRequest/2,
		duplicates:   spansPerRequest + spansPerRequest/2,
	}
	if got := l.tally(); got != want {
		t.Errorf("tally = %+v, want %+v", got, want)
	}
	stray := templates[0].clone()
	stray.number(99)
	if err := l.arrive(stray.bytes); err == nil {
		t.Error("spans that nobody sent were taken")
	}
}

// cut leaves the first n spans of a request.
func cut(t *testing.T, request []byte, n int) []byte {
	t.Helper()
	var decoded coltracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(request, &decoded); err != nil {
		t.Fatal(err)
	}
	for _, resource := range decoded.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			scope.Spans = scope.GetSpans()[:min(n, len(scope.GetSpans()))]
			n -= len(scope.GetSpans())
		}
	}
	out, err := proto.Marshal(&decoded)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTemplates holds that the load is what it is said to be.
func TestTemplates(t *testing.T) {
	w, err := newWork(t.Context(), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	templates := w.templates
	if size := len(templates[0].bytes) / spansPerRequest; size < 450 || size > 550 {
		t.Errorf("a span has %d bytes, want about 500", size)
	}
	first, second := templates[0].clone(), templates[0].clone()
	first.number(0)
	second.number(1)
	before, after := idsOf(t, first.bytes), idsOf(t, second.bytes)
	if len(before) != len(after) || len(before) < spansPerRequest+10 {
		t.Fatalf("%d ids in the first request, %d in the second", len(before), len(after))
	}
	for id := range before {
		if after[id] {
			t.Errorf("both requests have %x", id)
		}
	}
}

// idsOf has the ids of all spans and traces.
func idsOf(t *testing.T, request []byte) map[string]bool {
	t.Helper()
	var decoded coltracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(request, &decoded); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, resource := range decoded.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				ids[string(span.GetSpanId())], ids[string(span.GetTraceId())] = true, true
			}
		}
	}
	return ids
}
