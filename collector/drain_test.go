package collector

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
)

// TestShutdownDrains has a backend that answers, but slower than the exporter
// gets after the end.
func TestShutdownDrains(t *testing.T) {
	backend := exporttest.New(t)
	asked, release := make(chan struct{}, 100), make(chan struct{})
	backend.Decide(func(exporttest.Request) exporttest.Answer {
		asked <- struct{}{}
		<-release
		return exporttest.Answer{}
	})
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = backend.URL()
	cfg.Admin.Drain = time.Minute
	c, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	mustPost(t, c, "traces", spanRequest(1, "first", tracepb.Status_STATUS_CODE_OK))
	<-asked // What comes now waits in the journal.
	mustPost(t, c, "traces", spanRequest(2, "second", tracepb.Status_STATUS_CODE_OK))
	stopped := make(chan error, 1)
	go func() { stopped <- c.Shutdown(context.WithoutCancel(t.Context())) }()
	eventually(t, "the collector not to be ready", func() bool {
		status, _ := get(t, "http://"+c.Admin().String()+"/readyz")
		return status == http.StatusServiceUnavailable
	})
	eventually(t, "the receiver to be closed", func() bool {
		_, err := post(t.Context(), c.OTLPHTTP(), "traces", spanRequest(3, "late", tracepb.Status_STATUS_CODE_OK))
		return err != nil
	})
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := len(backend.Spans(t)); n != 2 {
		t.Errorf("%d spans were delivered, want 2", n)
	}
}

// TestShutdownDoesNotWaitInVain has a backend that is down, and one that does
// not answer, with little time.
func TestShutdownDoesNotWaitInVain(t *testing.T) {
	down, silent := exporttest.New(t), exporttest.New(t)
	down.Down()
	release := make(chan struct{})
	defer close(release)
	silent.Decide(func(exporttest.Request) exporttest.Answer {
		<-release
		return exporttest.Answer{}
	})
	for name, test := range map[string]struct {
		backend     *exporttest.Backend
		drain, most time.Duration // most is what Shutdown is given
	}{
		"down":                  {down, time.Hour, time.Hour},
		"silent, a short drain": {silent, 50 * time.Millisecond, time.Hour},
		"silent, a short stop":  {silent, time.Hour, 2 * time.Second},
	} {
		cfg := testConfig(t.TempDir())
		cfg.Export.Traces[0].Endpoint = test.backend.URL()
		cfg.Admin.Drain = test.drain
		c, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		mustPost(t, c, "traces", spanRequest(1, "op", tracepb.Status_STATUS_CODE_OK))
		ctx, cancel := context.WithTimeout(t.Context(), test.most)
		began := time.Now()
		_ = c.Shutdown(ctx) // It may say that it was cut off.
		cancel()
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: Shutdown took %v", name, took)
		}
		http.DefaultClient.CloseIdleConnections()
	}
}
