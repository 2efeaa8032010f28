package derive

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func TestRest(t *testing.T) {
	const ms = time.Millisecond
	type batch struct {
		in    time.Duration // since the one before
		age   time.Duration // of its newest record
		bytes int
		want  time.Duration
	}
	for name, batches := range map[string][]batch{
		"the first":        {{0, 0, batchBytes / 2, maxRest}},
		"a little":         {{0, 0, 1, maxRest}, {200 * ms, 0, 1, maxRest}, {100 * ms, 100 * ms, 1, maxRest}},
		"25 MB a second":   {{0, 0, 1, maxRest}, {100 * ms, ms, 1 << 20, 0}, {ms, ms, 25_000, restBytes * ms / 25_000}, {21 * ms, ms, 525_000, restBytes * ms / 25_000}},
		"half a batch":     {{0, 0, batchBytes, 0}, {10 * ms, 0, batchBytes / 2, 10 * ms}, {20 * ms, 0, batchBytes / 4, 40 * ms}},
		"behind":           {{0, time.Hour, 1000, 0}, {ms, time.Hour, 1000, 0}, {ms, 11 * ms, 1000, 0}, {ms, 10 * ms, batchBytes / 4, 2 * ms}, {5 * ms, 12 * ms, batchBytes / 5, 25 * ms / 2}, {25 * ms, 23 * ms, 1000, 0}},
		"a clock set back": {{0, -time.Hour, 1000, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var p pace
			now := noon
			for i, b := range batches {
				now = now.Add(b.in)
				if got := p.rest(now, now.Add(-b.age), b.bytes); got.Round(time.Microsecond) != b.want.Round(time.Microsecond) {
					t.Errorf("after batch %d: %v, want %v", i, got, b.want)
				}
			}
		})
	}
}

// TestABacklogIsReadWithoutRest has a journal that returns a part of what it
// has, whatever is asked for.
func TestABacklogIsReadWithoutRest(t *testing.T) {
	var p pace
	now := noon
	written, read := 0.0, 0.0 // bytes
	for range 10_000 {
		now = now.Add(time.Millisecond) // It counts twice as fast as is written.
		written += 100_000
		part := min(200_000, written-read)
		read += part
		rest := p.rest(now, now.Add(-time.Duration((written-read)/100_000)*time.Millisecond), int(part))
		now = now.Add(rest)
		written += 100_000 * float64(rest) / float64(time.Millisecond)
	}
	if lag := (written - read) / 100_000; lag > 250 {
		t.Errorf("it is %v ms behind", lag)
	}
}

func TestPauseEndsForWhoIsInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgress()
		began := time.Now()
		paused := make(chan time.Duration)
		go func() {
			p.pause(t.Context(), time.Hour)
			paused <- time.Since(began)
			p.reach(7)
		}()
		time.Sleep(time.Second)
		go p.wait(t.Context(), 7)
		if took := <-paused; took != time.Second {
			t.Errorf("the pause took %v", took)
		}
		p.pause(t.Context(), 0)
		before := time.Now()
		p.pause(t.Context(), time.Minute)
		if took := time.Since(before); took != time.Minute {
			t.Errorf("a pause of a minute took %v", took)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p.wait(ctx, 8) // In vain.
		if took := time.Since(before); took != time.Minute+time.Second {
			t.Errorf("waiting in vain took %v", took)
		}
	})
}

// TestScrapeIsUpToDate asks for what has just been journaled, while counting
// takes a rest.
func TestScrapeIsUpToDate(t *testing.T) {
	j := memory.New(memory.Config{})
	d := startDeriver(t, j)
	defer shutdown(t, d)
	for range 20 {
		add(t, j, "op")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	d.progress.wait(ctx, j.Stats().End)
	if body, _ := scrape(t, d, text); !strings.Contains(body, `span_name="op",status_code="STATUS_CODE_ERROR"} 20.0`) {
		t.Errorf("not all are counted:\n%s", body)
	}
}

// TestScrapeHasTheWholeLoad counts the shop's load through a journal, with all
// its rests, and holds one scrape against what was sent.
func TestScrapeHasTheWholeLoad(t *testing.T) {
	records, report := shopLoad(t, 200)
	j := memory.New(memory.Config{})
	d := startDeriver(t, j)
	defer shutdown(t, d)
	for i := range records {
		if _, err := j.Append(t.Context(), journal.Traces, 1, records[i].Payload); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	d.progress.wait(ctx, j.Stats().End)
	body, header := scrape(t, d, protobuf)
	decoder := expfmt.NewDecoder(strings.NewReader(body), expfmt.ResponseFormat(header))
	sum := map[string]float64{}
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, m := range family.GetMetric() {
			sum[family.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for _, name := range []string{"traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds"} {
		if sum[name] != float64(report.Acknowledged.Spans) {
			t.Errorf("%s: %v spans, %d were sent", name, sum[name], report.Acknowledged.Spans)
		}
	}
}
