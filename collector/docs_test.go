package collector

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/collector.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestManualsExamples loads every configuration that docs/collector.md shows.
func TestManualsExamples(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(manual(t), -1)
	if len(examples) == 0 {
		t.Fatal("no configuration in the manual")
	}
	getenv := func(string) (string, bool) { return "a-value-for-each-variable", true }
	for _, example := range examples {
		if _, err := Load(write(t, example[1]), getenv, nil); err != nil {
			t.Errorf("%v in\n%s", err, example[1])
		}
	}
}

// TestManualNamesEveryMetric compares the manual with what /metrics has.
func TestManualNamesEveryMetric(t *testing.T) {
	traces := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	cfg.Redact.Enabled = true
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	cfg.Receive.OTLP.GRPC.TLS = listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}
	cfg.Receive.OTLP.GRPC.Auth.Bearer = listen.Tokens{"t0ken"}
	cfg.Sample.Tail = errorsOnly()
	cfg.Derive.RemoteWrite.Endpoint = traces.URL() + "/api/v1/write"
	c := run(t, cfg)
	mustPost(t, c, "traces", spanRequest(1, "op", tracepb.Status_STATUS_CODE_ERROR))
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
