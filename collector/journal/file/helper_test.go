package file

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// testConfig is a small journal in a new directory.
func testConfig(t testing.TB) Config {
	t.Helper()
	return Config{Dir: t.TempDir(), MaxBytes: 1 << 20, SegmentBytes: 4096, Sync: SyncNever, Retain: true}
}

func mustOpen(t testing.TB, cfg Config) *Journal {
	t.Helper()
	j, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func mustClose(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// text is the payload of record n: size bytes that say n over and over.
func text(n, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%08d.", n), size/9+1)[:size]
}

// mustAppend appends records from to to-1 of size bytes.
func mustAppend(t testing.TB, j *Journal, from, to, size int) []journal.Offset {
	t.Helper()
	var offsets []journal.Offset
	for n := from; n < to; n++ {
		off, err := j.Append(t.Context(), journal.Traces, uint32(n), text(n, size))
		if err != nil {
			t.Fatalf("append %d: %v", n, err)
		}
		offsets = append(offsets, off)
	}
	return offsets
}

// held reads every record in the journal through a new reader of that name, and
// returns their numbers. It checks that records are what text made them.
func held(t testing.TB, j *Journal, name string) []int {
	t.Helper()
	r, err := j.Reader(name)
	if err != nil {
		t.Fatalf("reader: %v", err)
	}
	defer func() { _ = r.Close() }()
	var numbers []int
	for last := journal.Offset(0); ; {
		// What cannot be read lies at the end: look before Next would wait.
		found, err := r.(*Reader).locate()
		if err != nil {
			t.Fatalf("locate: %v", err)
		}
		if !found {
			return numbers
		}
		records, err := r.(*Reader).read(1 << 12)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		for _, record := range records {
			if record.Offset < last {
				t.Fatalf("record at %d comes after %d", record.Offset, last)
			}
			last = record.Next
			if !bytes.Equal(record.Payload, text(int(record.Items), len(record.Payload))) {
				t.Fatalf("record %d has another payload", record.Items)
			}
			numbers = append(numbers, int(record.Items))
		}
	}
}

// segmentFiles lists the journal's segment files in order.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

// edit changes a file's content.
func edit(t testing.TB, name string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func numbers(from, to int) []int {
	var n []int
	for ; from < to; from++ {
		n = append(n, from)
	}
	return n
}

func wantError(t testing.TB, doing string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", doing, got, want)
	}
}
