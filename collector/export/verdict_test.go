package export

import (
	"net/http"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	want := map[verdict][]int{
		accepted: {200, 202, 204},
		later:    {301, 302, 307, 308, 401, 403, 404, 405, 407, 408, 415, 425, 429, 502, 503, 504},
		refused:  {400, 402, 406, 409, 410, 411, 413, 414, 418, 422, 431},
		unsure:   {500, 501, 505, 507, 520},
	}
	for verdict, statuses := range want {
		for _, status := range statuses {
			if got := judge(status); got != verdict {
				t.Errorf("judge(%d) = %v, want %v", status, got, verdict)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                                   0,
		"0":                                  0,
		"7":                                  7 * time.Second,
		"-7":                                 0,
		"1000000":                            maxRetryAfter,
		"9223372036854775807":                maxRetryAfter,
		"99999999999999999999":               0,
		"soon":                               0,
		now.Add(9e9).Format(http.TimeFormat): 9 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat): 0,
		now.Add(9e14).Format(http.TimeFormat):       maxRetryAfter,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", header, got, want)
		}
	}
}
