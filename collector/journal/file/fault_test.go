package file

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybill-dev/waybill/collector/journal"
)

// faultyDisk is a real disk whose writes fail on demand.
type faultyDisk struct {
	mu sync.Mutex
	faults
	syncs int // of segments
}

// faults are what the disk does wrong; the zero value is a disk of no space.
type faults struct {
	space    int64 // bytes that segments may still take; negative: no bound
	writeErr error // what a write returns after its first half
	syncErr  error
	cutErr   error // what truncate returns
}

func (d *faultyDisk) open(root *os.Root, name string, flag int) (handle, error) {
	file, err := openFile(root, name, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{handle: file, disk: d, segment: strings.HasSuffix(name, segmentSuffix)}, nil
}

func (d *faultyDisk) set(change func(*faults)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.faults)
}

func noFaults() faults { return faults{space: -1} }

func newFaultyDisk() *faultyDisk { return &faultyDisk{faults: noFaults()} }

type faultyFile struct {
	handle
	disk    *faultyDisk
	segment bool
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, failure := len(p), error(nil)
	switch {
	case !f.segment:
	case f.disk.writeErr != nil:
		n, failure = n/2, f.disk.writeErr
	case f.disk.space >= 0 && int64(n) > f.disk.space:
		n, failure = int(f.disk.space), syscall.ENOSPC
	}
	if f.segment && f.disk.space >= 0 {
		f.disk.space -= int64(n)
	}
	if n, err := f.handle.WriteAt(p[:n], at); err != nil {
		return n, err
	}
	return n, failure
}

func (f *faultyFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.cutErr != nil {
		return f.disk.cutErr
	}
	return f.handle.Truncate(size)
}

func (f *faultyFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if !f.segment {
		return nil
	}
	f.disk.syncs++
	return f.disk.syncErr
}

func openFaulty(t *testing.T, cfg Config, d *faultyDisk) *Journal {
	t.Helper()
	if cfg.Sync == SyncNever {
		cfg.Sync = SyncAlways
	}
	j, err := open(cfg, slog.New(slog.DiscardHandler), d.open)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// TestFaults has one append fail and asks for each fault: the error, whether
// the segment is given up, and that nothing but the failed record is missing.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name     string
		fault    func(*faults)
		want     error
		full     bool
		segments int
	}{
		{"disk full at once", func(d *faults) { d.space = 0 }, syscall.ENOSPC, true, 1},
		{"disk full in a header", func(d *faults) { d.space = 10 }, syscall.ENOSPC, true, 1},
		{"disk full in a payload", func(d *faults) { d.space = 70 }, syscall.ENOSPC, true, 1},
		{"quota used up", func(d *faults) { d.writeErr = syscall.EDQUOT }, syscall.EDQUOT, true, 1},
		{"disk full and cut fails", func(d *faults) { d.space = 70; d.cutErr = syscall.EIO }, syscall.ENOSPC, true, 2},
		{"write fails", func(d *faults) { d.writeErr = syscall.EIO }, syscall.EIO, false, 2},
		{"write and cut fail", func(d *faults) { d.writeErr = syscall.EIO; d.cutErr = syscall.EIO }, syscall.EIO, false, 2},
		{"sync fails", func(d *faults) { d.syncErr = syscall.EIO }, syscall.EIO, false, 2},
		{"sync and cut fail", func(d *faults) { d.syncErr = syscall.EIO; d.cutErr = syscall.EIO }, syscall.EIO, false, 2},
		{"sync finds no space", func(d *faults) { d.syncErr = syscall.ENOSPC }, syscall.ENOSPC, true, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, d := testConfig(t), newFaultyDisk()
			j := openFaulty(t, cfg, d)
			mustAppend(t, j, 0, 5, 60)
			d.set(test.fault)
			for range 3 {
				_, err := j.Append(t.Context(), journal.Traces, 999, text(999, 60))
				wantError(t, "append", err, test.want)
				if errors.Is(err, journal.ErrFull) != test.full {
					t.Errorf("%v says full: %v, want %v", err, !test.full, test.full)
				}
			}
			if diff := cmp.Diff(numbers(0, 5), held(t, j, "")); diff != "" {
				t.Errorf("records beside the failure, want - got +:\n%s", diff)
			}
			d.set(func(f *faults) { *f = noFaults() })
			mustAppend(t, j, 5, 10, 60)
			if diff := cmp.Diff(numbers(0, 10), held(t, j, "")); diff != "" {
				t.Errorf("records after the failure, want - got +:\n%s", diff)
			}
			if got := len(segmentFiles(t, cfg.Dir)); got != test.segments {
				t.Errorf("%d segments, want %d", got, test.segments)
			}
			checkBytes(t, j)
			mustClose(t, j)

			// Once opened again, the failed record may be there, whole, or not.
			j = mustOpen(t, cfg)
			got := held(t, j, "")
			for n := range 10 {
				if !slices.Contains(got, n) {
					t.Errorf("record %d was acknowledged and is lost", n)
				}
			}
			checkBytes(t, j)
		})
	}
}

