package journaltest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// fill appends records of 1,000 bytes, tagged with their number, until the
// journal is full or limit is reached, and returns how many it took.
func fill(t *testing.T, j journal.Journal, limit int) int {
	t.Helper()
	for n := range limit {
		b := append(payload(n*7), bytes.Repeat([]byte{'x'}, 1000)...)
		_, err := j.Append(t.Context(), journal.Traces, 1, b)
		if errors.Is(err, journal.ErrFull) {
			return n
		}
		if err != nil {
			t.Fatalf("append %d: %v", n, err)
		}
		if stats := j.Stats(); stats.Bytes > stats.MaxBytes {
			t.Fatalf("the journal holds %d bytes, its budget is %d", stats.Bytes, stats.MaxBytes)
		}
	}
	return limit
}

// drain reads what fill appended, from record first to the end.
func drain(t *testing.T, r journal.Reader, first, n int) journal.Offset {
	t.Helper()
	var next journal.Offset
	for first < n {
		records, err := r.Next(t.Context(), 1<<16)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		for _, record := range records {
			if !bytes.Equal(record.Payload[:8], payload(first * 7)[:8]) {
				t.Fatalf("got record %x, want %d", record.Payload[:8], first)
			}
			next = record.Next
			first++
		}
	}
	return next
}

func testFull(t *testing.T, j journal.Journal) {
	r, peek := open(t, j, "slow"), open(t, j, "")
	most := int(2 * j.Stats().MaxBytes / 1000)
	n := fill(t, j, most)
	if n == most || n == 0 {
		t.Fatalf("%d records of 1,000 bytes fit a budget of %d", n, j.Stats().MaxBytes)
	}
	if got := fill(t, j, 1); got != 0 {
		t.Error("a full journal took a record")
	}
	drain(t, peek, 0, n)
	next := drain(t, r, 0, n)
	if got := fill(t, j, 1); got != 0 {
		t.Error("a journal took a record in place of one that was read but not committed")
	}
	if err := r.Commit(next); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if got := fill(t, j, 20); got != 20 {
		t.Errorf("a journal whose reader is done took %d records, want 20", got)
	}
	drain(t, r, 0, 20)
}

func testDropsOldest(t *testing.T, j journal.Journal) {
	early := open(t, j, "")
	n := int(3 * j.Stats().MaxBytes / 1000)
	if got := fill(t, j, n); got != n {
		t.Fatalf("a journal that nobody reads was full after %d records", got)
	}
	stats := j.Stats()
	if stats.Oldest == 0 || len(stats.Cursors) != 0 {
		t.Errorf("stats are %+v", stats)
	}
	_, err := j.At(0)
	wantError(t, "at the first record", err, journal.ErrGone)
	for _, r := range []journal.Reader{early, open(t, j, ""), open(t, j, "named")} {
		records, err := r.Next(t.Context(), 1)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		if records[0].Offset != stats.Oldest {
			t.Errorf("the first record read is at %d, the oldest at %d", records[0].Offset, stats.Oldest)
		}
	}
}

func testEphemeral(t *testing.T, j journal.Journal) {
	appendN(t, j, 0, 5)
	r := open(t, j, "")
	next := expect(t, r, 0, 5)
	if err := r.Commit(next); err != nil {
		t.Errorf("commit: %v", err)
	}
	if cursors := j.Stats().Cursors; len(cursors) != 0 {
		t.Errorf("cursors are %v, want none", cursors)
	}
	expect(t, open(t, j, ""), 0, 5)
}

func testClose(t *testing.T, j journal.Journal) {
	appendN(t, j, 0, 1)
	r := open(t, j, "blocked")
	next := expect(t, r, 0, 1)
	done := make(chan error, 1)
	go func() {
		_, err := r.Next(t.Context(), 1)
		done <- err
	}()
	if err := j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wantError(t, "blocked next", <-done, journal.ErrClosed)
	_, err := r.Next(t.Context(), 1)
	wantError(t, "next", err, journal.ErrClosed)
	wantError(t, "commit", r.Commit(next), journal.ErrClosed)
	_, err = j.Append(t.Context(), journal.Traces, 1, payload(1))
	wantError(t, "append", err, journal.ErrClosed)
	_, err = j.Reader("other")
	wantError(t, "reader", err, journal.ErrClosed)
	_, err = j.At(0)
	wantError(t, "at", err, journal.ErrClosed)
	if err := r.Close(); err != nil {
		t.Errorf("close reader: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func testConcurrent(t *testing.T, j journal.Journal) {
	const appenders, each = 8, 100
	var group sync.WaitGroup
	offsets := make([][]journal.Offset, appenders)
	readers := []journal.Reader{open(t, j, "one"), open(t, j, "two"), open(t, j, "three")}
	seen := make([][]journal.Offset, len(readers))
	errs := make(chan error, appenders+len(readers))
	for a := range appenders {
		group.Go(func() {
			for n := range each {
				off, err := j.Append(t.Context(), journal.Logs, 1, payload(a*each+n))
				if err != nil {
					errs <- fmt.Errorf("append: %w", err)
					return
				}
				offsets[a] = append(offsets[a], off)
			}
		})
	}
	for i, r := range readers {
		group.Go(func() {
			var err error
			if seen[i], err = collect(t, r, appenders*each); err != nil {
				errs <- err
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	want := slices.Concat(offsets...)
	slices.Sort(want)
	for i := range readers {
		if !slices.Equal(seen[i], want) {
			t.Errorf("reader %d saw %d records, or in another order than the %d appended", i, len(seen[i]), len(want))
		}
	}
}

// collect reads n records, committing as it goes, and returns their offsets.
func collect(t *testing.T, r journal.Reader, n int) ([]journal.Offset, error) {
	var offsets []journal.Offset
	for len(offsets) < n {
		records, err := r.Next(t.Context(), 300)
		if err != nil {
			return nil, fmt.Errorf("next: %w", err)
		}
		for _, record := range records {
			offsets = append(offsets, record.Offset)
		}
		if err := r.Commit(records[len(records)-1].Next); err != nil {
			return nil, fmt.Errorf("commit: %w", err)
		}
	}
	return offsets, nil
}
