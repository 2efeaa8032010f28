package tracegen

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Threshold is a condition under which a run is not good, as in p99>250ms.
type Threshold struct {
	text     string
	value    func(Report) float64
	operator string
	limit    float64
}

// measures are what a threshold may be about: shares, numbers, and durations
// in seconds.
var measures = map[string]func(Report) float64{
	"loss":        Report.Loss,
	"logs_loss":   func(r Report) float64 { return r.Logs.loss() },
	"points_loss": func(r Report) float64 { return r.Points.loss() },
	"failed":      func(r Report) float64 { return float64(r.Failed.Spans) },
	"rejected":    func(r Report) float64 { return float64(r.Rejected.Spans) },
	"retries":     func(r Report) float64 { return float64(r.Retries) },
	"traces/s":    func(r Report) float64 { return r.rate(r.Acknowledged.Traces) },
	"spans/s":     func(r Report) float64 { return r.rate(r.Acknowledged.Spans) },
	"p50":         func(r Report) float64 { return r.P50.Seconds() },
	"p90":         func(r Report) float64 { return r.P90.Seconds() },
	"p99":         func(r Report) float64 { return r.P99.Seconds() },
	"max":         func(r Report) float64 { return r.Max.Seconds() },
	"late_p50":    func(r Report) float64 { return r.Late.P50.Seconds() },
	"late_p99":    func(r Report) float64 { return r.Late.P99.Seconds() },
	"late_max":    func(r Report) float64 { return r.Late.Max.Seconds() },
	"incomplete":  func(r Report) float64 { return map[bool]float64{true: 0, false: 1}[r.Complete()] },
}

// operators are tried in this order.
var operators = []string{">=", "<=", ">", "<"}

// ParseThresholds reads conditions with commas between them: a measure, an
// operator, and a number, a share as in 1%, or a duration.
func ParseThresholds(text string) ([]Threshold, error) {
	var out []Threshold
	for one := range strings.SplitSeq(text, ",") {
		t, err := parseThreshold(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func parseThreshold(text string) (Threshold, error) {
	for _, operator := range operators {
		name, limit, found := strings.Cut(text, operator)
		if !found {
			continue
		}
		t := Threshold{text: text, operator: operator, value: measures[strings.TrimSpace(name)]}
		if t.value == nil {
			return t, fmt.Errorf("threshold %q: want one of %s", text, strings.Join(slices.Sorted(maps.Keys(measures)), ", "))
		}
		var ok bool
		if t.limit, ok = parseLimit(strings.TrimSpace(limit)); !ok {
			return t, fmt.Errorf("threshold %q: want a number, a share as in 1%%, or a duration behind %s", text, operator)
		}
		return t, nil
	}
	return Threshold{}, fmt.Errorf("threshold %q: want one of %s in it, as in loss>0", text, strings.Join(operators, " "))
}

func parseLimit(text string) (float64, bool) {
	if share, ok := strings.CutSuffix(text, "%"); ok {
		v, err := strconv.ParseFloat(share, 64)
		return v / 100, err == nil
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v, true
	}
	d, err := time.ParseDuration(text)
	return d.Seconds(), err == nil
}

// Broken says whether the condition is true of the report.
func (t Threshold) Broken(r Report) bool {
	v := t.value(r)
	switch t.operator {
	case ">=":
		return v >= t.limit
	case "<=":
		return v <= t.limit
	case ">":
		return v > t.limit
	default:
		return v < t.limit
	}
}

// Describe says what the threshold is, and what the report has.
func (t Threshold) Describe(r Report) string {
	return fmt.Sprintf("%s: it is %.6g", t.text, t.value(r))
}
