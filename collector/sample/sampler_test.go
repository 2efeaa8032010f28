package sample

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func memories() Journals {
	return Journals{In: memory.New(memory.Config{Retain: true}), Kept: memory.New(memory.Config{}), Decisions: memory.New(memory.Config{})}
}

func begin(t *testing.T, cfg Config, j Journals) *Sampler {
	t.Helper()
	s, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (j Journals) receive(t *testing.T, spans ...*tracepb.Span) {
	t.Helper()
	if _, err := j.In.Append(t.Context(), journal.Traces, uint32(len(spans)), request(t, "shop", spans...)); err != nil {
		t.Fatal(err)
	}
}

// names of the spans that are kept, in order.
func (j Journals) kept(t *testing.T) (names []string) {
	t.Helper()
	if j.Kept.Stats().End == 0 {
		return nil
	}
	r, err := j.Kept.Reader("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for at := journal.Offset(0); at < j.Kept.Stats().End; {
		records, err := r.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			at = record.Next
			spans := spansOf(decode(t, record.Payload), func(*tracepb.Span) bool { return true })
			if int(record.Items) != len(spans) {
				t.Errorf("a record of %d spans says that it has %d", len(spans), record.Items)
			}
			for _, s := range spans {
				names = append(names, s.GetName())
			}
		}
	}
	return names
}

func (j Journals) wait(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); strings.Join(j.kept(t), " ") != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("kept %v; want %s", j.kept(t), want)
		}
	}
}

func named(name string) option { return func(s *tracepb.Span) { s.Name = name } }

func quick() Config {
	cfg := tailOf(Policy{Type: Error})
	cfg.Tail.RootGrace = 10 * time.Millisecond
	return cfg
}

// TestASamplerGoesOn where another has ended: it hands nothing on twice, late
// spans follow the other's decision, and a trace that waited keeps what it has.
func TestASamplerGoesOn(t *testing.T) {
	j, cfg := memories(), quick()
	s := begin(t, cfg, j)
	j.receive(t, spanOf(9, 0, child, failed, named("waits"))) // It holds the cursor.
	j.receive(t, spanOf(1, 0, failed, named("a")), spanOf(2, 0, named("dropped")))
	j.wait(t, "a")
	j.receive(t, spanOf(1, 1, child, named("b")))
	j.wait(t, "a b")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cursor := j.In.Stats().Cursors[ReaderName]; cursor != 0 {
		t.Errorf("the cursor went to %d, past a trace that waits", cursor)
	}
	s = begin(t, cfg, j)
	j.receive(t, spanOf(1, 2, child, named("c")), spanOf(2, 1, child, failed, named("dropped")))
	j.wait(t, "a b c")
	j.receive(t, spanOf(9, 1, named("root")))
	j.wait(t, "a b c waits root")
	for deadline := time.Now().Add(30 * time.Second); j.In.Stats().Cursors[ReaderName] != j.In.Stats().End; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cursor is still held")
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestDecisionsOfAnotherJournalAreIgnored: what they say was dealt with is
// something else.
func TestDecisionsOfAnotherJournalAreIgnored(t *testing.T) {
	j := memories()
	spans := appendDecision(nil, idOf(1), decision{through: 1 << 40})
	spans = appendDecision(spans, idOf(2), decision{verdict: verdict{keep: true, threshold: 5 << 40}})
	if _, err := j.Decisions.Append(t.Context(), journal.Traces, 2, decisionsRequest(spans)); err != nil {
		t.Fatal(err)
	}
	m := newRemembered(10, func() {})
	if err := recall(t.Context(), j.Decisions, 1000, m); err != nil {
		t.Fatal(err)
	}
	if _, known := m.get(idOf(1)); known {
		t.Error("a decision about the future is believed")
	}
	if d, _ := m.get(idOf(2)); d != (decision{verdict: verdict{keep: true, threshold: 5 << 40}}) {
		t.Errorf("what was written down reads %+v", d)
	}
}

// full refuses what it is given until it is told otherwise.
type full struct {
	journal.Journal
	room chan struct{}
}

func (f full) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	select {
	case <-f.room:
		return f.Journal.Append(ctx, signal, items, payload)
	default:
		return 0, journal.ErrFull
	}
}

// TestAFullJournalHoldsTheCursor: what cannot be handed on is not passed.
func TestAFullJournalHoldsTheCursor(t *testing.T) {
	j, room := memories(), make(chan struct{})
	j.Kept = full{j.Kept, room}
	s := begin(t, quick(), j)
	j.receive(t, spanOf(1, 0, failed, named("a")))
	for deadline := time.Now().Add(30 * time.Second); testutil.ToFloat64(s.meters.tracesKept) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the trace is not decided")
		}
	}
	if cursor := j.In.Stats().Cursors[ReaderName]; cursor != 0 {
		t.Errorf("the cursor is at %d", cursor)
	}
	close(room)
	j.wait(t, "a")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// slow takes its time, and says that it has begun.
