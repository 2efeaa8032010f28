package collector

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/collector.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestManualHasTheDefaults loads the configuration that docs/collector.md shows.
func TestManualHasTheDefaults(t *testing.T) {
	_, after, found := strings.Cut(manual(t), "```yaml\n")
	text, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("no configuration in the manual")
	}
	got, err := Load(write(t, text), func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DefaultConfig(), got, cmpopts.EquateEmpty(), secrets()); diff != "" {
		t.Error(diff)
	}
	for key := range everyKey(t) {
		if !strings.Contains(text, key+":") {
			t.Errorf("the manual does not show %s", key)
		}
	}
}

// everyKey has the keys of all sections, found by an unknown one.
func everyKey(t *testing.T) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	for _, section := range []string{
		"receive", "receive: {otlp", "receive: {otlp: {grpc", "receive: {jaeger", "receive: {jaeger: {sampling", "receive: {zipkin", "redact", "journal", "derive", "export", "export: {traces", "export: {traces: {tls",
		"export: {dead_letters", "admin",
	} {
		depth := strings.Count(section, "{") + 1
		_, err := Load(write(t, section+": {no.key: 1"+strings.Repeat("}", depth)), testEnv, nil)
		if err == nil {
			t.Fatalf("%s takes anything", section)
		}
		_, known, _ := strings.Cut(err.Error(), "known are ")
		for key := range strings.SplitSeq(known, ", ") {
			keys[key] = true
		}
	}
	return keys
}

// TestManualNamesEveryMetric compares the manual with what /metrics has.
func TestManualNamesEveryMetric(t *testing.T) {
	traces := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	cfg.Redact.Enabled = true
	c := run(t, cfg)
	mustPost(t, c, "traces", spanRequest(1, "op", tracepb.Status_STATUS_CODE_OK))
	traces.Wait(t, "the span", func() bool { return len(traces.Spans(t)) == 1 })
	names := regexp.MustCompile(`waybill_[a-z_]+`)
	documented := names.FindAllString(manual(t), -1)
	eventually(t, "the export's metrics", func() bool {
		_, text := get(t, "http://"+c.Admin().String()+"/metrics")
		return strings.Contains(text, `waybill_export_request_duration_seconds_count{destination="default",result="accepted"`)
	})
	status, text := get(t, "http://"+c.Admin().String()+"/metrics")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	var served []string
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (waybill_\S+)`).FindAllStringSubmatch(text, -1) {
		served = append(served, line[1])
		if !slices.Contains(documented, line[1]) {
			t.Errorf("the manual does not name %s", line[1])
		}
	}
	for _, name := range documented {
		if !slices.Contains(served, name) {
			t.Errorf("the manual names %s, which is not there", name)
		}
	}
}
