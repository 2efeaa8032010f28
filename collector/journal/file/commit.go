package file

import (
	"fmt"
	"runtime"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// commitLoop is the committer: the one goroutine that writes to segments.
func (j *Journal) commitLoop() {
	defer j.work.Done()
	for {
		select {
		case <-j.wake:
			if j.crowded {
				runtime.Gosched() // Those just answered, and about to append again, join this group.
			}
			g := j.take()
			j.crowded = len(g.entries) > 1
			j.commit(g)
			j.giveBack(g)
		case <-j.tick:
			j.expire()
		case <-j.quit:
			g := j.take()
			answerAll(g.entries, 0, journal.ErrClosed)
			return
		}
	}
}

// commit writes a group, in as many parts as segments and the budget demand,
// and answers each part as a whole.
func (j *Journal) commit(g *group) {
	j.leaveFailed()
	frames, entries := g.frames, g.entries
	for len(entries) > 0 {
		n, err := j.admit(entries)
		size := sizeOf(entries[:n])
		var off journal.Offset
		if err == nil {
			off, err = j.write(g, frames[:size], entries[:n])
		}
		if outOfSpace(err) && j.reclaimOne() {
			continue
		}
		j.meters.answered(entries[:n], err)
		answerAll(entries[:n], off, err)
		frames, entries = frames[size:], entries[n:]
	}
}

func sizeOf(entries []entry) int64 {
	var size int64
	for i := range entries {
		size += int64(entries[i].size)
	}
	return size
}

// answerAll tells each appender the offset of its record, the first of which is
// off, or why there is none.
func answerAll(entries []entry, off journal.Offset, err error) {
	for i := range entries {
		entries[i].waiter.answer <- answer{off, err}
		off += journal.Offset(entries[i].size)
	}
}

// admit prepares the active segment for the first n of entries, one at least,
// and sees that the budget has room for them. On an error, n records are to be
// refused.
func (j *Journal) admit(entries []entry) (n int, err error) {
	header := int64(0)
	if j.active == nil || j.active.limit+int64(entries[0].size) > j.cfg.SegmentBytes {
		header = fileHeader
	}
	space := j.cfg.SegmentBytes - fileHeader
	if header == 0 {
		space = j.cfg.SegmentBytes - j.active.limit
	}
	size := int64(0)
	for n < len(entries) && size+int64(entries[n].size) <= space {
		size += int64(entries[n].size)
		n++
	}
	j.makeRoom(header+size, header > 0)
	left := j.left() - header
	if size > left {
		j.reclaim(header + size)
		left = j.left() - header
	}
	for n > 0 && size > left {
		n--
		size -= int64(entries[n].size)
	}
	j.makeRoom(header+size, header > 0) // What was reclaimed may have become the spare.
	if n == 0 {
		return 1, journal.ErrFull
	}
	if header > 0 {
		if err := j.roll(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// left is what the budget has left, in bytes, with what the active segment has of
// an older one. The spare can always be had, so it is not counted.
func (j *Journal) left() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	left := j.cfg.MaxBytes - j.bytes
	if j.active != nil {
		left += j.active.size - j.active.limit
	}
	return left
}

// write stores records of g at the end of the active segment and lets readers see
// them. It returns the offset of the first.
func (j *Journal) write(g *group, frames []byte, entries []entry) (journal.Offset, error) {
	s, pos := j.active, j.active.limit
	first := s.base + journal.Offset(pos-fileHeader)
	off, at := first, 0
	for i := range entries {
		seal(frames[at:at+entries[i].size], entries[i].sum, s.mark, off)
		at += entries[i].size
		off += journal.Offset(entries[i].size)
	}
	if _, err := s.file.WriteAt(frames, pos); err != nil {
		if cutErr := s.file.Truncate(pos); cutErr != nil || !outOfSpace(err) {
			j.abandon(pos + int64(len(frames)))
		} else {
			j.shrunk(s)
		}
		return 0, diskError("write records", err)
	}
	if j.cfg.Sync == SyncAlways {
		if err := j.timedSync(s.file, j.beside()); err != nil {
			_ = s.file.Truncate(pos) // The records were not acknowledged: a reader of tomorrow may find them or not.
			j.abandon(pos + int64(len(frames)))
			return 0, diskError("sync records", err)
		}
	}
	j.publish(s, entries, piece{first, frames, g})
	return first, nil
}

// beside is how to sync a record that came alone. Where they come in crowds, all
// processors are at work, and to wait for a thread of the kernel to get one takes
// longer than to sync.
func (j *Journal) beside() *aside {
	if j.crowded {
		return nil
	}
	return j.aside
}

// publish lets readers see what has been written to the active segment.
func (j *Journal) publish(s *segment, entries []entry, p piece) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := int64(len(p.frames))
	j.tail.add(p)
	if s.limit == fileHeader {
		s.oldest = entries[0].at
	}
	s.newest = entries[len(entries)-1].at
	s.limit += n
	grown := max(s.limit-s.size, 0)
	s.size += grown
	j.bytes += grown
	j.end = s.end()
	j.note(s, len(entries))
	for r := range j.readers {
		poke(r.notify)
	}
}

// abandon closes the active segment for writing after a failure. Up to upTo the
// file may hold what was never acknowledged; no offset there is used again.
func (j *Journal) abandon(upTo int64) {
	s := j.active
	size := upTo
	if info, err := s.disk.root.Stat(s.name); err == nil {
		size = info.Size()
	}
	j.active = nil
	j.base = s.base + journal.Offset(upTo-fileHeader)
	s.release()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bytes += size - s.size
	s.size = size
}

// roll closes the active segment for writing and begins the next one.
func (j *Journal) roll() error {
	if j.active != nil {
		j.trim()
		j.base = j.active.end()
	}
	j.mu.Lock()
	if n := len(j.segments); n > 0 && j.base <= j.segments[n-1].base {
		panic(fmt.Sprintf("BUG: the journal would begin a segment at %d, which is not past the last one", j.base))
	}
	j.mu.Unlock()
	s, err := j.create(j.base)
	if err != nil {
		return diskError("create segment", err)
	}
	if j.active != nil {
		j.active.release()
	}
	j.active = s
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, s)
	j.bytes += s.size
	return nil
}

// create writes an empty segment, over the spare where there is one, and makes its
// name durable. Another file of that name can only be what a failed create left: everything that Open found lies
// before base.
func (j *Journal) create(base journal.Offset) (*segment, error) {
	s := j.newSegment(base)
	recycled := j.takeSpare(s.name)
	file, err := s.disk.open(s.disk.root, s.name, flags(recycled))
	if err != nil {
		return nil, err
	}
	s.mark, s.sure = newMark(), true
	if err := j.begin(s, file); err != nil {
		_ = file.Close()
		_ = s.disk.root.Remove(s.name)
		return nil, fmt.Errorf("begin %s: %w", s.name, err)
	}
	s.file, s.refs, s.written = file, 1, true
	s.size, s.limit = max(fileHeader, recycled), fileHeader
	return s, nil
}

// begin writes a segment's header.
func (j *Journal) begin(s *segment, file handle) error {
	if _, err := file.WriteAt(encodeHeader(s.base, s.mark, time.Now()), 0); err != nil {
		return err
	}
	if j.cfg.Sync == SyncNever {
		return nil
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return s.disk.syncDir(".")
}

// newSegment describes the segment at base; nothing is opened.
func (j *Journal) newSegment(base journal.Offset) *segment {
	return &segment{name: segmentName(base), base: base, disk: j.disk, idle: j.idle, damage: map[int64]struct{}{}}
}
