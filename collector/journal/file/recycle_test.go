package file

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/journal"
)

// recycling opens a journal of small segments that recycles them all the same.
func recycling(t *testing.T, cfg Config, opener openFunc) *Journal {
	t.Helper()
	j, err := openWith(cfg, slog.New(slog.DiscardHandler), opener, 1000)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func recycleConfig(t *testing.T) Config {
	t.Helper()
	return Config{Dir: t.TempDir(), MaxBytes: 64 << 10, SegmentBytes: 4096, Sync: SyncAlways}
}

func inode(t *testing.T, name string) uint64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func newest(t *testing.T, dir string) string {
	t.Helper()
	files := segmentFiles(t, dir)
	return files[len(files)-1]
}

// pass commits a reader's cursor at the end.
func pass(t *testing.T, j *Journal, r journal.Reader) {
	t.Helper()
	if err := r.Commit(j.Stats().End); err != nil {
		t.Fatal(err)
	}
}

// TestSegmentsAreRecycled writes over the same two files again and again, and
// leaves what a journal that never did would leave.
func TestSegmentsAreRecycled(t *testing.T) {
	cfg := recycleConfig(t)
	j := recycling(t, cfg, openFile)
	r, err := j.Reader("r")
	if err != nil {
		t.Fatal(err)
	}
	inodes := map[uint64]int{}
	n := 0
	for range 20 {
		mustAppend(t, j, n, n+50, 60)
		n += 50
		inodes[inode(t, newest(t, cfg.Dir))]++
		follow(t, r, n-50, n)
		checkBytes(t, j)
	}
	if len(inodes) > 10 { // Two may be deleted at once, and one be kept.
		t.Errorf("%d files for 20 segments", len(inodes))
	}
	mustAppend(t, j, n, n+10, 60)
	if diff := cmp.Diff(n+10, held(t, j, "")[len(held(t, j, ""))-1]+1); diff != "" {
		t.Error(diff)
	}

	crashed := cfg
	crashed.Dir = t.TempDir()
	if err := os.CopyFS(crashed.Dir, os.DirFS(cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, j)
	for what, cfg := range map[string]Config{"closed": cfg, "killed": crashed} {
		if _, err := os.Stat(filepath.Join(cfg.Dir, spareName)); err == nil && what == "closed" {
			t.Error("a closed journal keeps a spare segment")
		}
		j := mustOpen(t, cfg)
		if _, err := os.Stat(filepath.Join(cfg.Dir, spareName)); err == nil {
			t.Errorf("%s: an open journal keeps a spare segment of another process", what)
		}
		checkBytes(t, j)
		r, err := j.Reader("r")
		if err != nil {
			t.Fatal(err)
		}
		follow(t, r, n, n+10)
		if j.meters.damages.Load() != 0 || what == "closed" && j.meters.tornBytes.Load() != 0 {
			t.Errorf("%s: %d damaged stretches, %d torn bytes", what, j.meters.damages.Load(), j.meters.tornBytes.Load())
		}
		mustAppend(t, j, n+10, n+20, 60)
		follow(t, r, n+10, n+20)
		mustClose(t, j)
	}
}

// TestRecyclingKeepsTheBudget appends at random to a reader that now and then is
// behind: all files together stay within the budget, and all of it can be used.
func TestRecyclingKeepsTheBudget(t *testing.T) {
	for _, retain := range []bool{false, true} {
		cfg := recycleConfig(t)
		cfg.MaxBytes, cfg.Sync, cfg.Retain = 20_000, SyncNever, retain
		j := recycling(t, cfg, openFile)
		r, err := j.Reader("r")
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		n, done, full := 0, 0, 0
		for range 5000 {
			_, err := j.Append(t.Context(), journal.Traces, uint32(n), text(n, 1+random.IntN(900)))
			switch {
			case err == nil:
				n++
			case errors.Is(err, journal.ErrFull):
				if bytes := j.Stats().Bytes; bytes < cfg.MaxBytes-cfg.SegmentBytes-1000 {
					t.Fatalf("full at %d bytes of %d", bytes, cfg.MaxBytes)
				}
				full++
				follow(t, r, done, n)
				done = n
			default:
				t.Fatal(err)
			}
			if random.IntN(30) == 0 {
				follow(t, r, done, n)
				done = n
			}
			if got := occupied(t, cfg.Dir); got > cfg.MaxBytes {
				t.Fatalf("%d bytes on the disk, the budget is %d", got, cfg.MaxBytes)
			}
			checkBytes(t, j)
		}
		follow(t, r, done, n)
		if full == 0 && !retain {
			t.Error("it was never full")
		}
		mustClose(t, j)
	}
}

// occupied is what segments and the spare take.
func occupied(t *testing.T, dir string) int64 {
	t.Helper()
	sum := int64(0)
	for _, name := range append(segmentFiles(t, dir), filepath.Join(dir, spareName)) {
		if info, err := os.Stat(name); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// TestFullDiskTakesTheSpare, and goes on in a segment whose rest was cut off.
func TestFullDiskTakesTheSpare(t *testing.T) {
	cfg, d := recycleConfig(t), newFaultyDisk()
	j := recycling(t, cfg, d.open)
	r, err := j.Reader("r")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		mustAppend(t, j, n*50, n*50+50, 60)
		pass(t, j, r)
	}
	if j.spareSize == 0 {
		t.Fatal("there is no spare")
	}
	d.set(func(f *faults) { f.space = 150 })
	_, err = j.Append(t.Context(), journal.Traces, 999, text(999, 200))
	wantError(t, "append", err, journal.ErrFull)
	if j.spareSize != 0 || occupied(t, cfg.Dir) != j.Stats().Bytes {
		t.Errorf("a full disk keeps a spare of %d bytes", j.spareSize)
	}
	checkBytes(t, j)
	d.set(func(f *faults) { *f = noFaults() })
	mustAppend(t, j, 200, 210, 60)
	follow(t, r, 200, 210)
	checkBytes(t, j)
}

// TestWhatIsReadIsNotRecycled holds a segment open while it is deleted.
func TestWhatIsReadIsNotRecycled(t *testing.T) {
	cfg := recycleConfig(t)
	j := recycling(t, cfg, openFile)
	r, err := j.Reader("r")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 0, 35, 60)
	old := j.segments[0]
	file, _, err := old.acquire()
	if err != nil {
		t.Fatal(err)
	}
	before := make([]byte, 3000)
	if _, err := file.ReadAt(before, 0); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 35, 50, 60)
	pass(t, j, r)
	mustAppend(t, j, 50, 200, 60)
	after := make([]byte, 3000)
	if _, err := file.ReadAt(after, 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error("what is being read was written over")
	}
	old.release()
}

// TestPowerCutWhileRecycling is TestPowerCut with segments that are written over.
func TestPowerCutWhileRecycling(t *testing.T) {
	for left := 5; left < 400; left += 4 {
		d := &volatileDisk{left: left, named: map[string]bool{}, synced: map[string][]byte{}, cached: map[string][]byte{}}
		cfg := recycleConfig(t)
		cfg.MaxBytes = 1 << 20 // What was deleted comes back with this disk.
		acked, committed := liveUntilCut(t, cfg, d, 1000)

		cfg.Dir = t.TempDir()
		d.survive(t, cfg.Dir, rand.New(rand.NewPCG(3, uint64(left))))
		j := mustOpen(t, cfg)
		found := map[int]bool{}
		for _, n := range held(t, j, "") {
			found[n] = true
		}
		for n, off := range acked {
			if !found[n] && off >= committed {
				t.Fatalf("power cut after %d operations: record %d was acknowledged and is lost", left, n)
			}
		}
		if cursor := j.Stats().Cursors["reader"]; cursor > committed {
			t.Fatalf("power cut after %d operations: the cursor is at %d, only %d was committed", left, cursor, committed)
		}
		mustAppend(t, j, 1_000_000, 1_000_001, 60)
		mustClose(t, j)
	}
}
