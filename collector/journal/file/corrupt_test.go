package file

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Records of 60 bytes lie every 100 bytes, so that a segment of 4,096 bytes has
// 40 of them at 40, 140, … 3940, and three segments have records 0 to 39, 40 to
// 79 and 80 to 99.
const (
	recordEvery = 100
	perSegment  = 40
	allRecords  = 100
)

// place is where record n lies in its file.
func place(n int) int { return fileHeader + n%perSegment*recordEvery }

// without is the numbers of all records but those.
func without(lost ...int) []int {
	return slices.DeleteFunc(numbers(0, allRecords), func(n int) bool { return slices.Contains(lost, n) })
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 0x10
		return b
	}
}

func cut(size int) func([]byte) []byte { return func(b []byte) []byte { return b[:size] } }

func add(tail []byte) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, tail...) }
}

func blank(from, to int) func([]byte) []byte {
	return func(b []byte) []byte {
		clear(b[from:to])
		return b
	}
}

// TestCorruption says what survives each kind of damage: all but the damaged.
func TestCorruption(t *testing.T) {
	const first, middle, last = 0, 1, 2
	for _, test := range []struct {
		name    string
		file    int
		change  func([]byte) []byte
		want    []int
		torn    int // bytes cut off at Open
		damages int // stretches skipped
	}{
		{"nothing", last, cut(place(99) + recordEvery), without(), 0, 0},
		{"flip in a payload", middle, flip(place(50) + recordHeader + 7), without(50), 0, 1},
		{"flip in a checksum", middle, flip(place(50) + crcAt), without(50), 0, 1},
		{"flip in a length", middle, flip(place(50) + lengthAt), without(50), 0, 1},
		{"flip in a length's high byte", middle, flip(place(50) + lengthAt + 3), without(50), 0, 1},
		{"flip in a mark", middle, flip(place(50) + markAt), without(50), 0, 1},
		{"flip in an offset", middle, flip(place(50) + offsetAt), without(50), 0, 1},
		{"flip in a time", middle, flip(place(50) + timeAt), without(50), 0, 1},
		{"flip in the items", middle, flip(place(50) + itemsAt), without(50), 0, 1},
		{"flip in a signal", middle, flip(place(50) + signalAt), without(50), 0, 1},
		{"flip in the zeros", middle, flip(place(50) + signalAt + 1), without(50), 0, 1},
		{"flip in a segment's first record", middle, flip(place(40) + 90), without(40), 0, 1},
		{"flip in a sealed segment's last record", middle, flip(place(79) + 90), without(79), 0, 1},
		{"flip in the last segment", last, flip(place(90) + 90), without(90), 0, 1},
		{"flip in the last record", last, flip(place(99) + 90), without(99), 100, 0},
		{"flip in the magic", middle, flip(0), without(), 0, 0},
		{"flip in the header's mark", middle, flip(24), without(), 0, 0},
		{"flip in the last segment's header", last, flip(17), without(), 0, 0},
		{"header and first record gone", middle, blank(0, place(41)), without(40), 0, 1},
		{"two neighbours gone", middle, blank(place(50)+10, place(52)-10), without(50, 51), 0, 1},
		{"two stretches gone", first, func(b []byte) []byte { return flip(place(9) + 50)(flip(place(5) + 50)(b)) }, without(5, 9), 0, 2},
		{"a segment of zeros", middle, blank(0, place(79)+recordEvery), without(numbers(40, 80)...), 0, 1},
		{"the last segment of zeros", last, blank(0, place(99)+recordEvery), without(numbers(80, 100)...), 2000, 0},
		{"a sealed segment cut short", middle, cut(place(60) + 50), without(numbers(60, 80)...), 0, 1},
		{"a sealed segment of no bytes", middle, cut(0), without(numbers(40, 80)...), 0, 0},
		{"the last segment of no bytes", last, cut(0), without(numbers(80, 100)...), 0, 0},
		{"the last segment of half a header", last, cut(20), without(numbers(80, 100)...), 0, 0},
		{"the last segment of a header only", last, cut(fileHeader), without(numbers(80, 100)...), 0, 0},
		{"a tail of zeros", last, add(make([]byte, 5000)), without(), 5000, 0},
		{"a tail of garbage", last, add(bytes.Repeat([]byte("garbage "), 500)), without(), 4000, 0},
		{"a tail of old records", last, func(b []byte) []byte { return append(b, b[place(80):place(90)]...) }, without(), 1000, 0},
		{"a tail of zeros on a sealed segment", middle, add(make([]byte, 5000)), without(), 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			j := mustOpen(t, cfg)
			offsets := mustAppend(t, j, 0, allRecords, recordEvery-recordHeader)
			end := j.Stats().End
			mustClose(t, j)
			files := segmentFiles(t, cfg.Dir)
			if len(files) != 3 {
				t.Fatalf("the journal has %d segments, want 3", len(files))
			}
			edit(t, files[test.file], test.change)

			j = mustOpen(t, cfg)
			checkSurvivors(t, j, offsets, test.want)
			if got := int(j.meters.tornBytes.Load()); got != test.torn {
				t.Errorf("%d bytes were cut off, want %d", got, test.torn)
			}
			if got := int(j.meters.damages.Load()); got != test.damages {
				t.Errorf("%d damaged stretches were counted, want %d", got, test.damages)
			}
			next := mustAppend(t, j, allRecords, allRecords+1, 60)[0]
			if next < end && !strings.Contains(test.name, "the last segment of") { // It cannot see what had been there.
				t.Errorf("a new record is at %d, the journal had ended at %d", next, end)
			}
			checkGoesOn(t, j, append(slices.Clone(test.want), allRecords))
		})
	}
}

