package viewer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// flaky is a reader whose reads fail a number of times.
type flaky struct {
	journal.Reader
	failures int
}

var errDisk = errors.New("disk on fire")

func (f *flaky) Next(ctx context.Context, maxBytes int) ([]journal.Record, error) {
	if f.failures > 0 {
		f.failures--
		return nil, errDisk
	}
	return f.Reader.Next(ctx, maxBytes)
}

// startFeed runs a feed until the test ends; its index and what it reports are
// in the engine.
func startFeed(t *testing.T, j journal.Journal, failures int, log *bytes.Buffer) *query.Engine {
	t.Helper()
	reader, err := j.Reader("")
	if err != nil {
		t.Fatal(err)
	}
	x := index.New(DefaultConfig().limits())
	engine := query.New(x, j)
	f := &feed{
		journal: j, reader: &flaky{reader, failures}, index: x, report: engine.Report,
		logger: slog.New(slog.NewTextHandler(log, nil)),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func TestFeedOutlivesErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := memory.New(memory.Config{})
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), viewertest.Span(1, 1, 0, "one", time.Now(), 1)))
		var log bytes.Buffer
		engine := startFeed(t, j, 10, &log)
		synctest.Wait()
		if p := engine.Progress(); !errors.Is(p.Fault, errDisk) || p.Behind == 0 {
			t.Errorf("while the journal cannot be read: %+v", p)
		}
		time.Sleep(10 * maxPause)
		synctest.Wait()
		if p := engine.Progress(); p.Fault != nil || p.Behind != 0 {
			t.Errorf("when it can again: %+v", p)
		}
		if n := engine.Stats().Traces; n != 1 {
			t.Errorf("%d traces in the index", n)
		}
		if n := strings.Count(log.String(), errDisk.Error()); n != 1 {
			t.Errorf("the log tells %d times:\n%s", n, log.String())
		}
	})
}

func TestFeedEndsWithItsJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := memory.New(memory.Config{})
		var log bytes.Buffer
		engine := startFeed(t, j, 0, &log)
		synctest.Wait()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if p := engine.Progress(); p.Fault != nil || log.Len() > 0 {
			t.Errorf("a journal that was closed is no fault: %+v\n%s", p, log.String())
		}
	})
}

func TestFeedPassesOverWhatIsMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := memory.New(memory.Config{})
		if _, err := j.Append(t.Context(), journal.Traces, 1, []byte{0xff}); err != nil {
			t.Fatal(err)
		}
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("a"), viewertest.Span(1, 1, 0, "one", time.Now(), 1)))
		var log bytes.Buffer
		engine := startFeed(t, j, 0, &log)
		synctest.Wait()
		if n := engine.Stats().Traces; n != 1 {
			t.Errorf("%d traces in the index", n)
		}
		if !strings.Contains(log.String(), "malformed") {
			t.Errorf("the log does not tell of it: %q", log.String())
		}
	})
}

// TestFeedPairsAcrossRecords has a caller and its callee in records of their
// own, and lets quiet time decide about a call that nobody answers.
func TestFeedPairsAcrossRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := memory.New(memory.Config{})
		var log bytes.Buffer
		engine := startFeed(t, j, 0, &log)
		start := time.Now()
		insert := viewertest.Span(1, 3, 2, "INSERT", start, 1)
		insert.Kind = 3
		insert.Attributes = viewertest.Attributes("db.system.name", "sqlite")
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("order"), insert, viewertest.Span(1, 2, 1, "Create", start, 2)))
		synctest.Wait()
		time.Sleep(5 * time.Second)
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("gateway"), viewertest.Span(1, 1, 0, "POST", start, 3)))
		edges := func() string {
			var list []string
			found, _ := engine.Graph(start.Add(-time.Hour), time.Now())
			for _, e := range found {
				list = append(list, e.From+">"+e.To)
			}
			return strings.Join(list, " ")
		}
		synctest.Wait()
		if got, want := edges(), ">gateway >order gateway>order"; got != want {
			t.Errorf("edges while the trace may still grow: got %s, want %s", got, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := edges(), ">gateway >order gateway>order order>sqlite"; got != want {
			t.Errorf("edges when it is quiet: got %s, want %s", got, want)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := engine.Stats().OpenSpans; n != 0 {
			t.Errorf("%d spans of quiet traces are remembered", n)
		}
	})
}
