package collector

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal/file"
)

// TestDeadLettersLieInTheJournalsDirectory and are no part of it: it opens again,
// and the letter is there.
func TestDeadLettersLieInTheJournalsDirectory(t *testing.T) {
	traces := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = traces.URL()
	traces.Decide(func(r exporttest.Request) exporttest.Answer {
		if strings.Contains(string(r.Body), "bad") {
			return exporttest.Answer{Status: http.StatusBadRequest}
		}
		return exporttest.Answer{}
	})
	logger := slog.New(slog.DiscardHandler)
	first, err := Start(t.Context(), cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	mustPost(t, first, "traces", spanRequest(1, "bad", tracepb.Status_STATUS_CODE_OK))
	mustPost(t, first, "traces", spanRequest(2, "good", tracepb.Status_STATUS_CODE_OK))
	traces.Wait(t, "the good one", func() bool { return len(traces.Spans(t)) == 1 })
	if _, page := get(t, "http://"+first.Admin().String()+"/"); !strings.Contains(page, "<td>400 Bad Request</td>") {
		t.Errorf("the status page does not say what went wrong:\n%s", page)
	}
	if err := first.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, cfg)
	letters, err := file.Open(file.Config{Dir: filepath.Join(cfg.Journal.Dir, "dead-letters", "traces-default")}, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = letters.Close() }()
	record, err := letters.At(letters.Stats().Oldest)
	if err != nil {
		t.Fatal(err)
	}
	if letter, err := export.ReadDeadLetter(record); err != nil || letter.Reason != "400 Bad Request" || !strings.Contains(string(letter.Request), "bad") {
		t.Errorf("letter %+v, %v", letter, err)
	}
}
