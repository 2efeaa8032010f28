package collector

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/sample"
)

// derivedCalls is the sum of all calls that a scrape shows.
func derivedCalls(t *testing.T, c *Collector) (sum int) {
	t.Helper()
	_, text := get(t, "http://"+c.Scrape().String()+"/metrics")
	for _, line := range regexp.MustCompile(`(?m)^traces_span_metrics_calls_total\{.*\} (\S+)`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(line[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(n)
	}
	return sum
}

// TestHeadSampling has one in four traces forwarded, whole and with its
// threshold, and every span counted.
func TestHeadSampling(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Sample.Head.Percent = 25
	s := runSampling(t, cfg, 400)
	kept := s.wantForwarded(t, func(id string) string {
		if randomness(id) < 3<<54 {
			return ""
		}
		return "ot=th:c"
	})
	if kept < 50 || kept > 150 {
		t.Errorf("%d of %d traces are above the threshold", kept, len(s.traces))
	}
	all := 0
	for _, trace := range s.traces {
		all += trace.spans
	}
	eventually(t, "every span is counted", func() bool { return derivedCalls(t, s.collector) == all })
}

// TestRatesAreReloaded for Jaeger's clients as well as here, and what would begin
// or end sampling wants a restart.
func TestRatesAreReloaded(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Receive.Jaeger.Sampling.Address = "127.0.0.1:0"
	cfg.Sample.Head = sample.HeadConfig{At: sample.AtClients, Percent: 10}
	c := run(t, cfg)
	var address string
	for _, l := range c.receivers.Listeners() {
		if l.Name == "Jaeger's sampling strategy" {
			address = l.Addr.String()
		}
	}
	told := func(service string) string {
		_, text := get(t, "http://"+address+"/sampling?service="+service)
		return text
	}
	if got := told("shop"); !strings.Contains(got, `"samplingRate":0.1}`) {
		t.Errorf("shop is told %s", got)
	}
	cfg.Sample.Head.Percent = 20
	cfg.Sample.Head.Rates = []sample.Rate{
		{Service: "limited", Percent: 100, TracesPerSecond: 7},
		{Service: "shop", Percent: 50},
		{Service: "shop", Operation: "checkout", Percent: 100},
	}
	if keys, err := reload(c, cfg); err != nil || len(keys) != 2 {
		t.Fatalf("%v, %v", keys, err)
	}
	for service, want := range map[string]string{
		"other":   `"probabilisticSampling":{"samplingRate":0.2}}`,
		"limited": `{"maxTracesPerSecond":7}`,
		"shop":    `"defaultSamplingProbability":0.5,"defaultLowerBoundTracesPerSecond":0,"perOperationStrategies":[{"operation":"checkout","probabilisticSampling":{"samplingRate":1}}]`,
	} {
		if got := told(service); !strings.Contains(got, want) {
			t.Errorf("%s is told %s; want %s", service, got, want)
		}
	}

	here := testConfig(t.TempDir())
	c = run(t, here)
	changed := here
	changed.Sample.Head.Percent = 50
	if _, err := reload(c, changed); !errors.Is(err, ErrRestart) || !strings.Contains(err.Error(), "sample.head.percent") {
		t.Errorf("sampling would begin: %v", err)
	}
	changed.Journal.Dir = t.TempDir()
	c = run(t, changed)
	changed.Sample.Head.Percent = 60
	if keys, err := reload(c, changed); err != nil || len(keys) != 1 {
		t.Errorf("another rate: %v, %v", keys, err)
	}
	changed.Sample.Head.Percent = 100
	if _, err := reload(c, changed); !errors.Is(err, ErrRestart) {
		t.Errorf("sampling would end: %v", err)
	}
}
