// Package journaltest is the conformance suite of package journal: what every
// implementation must do.
package journaltest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Run runs the suite. Each call of open returns a new, empty journal, whose
// budget should be small, 1 MiB or so, since the suite fills it several times;
// the suite closes it.
func Run(t *testing.T, open func(t *testing.T) journal.Journal) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(t *testing.T, j journal.Journal)
	}{
		{"records come back as they were appended", testFields},
		{"the payload is the caller's again after Append", testPayloadReuse},
		{"offsets grow and chain", testOffsets},
		{"bad signals are refused", testSignals},
		{"a record beyond all bounds is too large", testTooLarge},
		{"an ended context is not appended under", testAppendContext},
		{"Next honours maxBytes and returns at least one", testMaxBytes},
		{"Next waits for the next record", testNextWaits},
		{"Next returns the context's error", testNextContext},
		{"At reads one record", testAt},
		{"a reader resumes at its cursor", testResume},
		{"a cursor never moves back or past the end", testCommitBounds},
		{"readers do not disturb each other", testIndependent},
		{"one reader of a name is open at a time", testOneOfAName},
		{"names are validated", testNames},
		{"the ephemeral reader holds nothing back", testEphemeral},
		{"without named readers the oldest records make room", testDropsOldest},
		{"a named reader holds records until it commits", testFull},
		{"everything ends at Close", testClose},
		{"a closed reader is closed", testReaderClose},
		{"appenders and readers work at once", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := open(t)
			defer func() {
				if err := j.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}()
			test.run(t, j)
		})
	}
}

// payload makes the payload of record n: n in eight bytes and n%7 more.
func payload(n int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	return append(b, bytes.Repeat([]byte{byte(n)}, n%7)...)
}

// number is the reverse of payload.
func number(t *testing.T, b []byte) int {
	t.Helper()
	if len(b) < 8 {
		t.Fatalf("payload of %d bytes is none of ours", len(b))
	}
	n := int(binary.BigEndian.Uint64(b))
	if !bytes.Equal(b, payload(n)) {
		t.Fatalf("payload of record %d is %x", n, b)
	}
	return n
}

// appendN appends records from to to-1 and returns their offsets.
func appendN(t *testing.T, j journal.Journal, from, to int) []journal.Offset {
	t.Helper()
	var offsets []journal.Offset
	for n := from; n < to; n++ {
		off, err := j.Append(t.Context(), journal.Traces, uint32(n), payload(n))
		if err != nil {
			t.Fatalf("append %d: %v", n, err)
		}
		offsets = append(offsets, off)
	}
	return offsets
}

// open opens a reader and closes it with the test.
func open(t *testing.T, j journal.Journal, name string) journal.Reader {
	t.Helper()
	r, err := j.Reader(name)
	if err != nil {
		t.Fatalf("reader %q: %v", name, err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// expect reads records from to to-1 and returns the last Next.
func expect(t *testing.T, r journal.Reader, from, to int) journal.Offset {
	t.Helper()
	var next journal.Offset
	for n := from; n < to; {
		records, err := r.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		for _, record := range records {
			if got := number(t, record.Payload); got != n {
				t.Fatalf("got record %d, want %d", got, n)
			}
			next = record.Next
			n++
		}
	}
	return next
}

// expectNothing checks that no record is there to be read.
func expectNothing(t *testing.T, r journal.Reader) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		records, err := r.Next(ctx, 1<<20)
		if err == nil {
			err = fmt.Errorf("got %d records, want none", len(records))
		}
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("next: %v", err)
	}
}

func wantError(t *testing.T, doing string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", doing, got, want)
	}
}
