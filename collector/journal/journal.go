// Package journal is the collector's centre: an append-only log of accepted
// OTLP export requests. Receivers append; every other stage reads by cursor.
//
// What Append has returned an offset for survives a crash of the process, and,
// with the file implementation's default settings, of the machine. A reader
// that dies goes on from its last committed cursor, so delivery is at least
// once. A record that a named reader has not committed is never deleted: when
// the byte budget is used up, Append refuses with ErrFull.
package journal

import (
	"context"
	"errors"
	"time"
)

// Offset is a position in the journal. Offsets grow strictly with each record
// and are never used again; the distance between two of them is in the
// implementation's own unit (bytes for file and memory).
type Offset uint64

// Signal says which OTLP export request a record holds. The numbers are part
// of the record format.
type Signal uint8

// The three OTLP signals.
const (
	Traces  Signal = 1
	Metrics Signal = 2
	Logs    Signal = 3
)

// String is the signal's name in metrics and messages: "traces", "metrics", "logs".
func (s Signal) String() string {
	switch s {
	case Traces:
		return "traces"
	case Metrics:
		return "metrics"
	case Logs:
		return "logs"
	}
	return "unknown"
}

// Record is one accepted export request.
type Record struct {
	// Offset is set by the journal; Append ignores it.
	Offset Offset
	// Next is the offset that follows the record: what a reader that has
	// handled the record commits. Set by the journal.
	Next Offset
	// Time is when the record was appended, to the nanosecond, by the
	// collector's wall clock. It may jump; nothing orders records by it.
	Time time.Time
	// Signal says what Payload decodes to.
	Signal Signal
	// Items counts the spans, data points or log records inside.
	Items uint32
	// Payload is an encoded OTLP Export{Trace,Metrics,Logs}ServiceRequest.
	Payload []byte
}

// The errors that receivers and readers tell apart, by errors.Is.
var (
	// ErrFull is retryable: the byte budget or the disk is used up by records
	// that some reader has not committed yet.
	ErrFull = errors.New("journal is full")
	// ErrTooLarge is final: one record exceeds what a segment may hold.
	ErrTooLarge = errors.New("record is too large for the journal")
	// ErrGone says that the offset lies in a part that has been deleted.
	ErrGone = errors.New("offset is no longer in the journal")
	// ErrClosed says that the journal or the reader has been closed.
	ErrClosed = errors.New("journal is closed")
)

// Journal is safe for concurrent use.
type Journal interface {
	// Append stores one record and returns its offset once it is as safe as
	// the implementation is configured to make it. The payload may be used
	// again by the caller when Append has returned. When ctx ends first, the
	// record may or may not have been stored.
	Append(ctx context.Context, signal Signal, items uint32, payload []byte) (Offset, error)
	// Reader opens the reader of that name at its committed cursor, or at the
	// oldest record where it has none; from then on nothing after its cursor
	// is deleted. One reader of a name may be open at a time. With the empty
	// name the reader has no cursor, starts at the oldest record and holds
	// nothing back: it skips what is deleted before it comes by.
	Reader(name string) (Reader, error)
	// At reads the one record that starts at off; its payload belongs to the
	// caller. Errors: ErrGone, ErrClosed.
	At(off Offset) (Record, error)
	// AtInto is At for whoever reads one record after the other: the record is
	// read into buf, which is made longer where that is needed, and the payload
	// lies in it.
	AtInto(off Offset, buf *[]byte) (Record, error)
	// Stats is a snapshot for metrics and readiness.
	Stats() Stats
	// Close syncs and releases the journal; blocked calls return ErrClosed.
	Close() error
}

// Reader reads records in order. It is used by one goroutine at a time.
type Reader interface {
	// Next waits for records after those it returned last and returns at
	// least one: as many as are there, up to maxBytes of payload. Payloads
	// are valid until the next call. Errors: ctx's, ErrClosed.
	Next(ctx context.Context, maxBytes int) ([]Record, error)
	// Commit makes next (a Record.Next) the cursor: everything before it is
	// done. The cursor survives a restart.
	Commit(next Offset) error
	// Close releases the name; the cursor stays.
	Close() error
}

// Stats says where the journal and its readers stand.
type Stats struct {
	// Oldest and End bound the records held: [Oldest, End).
	Oldest, End Offset
	// Bytes is what the journal occupies, MaxBytes its budget.
	Bytes, MaxBytes int64
	// Cursors has the committed cursor of every named reader.
	Cursors map[string]Offset
}