// checkSurvivors reads the journal by readers and at each offset.
func checkSurvivors(t *testing.T, j *Journal, offsets []journal.Offset, want []int) {
	t.Helper()
	for _, reader := range []string{"", "named"} {
		if diff := cmp.Diff(want, held(t, j, reader)); diff != "" {
			t.Errorf("records that survived, want - got +:\n%s", diff)
		}
	}
	for n, off := range offsets {
		record, err := j.At(off)
		switch survived := slices.Contains(want, n); {
		case survived && (err != nil || int(record.Items) != n):
			t.Errorf("at record %d: got %d, %v", n, record.Items, err)
		case !survived:
			wantError(t, "at a record that is lost", err, journal.ErrGone)
		}
	}
}

// checkGoesOn reads the journal now and after another start, which must find
// nothing to cut.
func checkGoesOn(t *testing.T, j *Journal, want []int) {
	t.Helper()
	for range 2 {
		if diff := cmp.Diff(want, held(t, j, "")); diff != "" {
			t.Errorf("records after another append, want - got +:\n%s", diff)
		}
		mustClose(t, j)
		j = mustOpen(t, j.cfg)
	}
	if got := j.meters.tornBytes.Load(); got != 0 {
		t.Errorf("%d bytes were cut off again", got)
	}
}

// TestTornAtEveryByte cuts the last record at each of its bytes: the others
// survive, and what is appended then does too.
func TestTornAtEveryByte(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, 3, 60)
	mustClose(t, j)
	whole, err := os.ReadFile(segmentFiles(t, cfg.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(whole) {
		cfg.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(cfg.Dir, segmentName(0)), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		survive := max(0, size-fileHeader) / recordEvery
		j := mustOpen(t, cfg)
		mustAppend(t, j, survive, survive+2, 60)
		if diff := cmp.Diff(numbers(0, survive+2), held(t, j, "")); diff != "" {
			t.Fatalf("file cut at %d, want - got +:\n%s", size, diff)
		}
		mustClose(t, j)
		j = mustOpen(t, cfg)
		if diff := cmp.Diff(numbers(0, survive+2), held(t, j, "")); diff != "" {
			t.Fatalf("file cut at %d, opened again, want - got +:\n%s", size, diff)
		}
		mustClose(t, j)
	}
}

func TestMissingSegments(t *testing.T) {
	for _, test := range []struct {
		name   string
		remove []int
		want   []int
	}{
		{"the first", []int{0}, numbers(40, 100)},
		{"one in the middle", []int{1}, append(numbers(0, 40), numbers(80, 100)...)},
		{"the last", []int{2}, numbers(0, 80)},
		{"all", []int{0, 1, 2}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			j := mustOpen(t, cfg)
			mustAppend(t, j, 0, allRecords, 60)
			r, err := j.Reader("reader")
			if err != nil {
				t.Fatal(err)
			}
			end := j.Stats().End
			if err := r.Commit(end); err != nil {
				t.Fatal(err)
			}
			mustClose(t, j)
			files := segmentFiles(t, cfg.Dir)
			for _, n := range test.remove {
				if err := os.Remove(files[n]); err != nil {
					t.Fatal(err)
				}
			}
			j = mustOpen(t, cfg)
			if diff := cmp.Diff(test.want, held(t, j, "")); diff != "" {
				t.Errorf("records that survived, want - got +:\n%s", diff)
			}
			// The cursor is past everything: new records must come after it.
			if off := mustAppend(t, j, 100, 101, 60)[0]; off < end {
				t.Errorf("a new record is at %d, before the cursor at %d", off, end)
			}
			if diff := cmp.Diff([]int{100}, held(t, j, "reader")); diff != "" {
				t.Errorf("records after the cursor, want - got +:\n%s", diff)
			}
		})
	}
}

