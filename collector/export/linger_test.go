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

func (l *listener) release() {}

func (l *listener) close() {}

// run is a forwarder between a journal and a backend that is no network, in a
// bubble of its own time.
type run struct {
	t         *testing.T
	journal   *memory.Journal
	forwarder *forwarder
}

func newRun(t *testing.T, d Destination, backend client) *run {
	t.Helper()
	r := &run{t: t, journal: memory.New(memory.Config{})}
	m, err := newMeters(prometheus.NewRegistry(), func() []Status { return nil })
	if err != nil {
		t.Fatal(err)
	}
	letters := DeadLetters{Dir: t.TempDir(), MaxBytes: minDeadLetters}
	r.forwarder, err = newForwarder(task{journal.Traces, d, letters}, defaultPatience(), m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.forwarder.client.close()
	r.forwarder.client = backend
	open := func() (journal.Reader, error) { return r.journal.Reader("x") }
	reader, err := open()
	if err != nil {
		t.Fatal(err)
	}
	r.forwarder.begin(reader, open)
	return r
}

func (r *run) append(payload string) {
	r.t.Helper()
	if _, err := r.journal.Append(r.t.Context(), journal.Traces, 1, []byte(payload)); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func (r *run) stop() {
	r.t.Helper()
	if err := r.forwarder.halt(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if err := r.journal.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// forwardTo says what came when of what steps append.
func forwardTo(t *testing.T, d Destination, steps func(appendOne func(payload string))) []string {
	t.Helper()
	backend := &listener{}
	synctest.Test(t, func(t *testing.T) {
		r := newRun(t, d, backend)
		backend.began = time.Now()
		steps(r.append)
		time.Sleep(time.Minute)
		r.stop()
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
