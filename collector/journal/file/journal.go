// Package file is the journal on disk: an append-only log cut into segment
// files, with one small cursor file for each named reader. The format is
// described byte by byte in docs/journal-format.md.
package file

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Journal implements journal.Journal in a directory. It is safe for concurrent
// use; one Journal at a time has a directory open.
//
// # What a crash leaves
//
// With SyncAlways a record is on stable storage when Append returns, and no
// reader sees it earlier: it survives a crash of the process and of the
// machine. With SyncInterval and SyncNever it is in the page cache: it survives a
// crash of the process; with SyncInterval it is on stable storage soon. A record whose Append did not return may be there or not; it is
// there whole or not at all.
//
// A cursor is in the page cache when Commit returns and on stable storage a
// second later: it survives a crash of the process; after a crash of the
// machine a reader may see again what it committed in the last second. No
// cursor makes a reader miss a record.
//
// Open cuts what a crash left half written off the end of the last segment. A
// record damaged later, by the disk or by a person, is skipped and counted; the
// records around it are read. The journal opens in every such state.
//
// # What a failing disk does
//
// When a write or a sync fails, no record of its group is acknowledged. Lack of
// space is journal.ErrFull: what was written is cut off, and the same segment
// goes on when there is space. After any other failure the segment is closed
// for writing, and the next group begins a new one: a failed sync may have
// dropped pages that the kernel holds for clean, so a second sync of the same
// file that succeeds would prove nothing.
type Journal struct {
	cfg     Config
	logger  *slog.Logger
	disk    disk
	lock    *os.File
	meters  *meters
	idle    *fileCount
	aside   *aside // nil: syncs block
	waiters waiters

	wake    chan struct{} // a token: pending has records
	tick    chan struct{} // a token: look at the ages of segments
	written chan struct{} // a token: unsynced has records
	quit    chan struct{} // closed by Close
	work    sync.WaitGroup

	// Owned by the committer.
	active  *segment       // nil: the next group begins a segment
	base    journal.Offset // where that segment begins, at the least
	crowded bool           // the last group had several records

	reclaiming  sync.Mutex // serialises deletion of segments; taken before mu
	recycleFrom int64      // the least size of a segment that is recycled

	mu        sync.Mutex
	closed    bool
	pending   *group
	spare     *group
	room      chan struct{}  // closed when pending is taken; nil: nobody waits
	segments  []*segment     // by base; the last one may be the active one
	bytes     int64          // what they occupy, with those being deleted
	spareSize int64          // of the file that the next segment is written to; zero: there is none
	end       journal.Offset // what readers may read ends here
	tail      tail
	unsynced  unsynced // with SyncInterval
	cursors   map[string]*cursor
	readers   map[*Reader]struct{}
}

var _ journal.Journal = (*Journal)(nil)

// Stats implements journal.Journal. Bytes counts segments, not cursors, which
// take 8 KiB each.
func (j *Journal) Stats() journal.Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	stats := journal.Stats{
		Oldest:   j.oldest(),
		End:      j.end,
		Bytes:    j.bytes,
		MaxBytes: j.cfg.MaxBytes,
		Cursors:  make(map[string]journal.Offset, len(j.cursors)),
	}
	for name, c := range j.cursors {
		stats.Cursors[name] = c.next
	}
	return stats
}

// oldest is the offset of the oldest record that is held, or the end. The
// caller holds mu.
func (j *Journal) oldest() journal.Offset {
	if len(j.segments) == 0 {
		return j.end
	}
	return min(j.segments[0].base, j.end)
}

// Forget gives up the cursor of a reader that will not come back, so that it
// holds nothing back any more. The reader must not be open.
func (j *Journal) Forget(name string) error {
	if err := j.forget(name); err != nil {
		return fmt.Errorf("forget reader %q: %w", name, err)
	}
	j.reclaim(0)
	return nil
}

func (j *Journal) forget(name string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return journal.ErrClosed
	}
	c, ok := j.cursors[name]
	if !ok {
		return errors.New("no such reader")
	}
	for r := range j.readers {
		if r.cursor == c {
			return errors.New("it is open")
		}
	}
	if err := c.remove(j.disk); err != nil {
		return err
	}
	delete(j.cursors, name)
	return nil
}

// Close implements journal.Journal. What was not written yet is answered with
// journal.ErrClosed. Closing twice does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	close(j.quit)
	j.mu.Unlock()
	j.work.Wait()
	j.dropSpare()       // A Commit that deletes segments finishes first.
	j.reclaiming.Lock() // None begins any more.
	defer j.reclaiming.Unlock()
	err := j.syncWritten()
	if j.active != nil {
		j.trim()
		j.active.release()
	}
	return errors.Join(err, j.closeFiles())
}

// syncWritten makes durable what is left in the page cache.
func (j *Journal) syncWritten() error {
	if j.cfg.Sync == SyncAlways {
		return nil
	}
	var errs []error
	for _, s := range j.segments {
		if !s.written {
			continue
		}
		file, _, err := s.acquire()
		if err == nil {
			err = file.Sync()
			s.release()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sync segment %s: %w", s.name, err))
		}
	}
	return errors.Join(append(errs, j.disk.syncDir("."))...)
}

// closeFiles lets go of everything that Open took.
func (j *Journal) closeFiles() error {
	var errs []error
	for _, c := range j.cursors {
		errs = append(errs, c.close(j.cfg.Sync))
	}
	for _, s := range j.segments {
		s.close()
	}
	j.aside.close()
	return errors.Join(append(errs, j.lock.Close(), j.disk.root.Close())...)
}

func (j *Journal) isClosed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}

// keep syncs cursors once a second and has segments looked at for their age.
func (j *Journal) keep() {
	defer j.work.Done()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-j.quit:
			return
		}
		if j.cfg.Sync != SyncNever {
			j.syncCursors()
		}
		if j.cfg.MaxAge > 0 {
			poke(j.tick)
		}
	}
}

// poke leaves a token in a channel of capacity one. It never blocks.
func poke(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