// TestForeignFiles has files in the directory that are not the journal's, and a
// segment under another's name: its records are not where they say they are.
func TestForeignFiles(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, allRecords, 60)
	mustClose(t, j)
	b, err := os.ReadFile(segmentFiles(t, cfg.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notes.txt", "1.log", segmentName(^journal.Offset(0)), segmentName(2000), segmentName(1e6), "cursors/.tmp", segmentName(5) + ".bak"} {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(cfg.Dir, segmentName(7)), 0o700); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, cfg)
	mustAppend(t, j, 100, 101, 60)
	if diff := cmp.Diff(numbers(0, 101), held(t, j, "")); diff != "" {
		t.Errorf("records, want - got +:\n%s", diff)
	}
}

// TestForgedRecord has a payload that holds what looks like records of every
// kind that a sender can know of; damage before it must not bring them to light.
func TestForgedRecord(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	forged := appendFrame(nil, j.segments[0].newest, journal.Logs, 999, []byte("forged"))
	seal(forged, payloadSum([]byte("forged")), 12345, recordHeader+100)
	payload := append(make([]byte, 100), forged...)
	if _, err := j.Append(t.Context(), journal.Traces, 1, payload); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 1, 2, 60)
	mustClose(t, j)
	edit(t, segmentFiles(t, cfg.Dir)[0], flip(fileHeader+recordHeader+3))
	j = mustOpen(t, cfg)
	if diff := cmp.Diff([]int{1}, held(t, j, "")); diff != "" {
		t.Errorf("records, want - got +:\n%s", diff)
	}
}

// TestForeignTail has a record at the end of the log that is right in all but
// the mark, as an old block of the file system may be.
func TestForeignTail(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, 3, 60)
	end := j.Stats().End
	mustClose(t, j)
	foreign := appendFrame(nil, time.Unix(1, 0), journal.Traces, 999, text(999, 60))
	seal(foreign, payloadSum(text(999, 60)), 12345, end)
	edit(t, segmentFiles(t, cfg.Dir)[0], add(foreign))
	j = mustOpen(t, cfg)
	if diff := cmp.Diff(numbers(0, 3), held(t, j, "")); diff != "" {
		t.Errorf("records, want - got +:\n%s", diff)
	}
}

func TestCorruptCursor(t *testing.T) {
	newer := func(b []byte) int { // the slot that was written last
		if b[8] > b[slotStride+8] {
			return 0
		}
		return slotStride
	}
	for _, test := range []struct {
		name   string
		change func([]byte) []byte
		want   []int
	}{
		{"nothing", func(b []byte) []byte { return b }, numbers(50, 100)},
		{"the newer slot", func(b []byte) []byte { return flip(newer(b) + 16)(b) }, numbers(30, 100)},
		{"the older slot", func(b []byte) []byte { return flip(slotStride - newer(b) + 16)(b) }, numbers(50, 100)},
		{"both slots", func(b []byte) []byte { return flip(4)(flip(slotStride + 4)(b)) }, numbers(0, 100)},
		{"all zeros", func(b []byte) []byte { return make([]byte, len(b)) }, numbers(0, 100)},
		{"empty", cut(0), numbers(0, 100)},
		{"cut in a slot", cut(10), numbers(0, 100)},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			j := mustOpen(t, cfg)
			offsets := mustAppend(t, j, 0, allRecords, 60)
			r, err := j.Reader("reader")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{10, 20, 30, 50} {
				if err := r.Commit(offsets[n]); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, j)
			edit(t, filepath.Join(cfg.Dir, cursorDir, "reader"), test.change)

			j = mustOpen(t, cfg)
			if diff := cmp.Diff(test.want, held(t, j, "reader")); diff != "" {
				t.Errorf("records after the cursor, want - got +:\n%s", diff)
			}
			if r, err = j.Reader("reader"); err != nil {
				t.Fatal(err)
			}
			if err := r.Commit(offsets[90]); err != nil {
				t.Fatal(err)
			}
			mustClose(t, j)
			j = mustOpen(t, cfg)
			if diff := cmp.Diff(numbers(90, 100), held(t, j, "reader")); diff != "" {
				t.Errorf("records after the next commit, want - got +:\n%s", diff)
			}
		})
	}
}

func TestFutureVersionIsRefused(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, 1, 60)
	mustClose(t, j)
	edit(t, segmentFiles(t, cfg.Dir)[0], func(b []byte) []byte {
		b[8] = formatVersion + 1
		sum := headerSum(b)
		b[12], b[13], b[14], b[15] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		return b
	})
	_, err := Open(cfg, slog.New(slog.DiscardHandler))
	wantError(t, "open", err, errVersion)
}
