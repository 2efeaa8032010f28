// Package memory is a journal that lives in memory: for tests, and for those
// who want no disk. It keeps the contract of package journal except that
// nothing survives the process.
package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// recordOverhead is what a record costs beside its payload, in the budget and
// in offsets: about what the journal's own bookkeeping takes.
const recordOverhead = 40

// DefaultMaxBytes is the budget where Config names none: 64 MiB.
const DefaultMaxBytes = 64 << 20

// Config says how much a journal keeps and for whom.
type Config struct {
	// MaxBytes bounds the records held, each counted with 40 bytes beside its
	// payload. Zero means DefaultMaxBytes.
	MaxBytes int64
	// Retain keeps records that every named reader has committed until the
	// budget needs their room; without it they go at once. A journal without
	// any named reader keeps records until the budget needs their room.
	Retain bool
}

// Journal implements journal.Journal. It is safe for concurrent use.
type Journal struct {
	cfg Config

	mu      sync.Mutex
	closed  bool
	records []journal.Record // oldest first; never changed once appended
	bytes   int64
	end     journal.Offset
	cursors map[string]journal.Offset
	readers map[*Reader]struct{}
}

var _ journal.Journal = (*Journal)(nil)

var errUnknownReader = errors.New("no such reader")

// New returns an empty journal.
func New(cfg Config) *Journal {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	return &Journal{
		cfg:     cfg,
		cursors: map[string]journal.Offset{},
		readers: map[*Reader]struct{}{},
	}
}

// Append implements journal.Journal. It copies the payload and never blocks.
func (j *Journal) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if signal < journal.Traces || signal > journal.Logs {
		return 0, fmt.Errorf("append: signal %d is unknown", signal)
	}
	size := int64(len(payload)) + recordOverhead
	if size > j.cfg.MaxBytes {
		return 0, fmt.Errorf("append %d bytes: %w", len(payload), journal.ErrTooLarge)
	}
	record := journal.Record{Time: time.Now(), Signal: signal, Items: items, Payload: slices.Clone(payload)}

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return 0, journal.ErrClosed
	}
	j.dropUntil(j.cfg.MaxBytes - size)
	if j.bytes+size > j.cfg.MaxBytes {
		return 0, journal.ErrFull
	}
	record.Offset, record.Next = j.end, j.end+journal.Offset(size)
	j.records = append(j.records, record)
	j.bytes += size
	j.end = record.Next
	for r := range j.readers {
		r.wake()
	}
	return record.Offset, nil
}

// dropUntil drops the oldest records that every named reader has committed
// until no more than room bytes are held. The caller holds mu.
func (j *Journal) dropUntil(room int64) {
	passed := j.passed()
	n := 0
	for n < len(j.records) && j.bytes > room && j.records[n].Next <= passed {
		j.bytes -= int64(len(j.records[n].Payload)) + recordOverhead
		n++
	}
	clear(j.records[:n])
	j.records = j.records[n:]
}

// passed is the offset before which no named reader needs anything. The caller
// holds mu.
func (j *Journal) passed() journal.Offset {
	passed := j.end
	for _, cursor := range j.cursors {
		passed = min(passed, cursor)
	}
	return passed
}

// search returns the index of the first record at or after off. The caller
// holds mu.
func (j *Journal) search(off journal.Offset) int {
	n, _ := slices.BinarySearchFunc(j.records, off, func(r journal.Record, off journal.Offset) int {
		switch {
		case r.Offset < off:
			return -1
		case r.Offset > off:
			return 1
		}
		return 0
	})
	return n
}

// oldest is the offset of the oldest record, or the end. The caller holds mu.
func (j *Journal) oldest() journal.Offset {
	if len(j.records) == 0 {
		return j.end
	}
	return j.records[0].Offset
}

// Reader implements journal.Journal.
func (j *Journal) Reader(name string) (journal.Reader, error) {
	if name != "" && !validName(name) {
		return nil, fmt.Errorf("reader name %q: want 1 to 64 letters, digits, '.', '_' or '-', not starting with '.'", name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, journal.ErrClosed
	}
	r := &Reader{journal: j, name: name, pos: j.oldest(), notify: make(chan struct{}, 1), closed: make(chan struct{})}
	if name != "" {
		for other := range j.readers {
			if other.name == name {
				return nil, fmt.Errorf("reader %q is open already", name)
			}
		}
		if cursor, ok := j.cursors[name]; ok {
			r.pos = cursor
		}
		j.cursors[name] = r.pos
	}
	j.readers[r] = struct{}{}
	return r, nil
}

// validName holds reader names to what is safe in a file name, as every
// implementation does.
func validName(name string) bool {
	if len(name) > 64 || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// At implements journal.Journal.
func (j *Journal) At(off journal.Offset) (journal.Record, error) {
	var buf []byte
	return j.AtInto(off, &buf)
}

// AtInto implements journal.Journal.
func (j *Journal) AtInto(off journal.Offset, buf *[]byte) (journal.Record, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return journal.Record{}, journal.ErrClosed
	}
	n := j.search(off)
	if n == len(j.records) || j.records[n].Offset != off {
		return journal.Record{}, fmt.Errorf("record at %d: %w", off, journal.ErrGone)
	}
	record := j.records[n]
	*buf = append((*buf)[:0], record.Payload...)
	record.Payload = slices.Clip(*buf)
	return record, nil
}

// Stats implements journal.Journal.
func (j *Journal) Stats() journal.Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return journal.Stats{
		Oldest:   j.oldest(),
		End:      j.end,
		Bytes:    j.bytes,
		MaxBytes: j.cfg.MaxBytes,
		Cursors:  maps.Clone(j.cursors),
	}
}

// Forget gives up the cursor of a reader that will not come back, so that it
// holds nothing back any more.
func (j *Journal) Forget(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return journal.ErrClosed
	}
	for r := range j.readers {
		if r.name == name {
			return fmt.Errorf("forget reader %q: it is open", name)
		}
	}
	if _, ok := j.cursors[name]; !ok {
		return fmt.Errorf("forget reader %q: %w", name, errUnknownReader)
	}
	delete(j.cursors, name)
	if !j.cfg.Retain && len(j.cursors) > 0 {
		j.dropUntil(0)
	}
	return nil
}

// Close implements journal.Journal. Closing twice does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	j.records = nil
	for r := range j.readers {
		r.wake()
	}
	return nil
}
