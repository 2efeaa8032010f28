package export

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// rig is a forwarder of traces between a journal in memory and a backend.
type rig struct {
	t       *testing.T
	journal *memory.Journal
	backend *exporttest.Backend
	reg     *prometheus.Registry
	log     *logBuffer
	cfg     Config
	running *Exporters
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigWith(t, HTTP, exporttest.New(t))
}

func newRigWith(t *testing.T, protocol Protocol, backend *exporttest.Backend) *rig {
	t.Helper()
	r := &rig{t: t, journal: memory.New(memory.Config{}), backend: backend, log: &logBuffer{}, cfg: DefaultConfig()}
	r.cfg.Traces[0].Protocol = protocol
	r.cfg.Traces[0].Endpoint = r.backend.URL()
	r.cfg.Traces[0].Linger = 0 // A test that waits for each request in turn would wait for this as well.
	if protocol == GRPC {
		r.cfg.Traces[0].Compression = NoCompression // Its servers must be told what they are to know.
	}
	r.cfg.DeadLetters.Dir = t.TempDir()
	t.Cleanup(r.stop)
	return r
}

// start begins to forward, with little patience.
func (r *rig) start() {
	r.t.Helper()
	if err := r.tryStart(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tryStart() error {
	r.reg = prometheus.NewRegistry()
	quick := patience{first: time.Millisecond, most: 20 * time.Millisecond, silent: 20 * time.Millisecond, unsure: 50 * time.Millisecond, scout: 100 * time.Millisecond}
	running, err := start(r.cfg, r.journal, r.reg, slog.New(slog.NewTextHandler(r.log, nil)), quick)
	if err == nil {
		r.running = running
	}
	return err
}

func (r *rig) stop() {
	if r.running == nil {
		return
	}
	if err := r.running.Shutdown(context.Background()); err != nil {
		r.t.Errorf("Shutdown: %v", err)
	}
	r.running = nil
}

// append puts a request with one span of each name into the journal.
func (r *rig) append(names ...string) {
	r.t.Helper()
	r.appendRaw(journal.Traces, len(names), requestOf(r.t, names...))
}

// requestOf has one span of each name.
func requestOf(t testing.TB, names ...string) []byte {
	t.Helper()
	var spans []*tracepb.Span
	for _, name := range names {
		spans = append(spans, &tracepb.Span{Name: name})
	}
	payload, err := proto.Marshal(&coltracepb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func (r *rig) appendRaw(signal journal.Signal, items int, payload []byte) {
	r.t.Helper()
	if _, err := r.journal.Append(r.t.Context(), signal, uint32(items), payload); err != nil {
		r.t.Fatal(err)
	}
}

// names are the spans that the backend has, in order.
func (r *rig) names() []string {
	names := []string{}
	for _, span := range r.backend.Spans(r.t) {
		names = append(names, span.GetName())
	}
	return names
}

func (r *rig) waitFor(names ...string) {
	r.t.Helper()
	r.backend.Wait(r.t, fmt.Sprint(names), func() bool { return len(r.names()) >= len(names) })
	if diff := cmp.Diff(names, r.names()); diff != "" {
		r.t.Fatal(diff)
	}
}

// waitCommitted waits until the cursor is at the journal's end.
func (r *rig) waitCommitted() { r.waitCursor("export-traces") }

func (r *rig) waitCursor(reader string) {
	r.t.Helper()
	r.eventually(reader+" is at the end", func() bool {
		stats := r.journal.Stats()
		return stats.Cursors[reader] == stats.End
	})
}

// eventually polls for half a minute.
func (r *rig) eventually(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain until %s: %+v\n%s", what, r.journal.Stats(), r.log)
		}
	}
}

// items is waybill_export_items_total of traces.
func (r *rig) items(outcome string) float64 { return r.metric("items_total", "outcome", outcome) }

func (r *rig) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "waybill_export_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if got["signal"] == "traces" && (len(labels) == 0 || got[labels[0]] == labels[1]) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	r.t.Errorf("no metric %s %v", name, labels)
	return 0
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
