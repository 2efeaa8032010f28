package receive

import (
	"runtime"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// TestJSONCostCoversWhatDecodingTakes: a short text must not make the decoder
// allocate far more than was charged. All that is allocated is counted, so that
// what the garbage collector takes back on the way leaves some room.
func TestJSONCostCoversWhatDecodingTakes(t *testing.T) {
	const n = 20_000
	many := func(before, element, after string) string {
		return before + strings.Repeat(element+",", n) + element + after
	}
	resourceOf := `{"resourceSpans":[{"resource":`
	tests := map[string]struct {
		signal journal.Signal
		text   string
	}{
		"usual spans":     {journal.Traces, string(spansAsJSON(t, traceRequest(500), strings.ToLower))},
		"empty spans":     {journal.Traces, many(`{"resourceSpans":[{"scopeSpans":[{"spans":[`, `{}`, `]}]}]}`)},
		"empty resources": {journal.Traces, many(`{"resourceSpans":[`, `{}`, `]}`)},
		"attributes":      {journal.Traces, many(resourceOf+`{"attributes":[`, `{"value":{"intValue":0}}`, `]}}]}`)},
		"empty strings":   {journal.Traces, many(resourceOf+`{"entityRefs":[{"idKeys":[`, `""`, `]}]}}]}`)},
		"numbers":         {journal.Metrics, many(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[`, `0`, `]}]}}]}]}]}`)},
		"empty points":    {journal.Metrics, many(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"exponentialHistogram":{"dataPoints":[`, `{}`, `]}}]}]}]}`)},
		"empty records":   {journal.Logs, many(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[`, `{}`, `]}]}]}`)},
		"one long string": {journal.Traces, `{"resourceSpans":[{"schemaUrl":"` + strings.Repeat(`\n`, n) + `"}]}`},
		"unknown fields":  {journal.Traces, many(`{"unknown":[`, `{"a":[1,2,3]}`, `]}`)},
	}
	in := testIntake(t, testConfig(), nil)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := testLease(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := in.fromJSON(l, test.signal, []byte(test.text)); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if got := int64(after.TotalAlloc - before.TotalAlloc); got > 5*l.held/2 {
				t.Errorf("decoding %d bytes allocated %d, charged were %d", len(test.text), got, l.held)
			}
		})
	}
}

// TestJSONBombsAreRefused: what would need more memory than all requests may
// use is refused for good, before it is decoded.
func TestJSONBombsAreRefused(t *testing.T) {
	cfg := testConfig()
	cfg.MaxInflightBytes, cfg.MaxRequestBytes = 16<<20, 1<<20
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	bomb := `{"resourceSpans":[` + strings.Repeat("{},", 100_000) + `{}]}`
	status, header, answer := post(t, r, "/v1/traces", jsonType, []byte(bomb))
	if status != 413 || header.Get("Retry-After") != "" {
		t.Errorf("answer %d %v %s, want 413 for good", status, header, answer)
	}
}