// checkBytes compares what the journal counts with what its files occupy.
func checkBytes(t *testing.T, j *Journal) {
	t.Helper()
	sum := int64(0)
	for _, name := range segmentFiles(t, j.cfg.Dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	if got := j.Stats().Bytes; got != sum {
		t.Errorf("the journal counts %d bytes, its files have %d", got, sum)
	}
}

// TestSyncBeforeAnswer counts syncs: each lone append takes one.
func TestSyncBeforeAnswer(t *testing.T) {
	d := newFaultyDisk()
	j := openFaulty(t, testConfig(t), d)
	before := d.syncs
	mustAppend(t, j, 0, 10, 60)
	if d.syncs != before+10 {
		t.Errorf("%d syncs for 10 appends", d.syncs-before)
	}
}

// TestUnsyncedIsNotSeen holds a sync back: the record must not be read before.
func TestUnsyncedIsNotSeen(t *testing.T) {
	d := newFaultyDisk()
	j := openFaulty(t, testConfig(t), d)
	mustAppend(t, j, 0, 1, 60)
	d.mu.Lock() // Every write and sync waits now.
	done := make(chan error, 1)
	go func() {
		_, err := j.Append(t.Context(), journal.Traces, 1, text(1, 60))
		done <- err
	}()
	if diff := cmp.Diff([]int{0}, held(t, j, "")); diff != "" {
		t.Errorf("records before the sync, want - got +:\n%s", diff)
	}
	d.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 1}, held(t, j, "")); diff != "" {
		t.Errorf("records after the sync, want - got +:\n%s", diff)
	}
}

