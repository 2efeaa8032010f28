package file

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/collector/journal"
)

func TestValidate(t *testing.T) {
	valid := Config{Dir: "journal"}
	for name, change := range map[string]func(*Config){
		"no directory":      func(c *Config) { c.Dir = "" },
		"unknown sync":      func(c *Config) { c.Sync = "sometimes" },
		"negative age":      func(c *Config) { c.MaxAge = -1 },
		"tiny budget":       func(c *Config) { c.MaxBytes = 4000 },
		"tiny segments":     func(c *Config) { c.SegmentBytes = 100 },
		"huge segments":     func(c *Config) { c.SegmentBytes, c.MaxBytes = 2<<30, 10<<30 },
		"half budget":       func(c *Config) { c.SegmentBytes, c.MaxBytes = 6000, 10_000 },
		"negative interval": func(c *Config) { c.SyncInterval = -1 },
		"negative budget":   func(c *Config) { c.MaxBytes = -1 },
		"negative segments": func(c *Config) { c.SegmentBytes = -1 },
	} {
		cfg := valid
		change(&cfg)
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
		if _, err := Open(cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	for _, cfg := range []Config{valid, {Dir: "journal", MaxBytes: 10_000}, {Dir: "journal", Sync: SyncNever, MaxAge: 1, MaxBytes: 1 << 40}, {Dir: "journal", Sync: SyncInterval, SyncInterval: 1}} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	cfg := DefaultConfig()
	cfg.Dir = "journal"
	if err := cfg.Validate(); err != nil {
		t.Errorf("default: %v", err)
	}
}

func TestLock(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	if _, err := Open(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a directory was opened twice: %v", err)
	}
	mustClose(t, j)
	mustOpen(t, cfg)
}

func TestOpenFails(t *testing.T) {
	cfg := testConfig(t)
	cfg.Dir = filepath.Join(cfg.Dir, "file")
	if err := os.WriteFile(cfg.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cfg, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file was opened as a journal's directory")
	}
}

// TestRestart appends and reads over several starts of one journal.
func TestRestart(t *testing.T) {
	cfg := testConfig(t)
	want := []int{}
	var end journal.Offset
	for start := range 10 {
		j := mustOpen(t, cfg)
		if got := j.Stats().End; got != end {
			t.Errorf("the journal ends at %d, before the restart at %d", got, end)
		}
		mustAppend(t, j, start*17, start*17+17, start*11)
		want = append(want, numbers(start*17, start*17+17)...)
		if diff := cmp.Diff(want, held(t, j, "")); diff != "" {
			t.Fatalf("records, want - got +:\n%s", diff)
		}
		checkBytes(t, j)
		end = j.Stats().End
		mustClose(t, j)
	}
}

// TestCleanRestartKeepsSegment: restarts do not litter the directory.
func TestCleanRestartKeepsSegment(t *testing.T) {
	cfg := testConfig(t)
	for n := range 20 {
		j := mustOpen(t, cfg)
		mustAppend(t, j, n, n+1, 60)
		mustClose(t, j)
		mustClose(t, mustOpen(t, cfg))
	}
	if got := len(segmentFiles(t, cfg.Dir)); got != 1 {
		t.Errorf("%d segments after clean restarts, want 1", got)
	}
}

// TestAppendAbandoned ends the context of appends that are on their way: they
// return, and what is acknowledged later is right.
func TestAppendAbandoned(t *testing.T) {
	d := newFaultyDisk()
	j := openFaulty(t, testConfig(t), d)
	mustAppend(t, j, 0, 1, 60)
	d.mu.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	for n := range 4 {
		go func() {
			_, err := j.Append(ctx, journal.Traces, uint32(n), text(n, 60))
			done <- err
		}()
	}
	cancel()
	for range 4 {
		wantError(t, "append", <-done, context.Canceled)
	}
	d.mu.Unlock()
	for n, off := range mustAppend(t, j, 10, 20, 60) {
		record, err := j.At(off)
		if err != nil || int(record.Items) != 10+n {
			t.Errorf("at %d: record %d, %v, want %d", off, record.Items, err, 10+n)
		}
	}
}

// TestRoom has more appended at once than a group takes.
func TestRoom(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes, cfg.SegmentBytes = 256<<20, 3<<20
	d := newFaultyDisk()
	j := openFaulty(t, cfg, d)
	var group sync.WaitGroup
	offsets := make([]journal.Offset, 40)
	for n := range offsets {
		group.Go(func() {
			off, err := j.Append(t.Context(), journal.Traces, uint32(n), text(n, 1<<20))
			if err != nil {
				t.Errorf("append: %v", err)
			}
			offsets[n] = off
		})
	}
	group.Wait()
	for n, off := range offsets {
		record, err := j.At(off)
		if err != nil || !bytes.Equal(record.Payload, text(n, 1<<20)) {
			t.Errorf("at %d: record %d, %v, want %d", off, record.Items, err, n)
		}
	}
}

// TestConcurrent appends, reads by cursor, reads at random, asks for statistics
// and forgets, all at once, and closes in the middle of it.
func TestConcurrent(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes, cfg.Retain = 64<<10, false
	j := mustOpen(t, cfg)
	var group sync.WaitGroup
	closed := func(err error) bool {
		if err != nil && !errors.Is(err, journal.ErrClosed) && !errors.Is(err, journal.ErrFull) && !errors.Is(err, journal.ErrGone) {
			t.Errorf("unexpected error: %v", err)
		}
		return errors.Is(err, journal.ErrClosed)
	}
	for range 4 {
		group.Go(func() {
			for n := 0; ; n++ {
				off, err := j.Append(t.Context(), journal.Traces, uint32(n), text(n, n%1000))
				if closed(err) {
					return
				}
				if _, err := j.At(off); closed(err) {
					return
				}
			}
		})
	}
	var progress sync.WaitGroup
	for _, name := range []string{"one", "two", ""} {
		progress.Add(1)
		group.Go(func() { readUntilClosed(t, j, name, closed, progress.Done) })
	}
	group.Go(func() {
		for !j.isClosed() {
			j.Stats()
			if err := j.Forget("none"); err == nil {
				t.Error("forgot nobody")
			}
		}
	})
	progress.Wait()
	mustClose(t, j)
	group.Wait()
}

// readUntilClosed reads and commits, and opens its reader anew now and then. It
// reports when it has read 3,000 records.
func readUntilClosed(t *testing.T, j *Journal, name string, closed func(error) bool, enough func()) {
	count, last := 0, journal.Offset(0)
	defer func() {
		if count < 3000 {
			enough()
		}
	}()
	for {
		r, err := j.Reader(name)
		if closed(err) {
			return
		}
		for range 50 {
			records, err := r.Next(t.Context(), 5000)
			if closed(err) {
				return
			}
			if name != "" && records[0].Offset < last {
				t.Errorf("reader %s got %d after it committed %d", name, records[0].Offset, last)
			}
			for _, record := range records {
				if !bytes.Equal(record.Payload, text(int(record.Items), len(record.Payload))) {
					t.Errorf("record at %d has another payload", record.Offset)
				}
				if count++; count == 3000 {
					enough()
				}
			}
			last = records[len(records)-1].Next
			if closed(r.Commit(last)) {
				return
			}
		}
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestCollector(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 8192
	j := mustOpen(t, cfg)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(j.Collector())
	r, err := j.Reader("slow")
	if err != nil {
		t.Fatal(err)
	}
	offsets := mustAppend(t, j, 0, 70, 60)
	if err := r.Commit(offsets[30]); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), journal.Logs, 1, make([]byte, 2000)); !errors.Is(err, journal.ErrFull) {
		t.Fatalf("append: %v", err)
	}
	want := `
# HELP waybill_journal_appended_bytes_total Bytes of acknowledged records with their headers.
# TYPE waybill_journal_appended_bytes_total counter
waybill_journal_appended_bytes_total 7000
# HELP waybill_journal_appended_records_total Records that were acknowledged.
# TYPE waybill_journal_appended_records_total counter
waybill_journal_appended_records_total{signal="logs"} 0
waybill_journal_appended_records_total{signal="metrics"} 0
waybill_journal_appended_records_total{signal="traces"} 70
# HELP waybill_journal_bytes Bytes that the journal's segments occupy on disk.
# TYPE waybill_journal_bytes gauge
waybill_journal_bytes 7080
# HELP waybill_journal_reader_lag_bytes Bytes between a named reader's committed cursor and the journal's end.
# TYPE waybill_journal_reader_lag_bytes gauge
waybill_journal_reader_lag_bytes{reader="slow"} 4000
# HELP waybill_journal_refused_records_total Records that were refused because the budget or the disk was used up.
# TYPE waybill_journal_refused_records_total counter
waybill_journal_refused_records_total 1
`
	names := []string{"appended_bytes_total", "appended_records_total", "bytes", "reader_lag_bytes", "refused_records_total"}
	for i := range names {
		names[i] = "waybill_journal_" + names[i]
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
}

// TestAllocations holds the paths that run once per record to their ceilings.
func TestAllocations(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes, cfg.SegmentBytes = 64<<20, 32<<20
	j := mustOpen(t, cfg)
	payload := text(1, 1000)
	off := mustAppend(t, j, 0, tailPieces+2, 1000)[0] // Groups are used again once the tail is full.
	r, err := j.Reader("reader")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		ceiling float64
		run     func() error
	}{
		{"append", 0 + poolAllocations, func() error {
			_, err := j.Append(context.Background(), journal.Traces, 1, payload)
			return err
		}},
		{"next", 1, func() error {
			_, err := r.Next(context.Background(), 1<<10)
			return err
		}},
		{"commit", 1, func() error { return r.Commit(r.(*Reader).pos) }},
		{"at", 2, func() error {
			_, err := j.At(off)
			return err
		}},
	} {
		got := testing.AllocsPerRun(500, func() {
			if err := test.run(); err != nil {
				t.Fatal(err)
			}
		})
		if got > test.ceiling {
			t.Errorf("%s: %v allocations, ceiling %v", test.name, got, test.ceiling)
		}
	}
}

// TestFileHandles reads far more segments than may stay open.
func TestFileHandles(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 4 << 20
	j := mustOpen(t, cfg)
	const segments = maxIdleFiles * 2
	offsets := mustAppend(t, j, 0, segments, 3000)
	slices.Reverse(offsets)
	for n, off := range offsets {
		if record, err := j.At(off); err != nil || int(record.Items) != segments-1-n {
			t.Fatalf("at %d: %v", off, err)
		}
	}
	if diff := cmp.Diff(numbers(0, segments), held(t, j, "")); diff != "" {
		t.Errorf("records, want - got +:\n%s", diff)
	}
	open := 0
	for _, s := range j.segments {
		if s.file != nil {
			open++
		}
	}
	if open > maxIdleFiles+1 || j.idle.n != open-1 {
		t.Errorf("%d files are open, %d counted as idle, want %d at most beside the active one", open, j.idle.n, maxIdleFiles)
	}
}
