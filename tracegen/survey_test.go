package tracegen

import (
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

const small = `
name: small
description: two services
services:
  front:
    operations:
      page:
        calls:
          - {to: back/get, count: 3}
          - {to: lookup, probability: 0.5}
      lookup: {kind: client}
  back:
    operations:
      get: {errors: {broken: {rate: 0.1}}}
traces:
  - start: front/page
`

func parse(t *testing.T, text string) *topology.Topology {
	t.Helper()
	parsed, err := topology.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestSurvey(t *testing.T) {
	const n = 5000
	s := NewSurvey(parse(t, small), n, 3)
	near := func(name string, got, want, within float64) {
		t.Helper()
		if got < want-within || got > want+within {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	// A failed call ends the page: 0.9 + 0.81 of the second and third calls
	// are made, and 0.729 of the lookups' half.
	calls := 1 + 0.9 + 0.81
	near("spans", s.Spans.Mean, 1+2*calls+0.729/2, 0.1)
	near("depth", s.Depth.Mean, 3, 0)
	near("services", s.Services.P50, 2, 0)
	near("calls of a caller", s.FanOut.Mean, calls+0.729/2, 0.05)
	near("failed", s.Failed, 1-0.729, 0.03)
	near("spans of back", s.PerService["back"], calls, 0.05)
	// Of each page, get is called again unless the first has failed; the
	// lookup is not.
	near("repeated", s.Repeated, 0.9/(1+0.729/2), 0.05)
	if s.Shared < 0.99 || s.Bytes.Mean < 500 || s.Duration.P50 < 1e6 {
		t.Errorf("survey = %+v", s)
	}
	var text strings.Builder
	if err := s.WriteTable(&text); err != nil || !strings.Contains(text.String(), "5000 traces") {
		t.Errorf("table:\n%s", &text)
	}
}
