package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Reader implements journal.Reader. One goroutine at a time uses it; Close may
// be called beside a blocked Next.
type Reader struct {
	journal *Journal
	cursor  *cursor // nil: ephemeral
	notify  chan struct{}
	closed  chan struct{}
	once    sync.Once

	pos  journal.Offset // where the next record is, or will be
	seg  *segment       // whose bytes the scanner's window holds
	scan scanner
	held []piece // of the tail: where the records are that Next returned last
	kept int     // batches in a row that the tail had
}

// windowKept is after how many batches in a row from the tail a reader gives up
// the window that it reads files through.
const windowKept = 100

var _ journal.Reader = (*Reader)(nil)

// Reader implements journal.Journal.
func (j *Journal) Reader(name string) (journal.Reader, error) {
	r := &Reader{journal: j, notify: make(chan struct{}, 1), closed: make(chan struct{})}
	if name != "" && !validName(name) {
		return nil, fmt.Errorf("reader name %q: want 1 to %d letters, digits, '.', '_' or '-', not starting with '.'", name, maxName)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, journal.ErrClosed
	}
	r.pos = j.oldest()
	if name != "" {
		c, err := j.cursorOf(name, r.pos)
		if err != nil {
			return nil, fmt.Errorf("reader %q: %w", name, err)
		}
		r.cursor, r.pos = c, c.next
	}
	j.readers[r] = struct{}{}
	return r, nil
}

// cursorOf returns the cursor of a reader about to open, a new one at oldest
// where it has none. The caller holds mu.
func (j *Journal) cursorOf(name string, oldest journal.Offset) (*cursor, error) {
	c, ok := j.cursors[name]
	if !ok {
		c, err := createCursor(j.disk, name, oldest, j.cfg.Sync)
		if err != nil {
			return nil, err
		}
		j.cursors[name] = c
		return c, nil
	}
	for r := range j.readers {
		if r.cursor == c {
			return nil, errors.New("it is open already")
		}
	}
	return c, nil
}

// Next implements journal.Reader. One call reads ahead once, so it may return
// fewer records than maxBytes allows where a segment ends, where damage is
// skipped, and where records are very small.
func (r *Reader) Next(ctx context.Context, maxBytes int) ([]journal.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := r.locate()
		if err != nil {
			return nil, err
		}
		if !found {
			select {
			case <-r.notify:
			case <-r.closed:
			case <-r.journal.quit:
			case <-ctx.Done():
			}
			continue
		}
		if records := r.newest(maxBytes); len(records) > 0 {
			return records, nil
		}
		records, err := r.read(maxBytes)
		if err != nil {
			return nil, fmt.Errorf("read journal at %d: %w", r.pos, err)
		}
		if len(records) > 0 {
			return records, nil
		}
	}
}

// locate points the scanner to the next bytes that may be read, if there are
// any, and passes over what has been deleted. What Next returned last is let go.
func (r *Reader) locate() (bool, error) {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	r.letGo()
	if j.closed || r.isClosed() {
		return false, journal.ErrClosed
	}
	s, limit := j.find(r.pos)
	if s == nil {
		return false, nil
	}
	r.pos = max(r.pos, s.base)
	if r.seg != s || r.scan.offset() != r.pos {
		if r.seg != s {
			r.seg = s
			r.scan.damaged = func(from, to int64) { j.countDamage(s, from, to) }
		}
		r.scan.reset(s.base, 0, int64(r.pos-s.base)+fileHeader)
	}
	r.scan.limit = limit
	return true, nil
}

// newest returns the next records where the tail has them, else none.
func (r *Reader) newest(maxBytes int) []journal.Record {
	r.journal.mu.Lock()
	r.held = r.journal.tail.hold(r.held, r.pos, maxBytes)
	r.journal.mu.Unlock()
	records := recordsOf(r.held, maxBytes)
	n := len(records)
	if n == 0 {
		r.kept = 0
		return nil
	}
	r.pos = records[n-1].Next
	if r.kept++; r.kept == windowKept {
		r.scan.forget()
	}
	return records
}

// letGo gives back what newest holds of the tail. The caller holds mu.
func (r *Reader) letGo() {
	for i := range r.held {
		r.journal.tail.letGo(r.held[i].group)
	}
	clear(r.held)
	r.held = r.held[:0]
}

// read returns the next records of the segment that locate found. None and no
// error means that the segment had no more, or is gone: locate knows the next.
func (r *Reader) read(maxBytes int) ([]journal.Record, error) {
	s := r.seg
	file, mark, err := s.acquire()
	switch {
	case errors.Is(err, journal.ErrGone):
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		r.journal.countDamage(s, r.scan.pos, r.scan.limit)
		r.pos = s.base + journal.Offset(r.scan.limit-fileHeader)
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer s.release()
	r.scan.src, r.scan.mark = file, mark
	records, err := r.scan.batch(maxBytes)
	r.pos = r.scan.offset()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return records, nil
}

// countDamage counts and logs a stretch of a segment that holds no intact
// record, once however many readers come by.
func (j *Journal) countDamage(s *segment, from, to int64) {
	j.mu.Lock()
	_, known := s.damage[from]
	s.damage[from] = struct{}{}
	j.mu.Unlock()
	if known {
		return
	}
	j.meters.damage(to - from)
	j.logger.Error("journal skipped a damaged stretch", "segment", s.name, "position", from, "bytes", to-from)
}

// Commit implements journal.Reader. A cursor never moves back: an offset before
// it changes nothing. The ephemeral reader has no cursor to commit.
func (r *Reader) Commit(next journal.Offset) error {
	if r.cursor == nil {
		return nil
	}
	moved, err := r.mayCommit(next)
	if err != nil || !moved {
		return err
	}
	if err := r.cursor.write(next); err != nil {
		return fmt.Errorf("commit %d: %w", next, err)
	}
	j := r.journal
	j.mu.Lock()
	r.cursor.next = next
	passed := !j.cfg.Retain && j.deletable()
	j.mu.Unlock()
	if passed {
		j.reclaim(0)
	}
	return nil
}

// mayCommit says whether next moves the cursor.
func (r *Reader) mayCommit(next journal.Offset) (bool, error) {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || r.isClosed() {
		return false, journal.ErrClosed
	}
	if next > j.end {
		return false, fmt.Errorf("commit %d: the journal ends at %d", next, j.end)
	}
	return next > r.cursor.next, nil
}

// Close implements journal.Reader. It syncs the cursor.
func (r *Reader) Close() error {
	var err error
	r.once.Do(func() {
		close(r.closed)
		j := r.journal
		if r.cursor != nil && j.cfg.Sync != SyncNever {
			err = r.cursor.sync()
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.readers, r)
	})
	return err
}

func (r *Reader) isClosed() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}