type slow struct {
	journal.Journal
	began, room chan struct{}
}

func (s slow) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	close(s.began)
	select {
	case <-s.room:
		return s.Journal.Append(ctx, signal, items, payload)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// TestAStopFinishesHandingOn, so that nothing is handed on again.
func TestAStopFinishesHandingOn(t *testing.T) {
	j := memories()
	kept := slow{j.Kept, make(chan struct{}), make(chan struct{})}
	j.Kept = kept
	s := begin(t, quick(), j)
	j.receive(t, spanOf(1, 0, failed, named("a")))
	<-kept.began
	s.stop()
	close(kept.room)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.wait(t, "a")
	if stats := j.In.Stats(); stats.Cursors[ReaderName] != stats.End {
		t.Errorf("the cursor is at %d of %d", stats.Cursors[ReaderName], stats.End)
	}
}

// TestAStopDoesNotWaitForEver for a journal that has no room.
func TestAStopDoesNotWaitForEver(t *testing.T) {
	j := memories()
	kept := slow{j.Kept, make(chan struct{}), make(chan struct{})}
	j.Kept = kept
	s := begin(t, quick(), j)
	j.receive(t, spanOf(1, 0, failed, named("a")))
	<-kept.began
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ended); err != nil {
		t.Fatal(err)
	}
	if cursor := j.In.Stats().Cursors[ReaderName]; cursor != 0 {
		t.Errorf("the cursor went to %d, past what was not handed on", cursor)
	}
}

// narrow has no room for large records.
type narrow struct {
	journal.Journal
	limit int
}

func (n narrow) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	if len(payload) > n.limit {
		return 0, journal.ErrTooLarge
	}
	return n.Journal.Append(ctx, signal, items, payload)
}

// TestSmallSegments have room for each record, but not for what is handed on
// together.
func TestSmallSegments(t *testing.T) {
	j := memories()
	j.Kept = narrow{j.Kept, 300}
	j.receive(t, spanOf(1, 0, failed, named("a")))
	j.receive(t, spanOf(2, 0, failed, named("large"), with("key", strings.Repeat("x", 300))))
	j.receive(t, spanOf(3, 0, failed, named("b")), spanOf(4, 0, named("dropped")))
	j.receive(t, spanOf(5, 0, failed, named("c")))
	s := begin(t, quick(), j)
	j.wait(t, "a b c")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lost := testutil.ToFloat64(s.meters.lost); lost != 1 {
		t.Errorf("%v records were lost, want the large one", lost)
	}
}

// unreadable fails to read again, once.
type unreadable struct {
	journal.Journal
	once *atomic.Bool
}

func (u unreadable) AtInto(off journal.Offset, buf *[]byte) (journal.Record, error) {
	if u.once.CompareAndSwap(false, true) {
		return journal.Record{}, errors.New("too many open files")
	}
	return u.Journal.AtInto(off, buf)
}

// TestWhatCannotBeReadNow is read later: it is not lost.
func TestWhatCannotBeReadNow(t *testing.T) {
	j, once := memories(), &atomic.Bool{}
	j.In = unreadable{j.In, once}
	j.receive(t, spanOf(1, 0, failed, named("a")))
	s := begin(t, quick(), j)
	j.wait(t, "a")
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !once.Load() || testutil.ToFloat64(s.meters.lost) != 0 {
		t.Error("it was given up, or was read at once")
	}
}

// TestAClosedJournalEndsTheSampler, which still can be shut down.
func TestAClosedJournalEndsTheSampler(t *testing.T) {
	j := memories()
	s := begin(t, quick(), j)
	if err := j.In.Close(); err != nil {
		t.Fatal(err)
	}
	s.running.Wait()
	if err := s.Shutdown(t.Context()); err != nil && !errors.Is(err, journal.ErrClosed) {
		t.Error(err)
	}
}

// TestABacklogIsReadWithoutARest: batches that are not quite full, because the
// next record does not fit, are no sign that there is time.
func TestABacklogIsReadWithoutARest(t *testing.T) {
	j, cfg := memories(), quick()
	large := with("key", strings.Repeat("x", batchBytes*3/5))
	const records = 40
	for n := range records {
		j.receive(t, spanOf(n, 0, large))
	}
	s := &Sampler{journals: j, meters: newMeters(nil)}
	p := newPending(s.meters)
	s.engine = newEngine(cfg, newBench(cfg.Tail.Policies), p, func() {})
	p.engine = s.engine
	s.fresh.Store(s.engine.head)
	var err error
	if s.reader, err = j.In.Reader(ReaderName); err != nil {
		t.Fatal(err)
	}
	reads := 0
	for ; s.engine.next < j.In.Stats().End; reads++ {
		if s.pause != 0 {
			t.Fatalf("it rests for %v although there is more", s.pause)
		}
		if err := s.read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if reads < records/2 || s.pause == 0 || s.pause > maxRest {
		t.Errorf("%d reads, and then a rest of %v", reads, s.pause)
	}
}