// TestGroupShares has appends wait for a slow sync: they share the next one.
func TestGroupShares(t *testing.T) {
	d := newFaultyDisk()
	j := openFaulty(t, testConfig(t), d)
	mustAppend(t, j, 0, 1, 60)
	d.mu.Lock()
	before := d.syncs
	var group sync.WaitGroup
	start := func(n int) {
		group.Go(func() {
			if _, err := j.Append(t.Context(), journal.Traces, uint32(n), text(n, 60)); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	waitFor := func(reached func() bool) {
		for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			j.mu.Lock()
			done := reached()
			j.mu.Unlock()
			if done {
				return
			}
			if time.Now().After(deadline) {
				t.Error("the appends do not get to where they should wait")
				return
			}
		}
	}
	waitFor(func() bool { return j.spare != nil }) // The committer is at rest.
	start(1)
	waitFor(func() bool { return j.spare == nil }) // The committer has taken the first.
	for n := range 20 {
		start(n)
	}
	waitFor(func() bool { return len(j.pending.entries) == 20 })
	d.mu.Unlock()
	group.Wait()
	if syncs := d.syncs - before; syncs != 2 {
		t.Errorf("%d syncs for a lone append and 20 at once, want 2", syncs)
	}
}

// TestFullDiskTakesRetained: what is only retained makes room on a disk that is
// full before the budget is.
func TestFullDiskTakesRetained(t *testing.T) {
	cfg, d := testConfig(t), newFaultyDisk()
	j := openFaulty(t, cfg, d)
	mustAppend(t, j, 0, 100, 60)
	d.set(func(d *faults) { d.space = 0 })
	if _, err := j.Append(t.Context(), journal.Traces, 1, text(1, 60)); !errors.Is(err, journal.ErrFull) {
		t.Fatalf("append: %v", err)
	}
	if got := len(segmentFiles(t, cfg.Dir)); got != 1 {
		t.Errorf("%d segments are left, want the newest only", got)
	}
}

// TestFullDiskAtRoll has no space for the header of a new segment.
func TestFullDiskAtRoll(t *testing.T) {
	for name, test := range map[string]struct {
		fault faults
		full  bool
	}{
		"no space":         {faults{space: 0}, true},
		"half a header":    {faults{space: 20}, true},
		"sync of a header": {faults{space: -1, syncErr: syscall.EIO}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, d := testConfig(t), newFaultyDisk()
			j := openFaulty(t, cfg, d)
			mustAppend(t, j, 0, 40, 60) // Fills the first segment.
			for range 3 {
				d.set(func(f *faults) { *f = test.fault })
				if _, err := j.Append(t.Context(), journal.Traces, 999, text(999, 60)); err == nil || errors.Is(err, journal.ErrFull) != test.full {
					t.Errorf("append: %v, want full: %v", err, test.full)
				}
				if got := len(segmentFiles(t, cfg.Dir)); got != 1 {
					t.Errorf("%d segments, want 1", got)
				}
			}
			d.set(func(f *faults) { *f = noFaults() })
			mustAppend(t, j, 40, 45, 60)
			if diff := cmp.Diff(numbers(0, 45), held(t, j, "")); diff != "" {
				t.Errorf("records, want - got +:\n%s", diff)
			}
			checkBytes(t, j)
		})
	}
}

// TestOpenOnFullDisk: readers must be able to make room.
func TestOpenOnFullDisk(t *testing.T) {
	for name, records := range map[string]int{"new": 0, "full segment": 40, "torn": 39} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(t)
			j := mustOpen(t, cfg)
			mustAppend(t, j, 0, records, 60)
			mustClose(t, j)
			switch name {
			case "new":
				if err := os.Remove(segmentFiles(t, cfg.Dir)[0]); err != nil {
					t.Fatal(err)
				}
			case "torn":
				edit(t, segmentFiles(t, cfg.Dir)[0], add([]byte("torn")))
			}
			d := newFaultyDisk()
			d.space = 0
			j = openFaulty(t, cfg, d)
			if diff := cmp.Diff(numbers(0, records), held(t, j, ""), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("records on a full disk, want - got +:\n%s", diff)
			}
			_, err := j.Append(t.Context(), journal.Traces, 1, text(1, 60))
			wantError(t, "append", err, journal.ErrFull)
			d.set(func(f *faults) { *f = noFaults() })
			mustAppend(t, j, records, records+2, 60)
			if diff := cmp.Diff(numbers(0, records+2), held(t, j, "")); diff != "" {
				t.Errorf("records after there was space, want - got +:\n%s", diff)
			}
			checkBytes(t, j)
		})
	}
}

// TestOpenSyncs: what a killed process left in the page cache may be read only
// once it is durable.
func TestOpenSyncs(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, 5, 60)
	mustClose(t, j)
	d := newFaultyDisk()
	openFaulty(t, cfg, d)
	if d.syncs == 0 {
		t.Error("the last segment was not synced")
	}
}

// TestFullDiskKeepsUnread: what a named reader has not passed does not.
func TestFullDiskKeepsUnread(t *testing.T) {
	cfg, d := testConfig(t), newFaultyDisk()
	j := openFaulty(t, cfg, d)
	r, err := j.Reader("slow")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 0, 100, 60)
	d.set(func(d *faults) { d.space = 0 })
	_, err = j.Append(t.Context(), journal.Traces, 1, text(1, 60))
	wantError(t, "append", err, journal.ErrFull)
	if err := r.Commit(j.Stats().End); err != nil {
		t.Errorf("a full disk keeps a reader from passing records: %v", err)
	}
	if diff := cmp.Diff(numbers(0, 100), held(t, j, "")); diff != "" {
		t.Errorf("records, want - got +:\n%s", diff)
	}
}
