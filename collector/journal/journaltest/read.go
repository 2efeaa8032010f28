package journaltest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

func testMaxBytes(t *testing.T, j journal.Journal) {
	appendN(t, j, 0, 60)
	for _, maxBytes := range []int{-1, 0, 1, 8, 30, 100, 1 << 20} {
		r := open(t, j, "")
		for n := 0; n < 60; {
			records, err := r.Next(t.Context(), maxBytes)
			if err != nil {
				t.Fatalf("next: %v", err)
			}
			sum := 0
			for _, record := range records {
				if got := number(t, record.Payload); got != n {
					t.Fatalf("got record %d, want %d", got, n)
				}
				sum += len(record.Payload)
				n++
			}
			if len(records) == 0 || len(records) > 1 && sum > maxBytes {
				t.Fatalf("%d records of %d bytes, want %d bytes at most", len(records), sum, maxBytes)
			}
		}
	}
}

func testNextWaits(t *testing.T, j journal.Journal) {
	r := open(t, j, "waiting")
	started, done := make(chan struct{}), make(chan error, 1)
	go func() {
		close(started)
		records, err := r.Next(t.Context(), 1<<20)
		if err == nil && (len(records) != 1 || len(records[0].Payload) != len(payload(0))) {
			err = errors.New("next returned other records than the one appended")
		}
		done <- err
	}()
	<-started
	appendN(t, j, 0, 1)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	appendN(t, j, 1, 3)
	expect(t, r, 1, 3)
	expectNothing(t, r)
}

func testNextContext(t *testing.T, j journal.Journal) {
	r := open(t, j, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := r.Next(ctx, 1)
		done <- err
	}()
	cancel()
	wantError(t, "next", <-done, context.Canceled)
	appendN(t, j, 0, 1)
	expect(t, r, 0, 1)
}

func testResume(t *testing.T, j journal.Journal) {
	appendN(t, j, 0, 10)
	r := open(t, j, "forward")
	next := expect(t, r, 0, 10)
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	r = open(t, j, "forward") // Nothing was committed: all of it again.
	if got := expect(t, r, 0, 10); got != next {
		t.Errorf("record 9 ends at %d, before at %d", got, next)
	}
	if err := r.Commit(next); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if got := j.Stats().Cursors["forward"]; got != next {
		t.Errorf("stats have the cursor at %d, want %d", got, next)
	}
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	appendN(t, j, 10, 12)
	r = open(t, j, "forward")
	expect(t, r, 10, 12)
	expectNothing(t, r)
}

func testCommitBounds(t *testing.T, j journal.Journal) {
	appendN(t, j, 0, 10)
	r := open(t, j, "forward")
	next := expect(t, r, 0, 10)
	for _, commit := range []journal.Offset{next, 0, next - 1, next} {
		if err := r.Commit(commit); err != nil {
			t.Fatalf("commit %d: %v", commit, err)
		}
	}
	if err := r.Commit(next + 1); err == nil {
		t.Error("an offset beyond the end was committed")
	}
	if got := j.Stats().Cursors["forward"]; got != next {
		t.Errorf("the cursor is at %d, want %d", got, next)
	}
}

func testIndependent(t *testing.T, j journal.Journal) {
	fast, slow := open(t, j, "fast"), open(t, j, "slow")
	appendN(t, j, 0, 20)
	if err := fast.Commit(expect(t, fast, 0, 20)); err != nil {
		t.Fatalf("commit: %v", err)
	}
	expect(t, slow, 0, 20)
	cursors := j.Stats().Cursors
	if len(cursors) != 2 || cursors["fast"] != j.Stats().End || cursors["slow"] != j.Stats().Oldest {
		t.Errorf("cursors are %v", cursors)
	}
	late := open(t, j, "late")
	expect(t, late, 0, 20)
}

func testOneOfAName(t *testing.T, j journal.Journal) {
	first := open(t, j, "name")
	if _, err := j.Reader("name"); err == nil {
		t.Fatal("a second reader of the same name was opened")
	}
	open(t, j, "other")
	open(t, j, "")
	open(t, j, "")
	if err := first.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	open(t, j, "name")
}

func testNames(t *testing.T, j journal.Journal) {
	for _, name := range []string{"a", "export.traces", "Export_2-b", strings.Repeat("x", 64)} {
		open(t, j, name)
	}
	for _, name := range []string{".", "..", ".hidden", "a/b", "../a", "a b", "a\x00", "ä", strings.Repeat("x", 65)} {
		if _, err := j.Reader(name); err == nil {
			t.Errorf("a reader of the name %q was opened", name)
		}
	}
}

func testReaderClose(t *testing.T, j journal.Journal) {
	appendN(t, j, 0, 1)
	for _, name := range []string{"", "named"} {
		r := open(t, j, name)
		expect(t, r, 0, 1)
		done := make(chan error, 1)
		go func() {
			_, err := r.Next(t.Context(), 1)
			done <- err
		}()
		for range 2 {
			if err := r.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
		}
		wantError(t, "next", <-done, journal.ErrClosed)
	}
	if got, ok := j.Stats().Cursors["named"]; !ok || got != j.Stats().Oldest {
		t.Errorf("a reader that closed without commit left its cursor at %d, %v", got, ok)
	}
}
