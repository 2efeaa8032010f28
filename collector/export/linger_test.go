package export

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// listener takes everything, and writes down what came when.
type listener struct {
	began time.Time
	sent  []string
	batch []string
}

func (l *listener) load(records []journal.Record) error {
	l.batch = nil
	for _, record := range records {
		l.batch = append(l.batch, string(record.Payload[:1]))
	}
	return nil
}

func (l *listener) send(context.Context) answer {
	l.sent = append(l.sent, fmt.Sprintf("%v %s", time.Since(l.began), strings.Join(l.batch, "")))
	return answer{verdict: accepted}
}

func (l *listener) close() {}

// forwardTo runs a forwarder of what steps append, in a bubble of its own time.
func forwardTo(t *testing.T, d Destination, steps func(appendOne func(payload string))) []string {
	t.Helper()
	backend := &listener{}
	synctest.Test(t, func(t *testing.T) {
		j := memory.New(memory.Config{})
		m, err := newMeters(prometheus.NewRegistry(), func() []Status { return nil })
		if err != nil {
			t.Fatal(err)
		}
		f, err := newForwarder(task{signal: journal.Traces, destination: d}, defaultPatience(), m, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		f.client.close()
		f.client = backend
		reader, err := j.Reader("x")
		if err != nil {
			t.Fatal(err)
		}
		backend.began = time.Now()
		f.begin(reader)
		steps(func(payload string) {
			if _, err := j.Append(t.Context(), journal.Traces, 1, []byte(payload)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		})
		time.Sleep(time.Minute)
		if err := f.halt(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return backend.sent
}

// TestLinger has what comes close together sent together, and delays neither
// what comes alone nor what fills a batch.
func TestLinger(t *testing.T) {
	d := DefaultDestination()
	d.Endpoint, d.MaxBatchBytes = "http://localhost:1", 1000
	large := func(name string) string { return strings.Repeat(name, 400) }
	got := forwardTo(t, d, func(appendOne func(string)) {
		for _, name := range []string{"a", "b", "c", "d"} { // At 0, 20, 40 and 60 ms.
			appendOne(name)
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second - 80*time.Millisecond)
		for _, name := range []string{"e", "f", "g", "h", "i", "j"} {
			appendOne(large(name))
		}
	})
	want := []string{"0s a", "50ms bc", "100ms d", "1s e", "1.05s fg", "1.05s hi", "1.05s j"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	d.Linger = 0
	got = forwardTo(t, d, func(appendOne func(string)) {
		appendOne("a")
		appendOne("b")
	})
	if diff := cmp.Diff([]string{"0s a", "0s b"}, got); diff != "" {
		t.Error(diff)
	}
}
