package file

import (
	"bytes"
	"os"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// follow reads all that is there, and checks that it is the records from first
// to before last.
func follow(t *testing.T, r journal.Reader, first, last int) {
	t.Helper()
	for first < last {
		records, err := r.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		for _, record := range records {
			if int(record.Items) != first || !bytes.Equal(record.Payload, text(first, len(record.Payload))) {
				t.Fatalf("read record %d, or not its payload; want %d", record.Items, first)
			}
			first++
		}
		if err := r.Commit(records[len(records)-1].Next); err != nil {
			t.Fatalf("commit: %v", err)
		}
	}
}

func tailSize(j *Journal) (bytes, pieces int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tail.held, len(j.tail.pieces)
}

func TestTailIsReadFromMemory(t *testing.T) {
	j := mustOpen(t, testConfig(t))
	r, err := j.Reader("r")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 0, 20, 1000)
	follow(t, r, 0, 20)
	mustAppend(t, j, 20, 40, 1000)
	for _, name := range segmentFiles(t, j.cfg.Dir) {
		if err := os.Truncate(name, fileHeader); err != nil {
			t.Fatal(err)
		}
	}
	follow(t, r, 20, 40)
}

// TestWindowIsGivenUp by a reader that keeps up for long, and had again.
func TestWindowIsGivenUp(t *testing.T) {
	j := mustOpen(t, testConfig(t))
	mustAppend(t, j, 0, 2*tailPieces, 100) // More than the tail has.
	r, err := j.Reader("r")
	if err != nil {
		t.Fatal(err)
	}
	last := 2 * tailPieces
	follow(t, r, 0, last)
	window := func() int { return len(r.(*Reader).scan.buf) }
	if window() == 0 {
		t.Fatal("read without a window")
	}
	for range windowKept + 1 {
		mustAppend(t, j, last, last+1, 100)
		follow(t, r, last, last+1)
		last++
	}
	if got := window(); got != 0 {
		t.Errorf("a window of %d bytes after %d batches from the tail", got, windowKept)
	}
	mustAppend(t, j, last, last+2*tailPieces, 100)
	follow(t, r, last, last+2*tailPieces)
	if window() == 0 {
		t.Error("read without a window")
	}
}

func TestTailKeepsWhatAReaderHas(t *testing.T) {
	const size, n = 100 << 10, 200
	cfg := testConfig(t)
	cfg.MaxBytes, cfg.SegmentBytes = 64<<20, 4<<20
	j := mustOpen(t, cfg)
	slow, err := j.Reader("slow")
	if err != nil {
		t.Fatal(err)
	}
	quick, err := j.Reader("quick")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 0, 3, size)
	records, err := slow.Next(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	follow(t, quick, 0, 3)
	for i := 3; i < n; i++ {
		mustAppend(t, j, i, i+1, size)
		follow(t, quick, i, i+1)
		if bytes, pieces := tailSize(j); bytes > tailBytes || pieces > tailPieces {
			t.Fatalf("the tail has %d bytes in %d pieces", bytes, pieces)
		}
	}
	for _, record := range records {
		if !bytes.Equal(record.Payload, text(int(record.Items), size)) {
			t.Errorf("the payload of record %d was written over before the next call of Next", record.Items)
		}
	}
	follow(t, slow, len(records), n)
}

// TestTailIsLeftAndFound has a reader fall behind the tail and catch up again.
func TestTailIsLeftAndFound(t *testing.T) {
	j := mustOpen(t, testConfig(t))
	r, err := j.Reader("r")
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, n := range []int{1, tailPieces / 2, 3 * tailPieces, 1, tailPieces + 1, 2, 1} {
		mustAppend(t, j, at, at+n, 100)
		follow(t, r, at, at+n)
		at += n
	}
	if err := j.Close(); err != nil { // Then nobody changes it.
		t.Fatal(err)
	}
	for i := range j.tail.pieces {
		if uses := j.tail.pieces[i].group.uses; uses < 1 || uses > 2 {
			t.Errorf("piece %d has %d uses: one by the tail, and one by the reader at most", i, uses)
		}
	}
}
