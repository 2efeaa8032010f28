package derive

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func TestRest(t *testing.T) {
	for _, test := range []struct {
		bytes    int
		in, want time.Duration
	}{
		{batchBytes, time.Millisecond, 0}, // There is more.
		{batchBytes + 1, time.Hour, 0},    // A large record.
		{batchBytes / 2, 10 * time.Millisecond, 20 * time.Millisecond},
		{batchBytes / 16, time.Millisecond, 16 * time.Millisecond},
		{batchBytes / 2, time.Second, maxRest},
		{1, time.Nanosecond, 1048576 * time.Nanosecond},
		{1, 1<<63 - 1, maxRest},
		{0, 0, 0},
		{0, time.Hour, maxRest},
	} {
		if got := rest(test.bytes, test.in); got != test.want {
			t.Errorf("after %d bytes in %v: %v, want %v", test.bytes, test.in, got, test.want)
		}
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
