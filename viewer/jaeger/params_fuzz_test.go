package jaeger

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// FuzzParameters holds that whatever a client asks is refused, or understood
// within bounds.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{
		"service=a&operation=b&start=1&end=2&limit=20&minDuration=1ms&maxDuration=1.5s&lookback=2d",
		`service=a&tags={"error":"true"}&tag=k:v`, "traceID=1&traceID=ffffffffffffffffffffffffffffffff",
		"endTs=1764000000000&lookback=3600000", "start=-9223372036854775808&service=%00&limit=4294967296",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/traces", http.NoBody)
		r.URL.RawQuery = raw
		q, ids, err := parseSearch(r)
		if err == nil && (q.Limit < 1 || q.Limit > maxLimit || len(ids) > maxLimit || (len(ids) == 0 && q.Service == "")) {
			t.Errorf("understood as %+v, %v", q, ids)
		}
		if err == nil && (q.MinDuration < 0 || q.MaxDuration < 0) {
			t.Errorf("durations %v to %v", q.MinDuration, q.MaxDuration)
		}
		if from, to, err := parseDependencies(r); err == nil && from.After(to) {
			t.Errorf("dependencies from %v to %v", from, to)
		}
	})
}
