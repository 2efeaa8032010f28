package file

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/journal"
)

// TestPassedSegments commits one reader after the other: without Retain a
// segment goes with the last of them, with Retain it stays.
func TestPassedSegments(t *testing.T) {
	for _, test := range []struct {
		name   string
		retain bool
		want   []int // segments after each of the commits below
	}{
		{"plain", false, []int{3, 3, 2, 1, 1}},
		{"retaining", true, []int{3, 3, 3, 3, 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.Retain = test.retain
			j := mustOpen(t, cfg)
			readers := map[string]journal.Reader{}
			for _, name := range []string{"a", "b"} {
				r, err := j.Reader(name)
				if err != nil {
					t.Fatal(err)
				}
				readers[name] = r
			}
			offsets := append(mustAppend(t, j, 0, allRecords, 60), j.Stats().End)
			for i, commit := range []struct {
				reader string
				record int
			}{{"a", 100}, {"b", 39}, {"b", 40}, {"b", 80}, {"b", 100}} {
				if err := readers[commit.reader].Commit(offsets[commit.record]); err != nil {
					t.Fatal(err)
				}
				if got := len(segmentFiles(t, cfg.Dir)); got != test.want[i] {
					t.Errorf("%d segments after commit %d, want %d", got, i, test.want[i])
				}
				checkBytes(t, j)
			}
		})
	}
}

// TestPassedSegmentsAtOpen: what a crash kept from being deleted goes at start.
func TestPassedSegmentsAtOpen(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	r, err := j.Reader("a")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 0, allRecords, 60)
	if err := r.Commit(j.Stats().End); err != nil {
		t.Fatal(err)
	}
	mustClose(t, j)
	cfg.Retain = false
	j = mustOpen(t, cfg)
	if got := len(segmentFiles(t, cfg.Dir)); got != 1 {
		t.Errorf("%d segments, want 1", got)
	}
	checkBytes(t, j)
}

// TestBudget holds the files, not only the count, to MaxBytes, with records of
// all sizes.
func TestBudget(t *testing.T) {
	for _, named := range []bool{false, true} {
		cfg := testConfig(t)
		cfg.MaxBytes, cfg.SegmentBytes = 20_000, 4096
		j := mustOpen(t, cfg)
		if named {
			if _, err := j.Reader("slow"); err != nil {
				t.Fatal(err)
			}
		}
		full := 0
		for n := range 200 {
			_, err := j.Append(t.Context(), journal.Logs, uint32(n), text(n, n*37%4000))
			if errors.Is(err, journal.ErrFull) {
				full++
			} else if err != nil {
				t.Fatal(err)
			}
			if got := j.Stats().Bytes; got > cfg.MaxBytes {
				t.Fatalf("%d bytes, budget %d", got, cfg.MaxBytes)
			}
			checkBytes(t, j)
		}
		if named == (full == 0) {
			t.Errorf("%d of 200 appends were refused, named reader: %v", full, named)
		}
	}
}

func TestForget(t *testing.T) {
	cfg := testConfig(t)
	cfg.Retain = false
	j := mustOpen(t, cfg)
	for _, name := range []string{"old", "new"} {
		r, err := j.Reader(name)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, j, 0, 100, 60)
		if name == "new" {
			if err := r.Commit(j.Stats().End); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Forget(name); err == nil {
			t.Errorf("reader %q was forgotten while it was open", name)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Forget("old"); err != nil {
		t.Fatal(err)
	}
	if err := j.Forget("old"); err == nil {
		t.Error("a reader was forgotten twice")
	}
	if got := len(segmentFiles(t, cfg.Dir)); got != 1 {
		t.Errorf("%d segments, want 1: the forgotten reader holds the others", got)
	}
	mustClose(t, j)
	j = mustOpen(t, cfg)
	if got := j.Stats().Cursors; len(got) != 1 || got["new"] != j.Stats().End {
		t.Errorf("cursors after another start are %v", got)
	}
}

// TestForgetFails has a cursor that cannot be deleted: it goes on to be one.
func TestForgetFails(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	r, err := j.Reader("kept")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(cfg.Dir, cursorDir, "kept")
	if err := errors.Join(os.Rename(name, name+".aside"), os.MkdirAll(filepath.Join(name, "in the way"), 0o750)); err != nil {
		t.Fatal(err)
	}
	if err := j.Forget("kept"); err == nil {
		t.Fatal("a cursor was forgotten that is still there")
	}
	if r, err = j.Reader("kept"); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 0, 1, 60)
	if err := r.Commit(j.Stats().End); err != nil {
		t.Errorf("the reader cannot commit any more: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestMaxAge runs an hour of a slow journal: nothing passed is kept longer than
// MaxAge and a part, nothing unread is lost.
func TestMaxAge(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxAge = 8 * time.Minute
	cfg.SegmentBytes = 64 << 10
	synctest.Test(t, func(t *testing.T) {
		j, err := Open(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer mustClose(t, j)
		for n := range 60 {
			mustAppend(t, j, n, n+1, 60)
			time.Sleep(time.Minute)
			synctest.Wait()
			got := held(t, j, "")
			if len(got) < 8 && len(got) < n+1 || len(got) > 10 {
				t.Fatalf("after %d minutes %d records are held", n, len(got))
			}
		}
		r, err := j.Reader("slow")
		if err != nil {
			t.Fatal(err)
		}
		before := held(t, j, "")
		time.Sleep(time.Hour)
		if diff := cmp.Diff(before, held(t, j, "")); diff != "" {
			t.Errorf("records that a named reader waits for, want - got +:\n%s", diff)
		}
		if err := r.Commit(j.Stats().End); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := held(t, j, ""); len(got) != 0 {
			t.Errorf("%d records are held an hour after the last", len(got))
		}
	})
}

// TestSlowEphemeralReader is overtaken by retention in the middle of a segment
// and goes on at the oldest record; the space of deleted files is free.
func TestSlowEphemeralReader(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 3 * 4096
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, 40, 60)
	r, err := j.Reader("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	behind := r.(*Reader).seg
	mustAppend(t, j, 40, 400, 60)
	if behind.file != nil {
		t.Error("a deleted segment is still open")
	}
	records, err := r.Next(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	if records[0].Offset != j.Stats().Oldest {
		t.Errorf("the reader goes on at %d, the oldest record is at %d", records[0].Offset, j.Stats().Oldest)
	}
}
