package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Reader implements journal.Reader. One goroutine at a time uses it; Close may
// be called beside a blocked Next.
type Reader struct {
	journal *Journal
	name    string
	pos     journal.Offset
	notify  chan struct{} // holds a token when there may be news
	closed  chan struct{}
	once    sync.Once
	buf     []byte // the payloads of the last Next
}

var _ journal.Reader = (*Reader)(nil)

// wake makes a waiting Next look again. It never blocks.
func (r *Reader) wake() {
	select {
	case r.notify <- struct{}{}:
	default:
	}
}

// Next implements journal.Reader.
func (r *Reader) Next(ctx context.Context, maxBytes int) ([]journal.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		records, err := r.take(maxBytes)
		if err != nil || len(records) > 0 {
			return records, err
		}
		select {
		case <-r.notify:
		case <-r.closed:
		case <-ctx.Done():
		}
	}
}

// take returns what is there, or nothing. Payloads are copied into the reader's
// buffer, so that a caller who keeps one too long notices with this
// implementation as he would with the others.
func (r *Reader) take(maxBytes int) ([]journal.Record, error) {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed || r.isClosed() {
		return nil, journal.ErrClosed
	}
	first := j.search(r.pos)
	n, sum := first, 0
	for ; n < len(j.records); n++ {
		if n > first && sum+len(j.records[n].Payload) > maxBytes {
			break
		}
		sum += len(j.records[n].Payload)
	}
	if n == first {
		return nil, nil
	}
	if cap(r.buf) < sum {
		r.buf = make([]byte, 0, sum)
	}
	r.buf = r.buf[:0]
	records := make([]journal.Record, n-first)
	for i := range records {
		records[i] = j.records[first+i]
		start := len(r.buf)
		r.buf = append(r.buf, records[i].Payload...)
		records[i].Payload = r.buf[start:len(r.buf):len(r.buf)]
	}
	r.pos = records[len(records)-1].Next
	return records, nil
}

// Commit implements journal.Reader. A cursor never moves back: an offset before
// it changes nothing. The ephemeral reader has no cursor to commit.
func (r *Reader) Commit(next journal.Offset) error {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed || r.isClosed():
		return journal.ErrClosed
	case r.name == "":
		return nil
	case next > j.end:
		return fmt.Errorf("commit %d: the journal ends at %d", next, j.end)
	}
	j.cursors[r.name] = max(j.cursors[r.name], next)
	if !j.cfg.Retain {
		j.dropUntil(0)
	}
	return nil
}

// Close implements journal.Reader.
func (r *Reader) Close() error {
	r.once.Do(func() {
		close(r.closed)
		r.journal.mu.Lock()
		defer r.journal.mu.Unlock()
		delete(r.journal.readers, r)
	})
	return nil
}

func (r *Reader) isClosed() bool {
	select {
	case <-r.closed:
		return true
	default:
		return false
	}
}
