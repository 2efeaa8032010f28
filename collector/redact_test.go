package collector

import (
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
)

// TestSecretsAreNotKept sends a card number with both signals, and looks for it
// in the journal, at the backend and among the derived metrics.
func TestSecretsAreNotKept(t *testing.T) {
	const card = "4111111111111111"
	backend := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Redact.Enabled = true
	cfg.Journal.Retain = true
	cfg.Export.Traces[0].Endpoint, cfg.Export.Logs[0].Endpoint = backend.URL(), backend.URL()
	c := run(t, cfg)
	mustPost(t, c, "traces", spanRequest(1, "charge "+card, tracepb.Status_STATUS_CODE_OK))
	mustPost(t, c, "logs", logRequest("charged "+card))
	backend.Wait(t, "both", func() bool { return len(backend.Spans(t)) == 1 && len(backend.LogBodies(t)) == 1 })
	if name := backend.Spans(t)[0].Name; name != "charge REDACTED" {
		t.Errorf("the backend has a span %q", name)
	}
	if body := backend.LogBodies(t)[0]; body != "charged REDACTED" {
		t.Errorf("the backend has a log record %q", body)
	}
	for _, record := range held(t, c) {
		if strings.Contains(string(record.Payload), card) {
			t.Errorf("the journal has %q", record.Payload)
		}
	}
	eventually(t, "the derived metric", func() bool {
		_, text := get(t, "http://"+c.Scrape().String()+"/metrics")
		return strings.Contains(text, `span_name="charge REDACTED"`)
	})
}

// held is what the journal has.
func held(t *testing.T, c *Collector) []journal.Record {
	t.Helper()
	reader, err := c.Journal().Reader("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	records, err := reader.Next(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return records
}
