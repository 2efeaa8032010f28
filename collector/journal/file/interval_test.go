package file

import (
	"log/slog"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func intervalConfig(t *testing.T) Config {
	t.Helper()
	cfg := testConfig(t)
	cfg.Sync, cfg.SyncInterval = SyncInterval, time.Second
	return cfg
}

// synced counts the syncs of segments.
func (d *faultyDisk) synced() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// TestIntervalSyncs counts syncs: appends wait for none, the first of them is
// synced when it is as old as that, and what is idle is left alone.
func TestIntervalSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFaultyDisk()
		j := openFaulty(t, intervalConfig(t), d)
		before := d.synced()
		mustAppend(t, j, 0, 5, 60)
		time.Sleep(900 * time.Millisecond)
		mustAppend(t, j, 5, 10, 60)
		if got := d.synced(); got != before {
			t.Errorf("%d syncs for 10 appends", got-before)
		}
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		if got := d.synced(); got != before+1 {
			t.Errorf("%d syncs a second after the first append", got-before)
		}
		time.Sleep(time.Minute)
		if got := d.synced(); got != before+1 {
			t.Errorf("%d syncs a minute after the last append", got-before)
		}
		mustAppend(t, j, 10, 60, 60) // Fills a segment and begins another.
		rolled := d.synced()         // Its header is synced at once.
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		if got := d.synced(); got != rolled+2 {
			t.Errorf("%d syncs for two segments", got-rolled)
		}
		mustClose(t, j)
	})
}

// TestIntervalSyncFails closes the segment for writing, and counts what may be
// lost. It is still read.
func TestIntervalSyncFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, d := intervalConfig(t), newFaultyDisk()
		j := openFaulty(t, cfg, d)
		mustAppend(t, j, 0, 5, 60)
		d.set(func(f *faults) { f.syncErr = syscall.EIO })
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		d.set(func(f *faults) { *f = noFaults() })
		if got := j.meters.failed.Load(); got != 5 {
			t.Errorf("%d records failed, want 5", got)
		}
		mustAppend(t, j, 5, 10, 60)
		if diff := cmp.Diff(numbers(0, 10), held(t, j, "")); diff != "" {
			t.Errorf("records, want - got +:\n%s", diff)
		}
		if got := len(segmentFiles(t, cfg.Dir)); got != 2 {
			t.Errorf("%d segments, want 2", got)
		}
		checkBytes(t, j)
		mustClose(t, j)
	})
}

// TestIntervalPowerCut loses no record that was older than the interval.
func TestIntervalPowerCut(t *testing.T) {
	for seed := range uint64(30) {
		d := &volatileDisk{left: 1 << 30, named: map[string]bool{}, synced: map[string][]byte{}, cached: map[string][]byte{}}
		cfg := intervalConfig(t)
		older, younger := int(seed)*3, 20
		synctest.Test(t, func(t *testing.T) {
			j, err := open(cfg, slog.New(slog.DiscardHandler), d.open)
			if err != nil {
				t.Fatal(err)
			}
			mustAppend(t, j, 0, older, 60)
			time.Sleep(1001 * time.Millisecond)
			synctest.Wait()
			mustAppend(t, j, older, older+younger, 60)
			d.mu.Lock()
			d.left = 0
			d.mu.Unlock()
			_ = j.Close() // Fails: there is no power.
		})
		cfg.Dir = t.TempDir()
		d.survive(t, cfg.Dir, rand.New(rand.NewPCG(2, seed)))
		j := mustOpen(t, cfg)
		got := held(t, j, "")
		if len(got) < older {
			t.Fatalf("%d records of %d that were old enough", len(got), older)
		}
		if diff := cmp.Diff(numbers(0, older), append([]int(nil), got[:older]...)); diff != "" {
			t.Fatal(diff)
		}
		mustClose(t, j)
	}
}
