package journaltest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

func testFields(t *testing.T, j journal.Journal) {
	r := open(t, j, "")
	for _, want := range []journal.Record{
		{Signal: journal.Traces, Items: 3, Payload: []byte("spans")},
		{Signal: journal.Metrics, Items: 1 << 31, Payload: []byte("points")},
		{Signal: journal.Logs, Items: 0, Payload: nil},
		{Signal: journal.Traces, Items: 1, Payload: bytes.Repeat([]byte{0}, 4000)},
	} {
		before := time.Now().Add(-time.Minute)
		off, err := j.Append(t.Context(), want.Signal, want.Items, want.Payload)
		if err != nil {
			t.Fatalf("append: %v", err)
		}
		records, err := r.Next(t.Context(), 1<<20)
		if err != nil || len(records) != 1 {
			t.Fatalf("next: %d records, %v", len(records), err)
		}
		got := records[0]
		if got.Offset != off || got.Signal != want.Signal || got.Items != want.Items || !bytes.Equal(got.Payload, want.Payload) {
			t.Errorf("got %+v at %d, want %+v", got, off, want)
		}
		if got.Time.Before(before) || got.Time.After(time.Now().Add(time.Minute)) {
			t.Errorf("record of %v was appended about %v", got.Time, before)
		}
	}
}

func testPayloadReuse(t *testing.T, j journal.Journal) {
	r := open(t, j, "")
	var b []byte
	for n := range 20 {
		b = append(b[:0], payload(n)...)
		if _, err := j.Append(t.Context(), journal.Logs, 1, b); err != nil {
			t.Fatalf("append: %v", err)
		}
		clear(b)
	}
	expect(t, r, 0, 20)
}

func testOffsets(t *testing.T, j journal.Journal) {
	offsets := appendN(t, j, 0, 50)
	stats := j.Stats()
	if stats.Oldest != offsets[0] || stats.End <= offsets[49] {
		t.Errorf("stats say [%d, %d) of offsets %d to %d", stats.Oldest, stats.End, offsets[0], offsets[49])
	}
	if stats.Bytes <= 0 || stats.Bytes > stats.MaxBytes {
		t.Errorf("stats say %d of %d bytes", stats.Bytes, stats.MaxBytes)
	}
	r, n, next := open(t, j, ""), 0, journal.Offset(0)
	for n < len(offsets) {
		records, err := r.Next(t.Context(), 200)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		for _, record := range records {
			if record.Offset != offsets[n] || record.Offset < next || record.Next <= record.Offset {
				t.Fatalf("record %d is [%d, %d) after %d, appended at %d", n, record.Offset, record.Next, next, offsets[n])
			}
			next = record.Next
			n++
		}
	}
	if next != stats.End {
		t.Errorf("the last record ends at %d, the journal at %d", next, stats.End)
	}
}

func testSignals(t *testing.T, j journal.Journal) {
	for _, signal := range []journal.Signal{0, 4, 255} {
		if _, err := j.Append(t.Context(), signal, 1, payload(1)); err == nil {
			t.Errorf("signal %d was appended", signal)
		}
	}
	if stats := j.Stats(); stats.End != stats.Oldest {
		t.Errorf("the journal holds [%d, %d), want nothing", stats.Oldest, stats.End)
	}
}

func testTooLarge(t *testing.T, j journal.Journal) {
	_, err := j.Append(t.Context(), journal.Traces, 1, make([]byte, j.Stats().MaxBytes+1))
	wantError(t, "append", err, journal.ErrTooLarge)
	if errors.Is(err, journal.ErrFull) {
		t.Errorf("%v is both final and retryable", err)
	}
	appendN(t, j, 0, 1)
}

func testAppendContext(t *testing.T, j journal.Journal) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := j.Append(ctx, journal.Traces, 1, payload(1))
	wantError(t, "append", err, context.Canceled)
}

func testAt(t *testing.T, j journal.Journal) {
	offsets := appendN(t, j, 0, 30)
	for n, off := range slices.Backward(offsets) {
		record, err := j.At(off)
		if err != nil {
			t.Fatalf("at %d: %v", off, err)
		}
		if got := number(t, record.Payload); got != n || record.Offset != off || record.Signal != journal.Traces || record.Items != uint32(n) {
			t.Errorf("at %d: got record %d, %+v, want %d", off, got, record, n)
		}
		clear(record.Payload) // It is ours: the journal keeps its own.
		if record, err = j.At(off); err != nil || number(t, record.Payload) != n {
			t.Errorf("at %d: changed by its reader, %v", off, err)
		}
	}
	var buf []byte
	for n, off := range slices.Backward(offsets) {
		record, err := j.AtInto(off, &buf)
		if err != nil || number(t, record.Payload) != n || record.Offset != off || record.Items != uint32(n) {
			t.Errorf("at %d: got %+v into a buffer, %v; want record %d", off, record, err, n)
		}
		clear(buf)
		if _, err := j.AtInto(j.Stats().End, &buf); !errors.Is(err, journal.ErrGone) {
			t.Errorf("at a place without a record: %v", err)
		}
	}
	for _, off := range []journal.Offset{offsets[0] + 1, j.Stats().End, j.Stats().End + 1e6, ^journal.Offset(0)} {
		_, err := j.At(off)
		wantError(t, "at a place without a record", err, journal.ErrGone)
	}
}
